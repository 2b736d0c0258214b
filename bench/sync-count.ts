/** Counts the calls that sync, of whole processes, with `perf stat`, which costs them next to nothing. Linux, as root. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'

const calls = ['fdatasync', 'fsync', 'msync', 'sync_file_range']
const events: string = calls.map((call) => `syscalls:sys_enter_${call}`).join(',')
const counting: readonly string[] = ['stat', '-x', ',', '-e', events]
/** Counts nothing until it is told to, over descriptor 3, and says on 4 that it does. */
const onOrder: readonly string[] = ['--delay', '-1', '--control', 'fd:3,4']

let canCount: boolean | null = null

/** What `work` resolves with, and how often the processes synced meanwhile; `null` where nobody can count. */
export async function countingSyncs<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly syncs: number | null }> {
  canCount ??= tryPerf()
  if (!canCount) return { value: await work(), syncs: null }
  const perf = spawn('perf', [...counting, ...onOrder, '-p', pids.join(',')], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, , output, orders, answers] = perf.stdio
  const said = textOf(output as Readable)
  const closed = once(perf, 'close')
  try {
    const answered = once(answers as Readable, 'data')
    ;(orders as Writable).write('enable\n')
    await Promise.race([answered, closed])
    const value = await work()
    perf.kill('SIGINT')
    await closed
    return { value, syncs: sumOf(said()) }
  } finally {
    perf.kill('SIGINT')
  }
}

function tryPerf(): boolean {
  try {
    execFileSync('perf', [...counting, 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function textOf(stream: Readable): () => string {
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}

/** A line per event: how often, no unit, its name. */
export function sumOf(text: string): number {
  return text
    .split('\n')
    .map((line) => Number.parseInt(line, 10))
    .reduce((total, count) => total + (Number.isNaN(count) ? 0 : count), 0)
}
