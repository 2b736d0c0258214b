/** What processes have spent, all their threads together, as /proc has it. Elsewhere only this process can tell. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

export interface Usage {
  readonly cpuSeconds: number
  /** Handed to the disk, also what it has not yet taken. */
  readonly writtenBytes: number
  readonly rssMiB: number
}

/** The kernel counts in hundredths of a second, whatever its own clock (`getconf CLK_TCK`). */
const ticksPerSecond = 100
/** Behind the name of the program, which may hold anything: user and system time are the 12th and 13th. */
const userTicksAt = 11
const mebibyte = 2 ** 20
const hasProc = existsSync('/proc/self/stat')

export function usageOf(pids: readonly number[]): Usage {
  const each = pids.map(usageOfOne)
  return {
    cpuSeconds: sum(each.map(({ cpuSeconds }) => cpuSeconds)),
    writtenBytes: sum(each.map(({ writtenBytes }) => writtenBytes)),
    rssMiB: sum(each.map(({ rssMiB }) => rssMiB)),
  }
}

function usageOfOne(pid: number): Usage {
  if (!hasProc) return pid === process.pid ? ownUsage() : nothing
  return {
    cpuSeconds: secondsIn(read(pid, 'stat')),
    writtenBytes: numberIn(read(pid, 'io'), /^write_bytes: (\d+)/m),
    rssMiB: (numberIn(read(pid, 'status'), /^VmRSS:\s+(\d+) kB/m) * 1_024) / mebibyte,
  }
}

/** CPU seconds of each thread of this process, by its id; that of the main thread is the id of the process. */
export function threadSeconds(): ReadonlyMap<number, number> {
  if (!hasProc) return new Map()
  const threads = readdirSync('/proc/self/task').map(Number)
  return new Map(threads.map((id) => [id, secondsIn(read(process.pid, `task/${id}/stat`))]))
}

function secondsIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[userTicksAt] ?? 0) + Number(fields[userTicksAt + 1] ?? 0)
  return ticks / ticksPerSecond
}

const nothing: Usage = { cpuSeconds: 0, writtenBytes: 0, rssMiB: 0 }

function ownUsage(): Usage {
  const { user, system } = process.cpuUsage()
  const rssMiB = process.memoryUsage.rss() / mebibyte
  return { cpuSeconds: (user + system) / 1e6, writtenBytes: 0, rssMiB }
}

/** Empty where the process, or the thread, has ended. */
function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
