/** What processes have spent, all their threads together, as /proc has it. Elsewhere only this process can tell. */
import { existsSync, readFileSync } from 'node:fs'

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
  const stat = read(pid, 'stat')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[userTicksAt] ?? 0) + Number(fields[userTicksAt + 1] ?? 0)
  return {
    cpuSeconds: ticks / ticksPerSecond,
    writtenBytes: numberIn(read(pid, 'io'), /^write_bytes: (\d+)/m),
    rssMiB: (numberIn(read(pid, 'status'), /^VmRSS:\s+(\d+) kB/m) * 1_024) / mebibyte,
  }
}

const nothing: Usage = { cpuSeconds: 0, writtenBytes: 0, rssMiB: 0 }

function ownUsage(): Usage {
  const { user, system } = process.cpuUsage()
  const rssMiB = process.memoryUsage.rss() / mebibyte
  return { cpuSeconds: (user + system) / 1e6, writtenBytes: 0, rssMiB }
}

/** Empty where the process has ended. */
function read(pid: number, name: string): string {
  const path = `/proc/${pid}/${name}`
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
