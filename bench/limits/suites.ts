/** The suites `fsync`, `hop`, `socket` and `codec`: one thing done over and over, by one caller. */
import { join } from 'node:path'
import type { Row } from '../row.ts'
import { codecTimings } from './codec.ts'
import { commitOf, syncOf, type Timing } from './disk.ts'
import { hopOf } from './hop.ts'
import { socketOf } from './socket.ts'

export interface LimitOptions {
  readonly scratch: string
  readonly measureMs: number
  readonly onRow: (row: Row) => void
}

const kibibyte = 1_024
const hopBytes: readonly number[] = [100, 16 * kibibyte, kibibyte ** 2]
const syncBytes: readonly number[] = [4 * kibibyte, 16 * kibibyte, 128 * kibibyte, kibibyte ** 2]
const putCounts: readonly number[] = [1, 8, 64, 128, 1_000, 4_096]
const putBytes: readonly number[] = [100, 256]

export async function runLimitSuite(
  suite: 'fsync' | 'hop' | 'socket' | 'codec',
  options: LimitOptions,
): Promise<void> {
  const tell = (system: string, valueBytes: number, work: string, timing: Timing) =>
    options.onRow(rowOf(suite, system, valueBytes, work, timing))
  const { measureMs, scratch } = options
  switch (suite) {
    case 'hop':
      for (const bytes of hopBytes)
        tell('thread and back, moved', bytes, 'hop', await hopOf(bytes, measureMs))
      return
    case 'socket':
      for (const bytes of hopBytes)
        tell('process and back, TCP', bytes, 'hop', await socketOf(bytes, measureMs))
      return
    case 'codec':
      for (const { what, bytes, timing } of codecTimings(measureMs))
        tell(what, bytes, 'codec', timing)
      return
    case 'fsync':
      for (const bytes of syncBytes)
        tell('write and fdatasync', bytes, 'sync', syncOf(scratch, bytes, measureMs))
      for (const bytes of putBytes)
        for (const puts of putCounts) {
          const timing = await commitOf(join(scratch, 'commits'), puts, bytes, measureMs)
          tell(`log commit of ${puts} ${puts === 1 ? 'put' : 'puts'}`, bytes, 'put', timing)
        }
      return
  }
}

function rowOf(
  suite: string,
  system: string,
  valueBytes: number,
  work: string,
  timing: Timing,
): Row {
  const { perSecond: opsPerSecond, p50Ms, p99Ms, p999Ms, cpuSecondsPerMillion } = timing
  const measured = {
    opsPerSecond,
    p50Ms,
    p99Ms,
    p999Ms,
    cpuSecondsPerMillion,
    rssMiB: 0,
    writtenBytesPerOperation: 0,
  }
  return {
    suite,
    system,
    nodes: 1,
    callers: 1,
    valueBytes,
    keys: 0,
    work,
    distribution: 'uniform',
    open: null,
    ...measured,
    generatorCpuSecondsPerMillion: null,
    mainCpuSecondsPerMillion: null,
    busiestOtherCpuSecondsPerMillion: null,
    syncsPerOperation: null,
    spread: {
      opsPerSecond: [opsPerSecond, opsPerSecond],
      p50Ms: [p50Ms, p50Ms],
      p99Ms: [p99Ms, p99Ms],
    },
    runs: [measured],
    limit: null,
    threads: null,
    notes: [],
  }
}
