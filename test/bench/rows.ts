/** Rows for tests: of one load, with what is given as the numbers of each run. */
import type { Limits } from '../../bench/limits/limits.ts'
import { type Measured, medianOf, type Row } from '../../bench/row.ts'

interface Numbers {
  readonly suite?: string
  readonly nodes?: number
  readonly callers?: number
  readonly valueBytes?: number
  readonly keys?: number
  readonly work?: string
  readonly open?: Row['open']
  readonly opsPerSecond?: readonly number[]
  readonly p50Ms?: readonly number[]
  readonly p99Ms?: readonly number[]
  readonly notes?: readonly string[]
  readonly limit?: Row['limit']
  readonly cpuSecondsPerMillion?: number
  readonly generatorCpuSecondsPerMillion?: number
  readonly mainCpuSecondsPerMillion?: number
  readonly busiestOtherCpuSecondsPerMillion?: number
}

export function row(system: string, numbers: Numbers): Row {
  const { opsPerSecond = [10_000], p50Ms = [2], p99Ms = [8], ...rest } = numbers
  const runs = opsPerSecond.map((each, n): Measured => {
    return {
      opsPerSecond: each,
      p50Ms: p50Ms[n % p50Ms.length] ?? 0,
      p99Ms: p99Ms[n % p99Ms.length] ?? 0,
      p999Ms: 12,
      cpuSecondsPerMillion: 12.345,
      rssMiB: 321.9,
      writtenBytesPerOperation: 0,
    }
  })
  const over = (values: readonly number[]) => [Math.min(...values), Math.max(...values)] as const
  return {
    suite: 'put1',
    system,
    nodes: 1,
    callers: 64,
    valueBytes: 100,
    keys: 1_000_000,
    work: 'put',
    distribution: 'uniform',
    open: null,
    opsPerSecond: medianOf(opsPerSecond),
    p50Ms: medianOf(p50Ms),
    p99Ms: medianOf(p99Ms),
    p999Ms: 12,
    cpuSecondsPerMillion: 12.345,
    generatorCpuSecondsPerMillion: null,
    mainCpuSecondsPerMillion: null,
    busiestOtherCpuSecondsPerMillion: null,
    rssMiB: 321.9,
    writtenBytesPerOperation: 0,
    syncsPerOperation: null,
    spread: { opsPerSecond: over(opsPerSecond), p50Ms: over(p50Ms), p99Ms: over(p99Ms) },
    runs,
    limit: null,
    threads: null,
    notes: [],
    ...rest,
  }
}

const timing = { perSecond: 1_000, p99Ms: 1, p999Ms: 1, cpuSecondsPerMillion: 1 }

export const limits: Limits = {
  commits: [
    { puts: 1, valueBytes: 100, ...timing, p50Ms: 0.25 },
    { puts: 64, valueBytes: 100, ...timing, p50Ms: 0.64, perSecond: 100_000 },
  ],
  hop: { ...timing, p50Ms: 0.25 },
  socket: { ...timing, p50Ms: 0.25 },
}
