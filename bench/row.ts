/** One line of the tables, and a number beside another of its kind. */
import type { LoadProfile, ThreadHealth } from './load/profile.ts'

export interface Row {
  readonly suite: string
  readonly system: string
  readonly nodes: number
  /** In the open loop 0: there, operations begin when they are due. */
  readonly callers: number
  readonly valueBytes: number
  readonly keys: number
  /** What the callers do: `put`, `get`, `95 % get`. */
  readonly work: string
  readonly distribution: LoadProfile['distribution']
  /** `null`: of the closed loop. */
  readonly open: OpenLoop | null
  readonly opsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** Of all processes of the system. */
  readonly cpuSecondsPerMillion: number
  /** Of the program that makes the load, where it is not part of the system. */
  readonly generatorCpuSecondsPerMillion: number | null
  /** Of them, of the main thread where the callers are, and of the busiest thread beside it. */
  readonly mainCpuSecondsPerMillion: number | null
  readonly busiestOtherCpuSecondsPerMillion: number | null
  /** Of all processes of the system; what they share counts in each. */
  readonly rssMiB: number
  readonly writtenBytesPerOperation: number
  /** Calls of fdatasync, fsync and msync, by all processes of the system; `null`: not counted. */
  readonly syncsPerOperation: number | null
  readonly spread: Spread
  /** Every run that the numbers above are the medians of, in order. */
  readonly runs: readonly Measured[]
  /** How near it comes to what the machine can do; `null` where none of the limits applies. */
  readonly limit: { readonly name: string; readonly percent: number } | null
  /** Of the main thread of the program that makes the load, where it is part of the system; the worst of all runs. */
  readonly threads: ThreadHealth | null
  readonly notes: readonly string[]
}

export interface OpenLoop {
  readonly duePerSecond: number
  /** Less where the callers' own thread came no further. */
  readonly calledPerSecond: number
  readonly refusedPerSecond: number
  /** From the call, not from when it was due: without what the callers' own thread was late. */
  readonly callP50Ms: number
  readonly callP99Ms: number
}

export type Metric = 'opsPerSecond' | 'p50Ms' | 'p99Ms'

export type Measured = Readonly<
  Record<Metric | 'p999Ms' | 'cpuSecondsPerMillion' | 'rssMiB' | 'writtenBytesPerOperation', number>
>

/** Least and most over the runs. */
export type Spread = Readonly<Record<Metric, readonly [least: number, most: number]>>

/** `system` divided by `against`: more is better for `opsPerSecond`, less for the latencies. */
export interface Ratio {
  readonly suite: string
  readonly system: string
  readonly callers: number
  readonly valueBytes: number
  readonly work: string
  readonly against: string
  readonly metric: Metric
  /** Median over the pairs of runs that followed each other. */
  readonly ratio: number
  readonly least: number
  readonly most: number
}

export const metrics: readonly Metric[] = ['opsPerSecond', 'p50Ms', 'p99Ms']

export function isOurs({ system }: { readonly system: string }): boolean {
  return system.startsWith('skiff,')
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

/** Ours against every other system, where the load is the same. */
export function ratiosOf(rows: readonly Row[]): Ratio[] {
  const peers = rows.filter((row) => !isOurs(row))
  return rows
    .filter(isOurs)
    .flatMap((row) =>
      peers.filter((peer) => isSameLoad(row, peer)).flatMap((peer) => ratiosBetween(row, peer)),
    )
}

export function isSameLoad(a: Row, b: Row): boolean {
  return (
    a.suite === b.suite &&
    a.work === b.work &&
    a.distribution === b.distribution &&
    a.callers === b.callers &&
    a.valueBytes === b.valueBytes &&
    a.keys === b.keys &&
    (a.open === null) === (b.open === null)
  )
}

function ratiosBetween(row: Row, peer: Row): Ratio[] {
  const { suite, system, callers, valueBytes, work } = row
  const load = { suite, system, callers, valueBytes, work, against: peer.system }
  return metrics.flatMap((metric) => {
    const each = row.runs.flatMap((run, n) => {
      const beside = peer.runs[n]
      // Where nothing ended there is no latency.
      return beside === undefined || beside[metric] === 0 || run[metric] === 0
        ? []
        : run[metric] / beside[metric]
    })
    if (each.length === 0) return []
    const [least, most] = [Math.min(...each), Math.max(...each)]
    return { ...load, metric, ratio: medianOf(each), least, most }
  })
}
