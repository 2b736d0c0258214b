/** Counts the calls that sync, of whole processes, with `perf stat`, which costs them next to nothing. Linux, as root. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

const calls = ['fdatasync', 'fsync', 'msync', 'sync_file_range']
const events: string = calls.map((call) => `syscalls:sys_enter_${call}`).join(',')

export const canCountSyncs: boolean = tryPerf()

/** What `work` resolves with, and how often the processes synced meanwhile; `null` where nobody can count. */
export async function countingSyncs<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly syncs: number | null }> {
  if (!canCountSyncs) return { value: await work(), syncs: null }
  const perf = spawn('perf', ['stat', '-x', ',', '-e', events, '-p', pids.join(',')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const output = outputOf(perf)
  try {
    const value = await work()
    perf.kill('SIGINT')
    return { value, syncs: sumOf(await output) }
  } finally {
    perf.kill('SIGINT')
  }
}

function tryPerf(): boolean {
  try {
    execFileSync('perf', ['stat', '-x', ',', '-e', events, 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function outputOf(perf: ChildProcess): Promise<string> {
  let text = ''
  perf.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await once(perf, 'close')
  return text
}

/** A line per event: how often, no unit, its name. */
export function sumOf(text: string): number {
  return text
    .split('\n')
    .map((line) => Number.parseInt(line, 10))
    .reduce((total, count) => total + (Number.isNaN(count) ? 0 : count), 0)
}
