/** What a load is, and what came of it. Both cross from the bench to the program that makes the load. */
import type { LatencyCounts } from '../latencies.ts'

export interface LoadProfile {
  readonly pace: Pace
  /** Of 100 operations; the others are reads. */
  readonly putPercent: number
  readonly keys: number
  readonly distribution: 'uniform' | 'zipfian'
  readonly valueBytes: number
  /** Runs before anything is counted. */
  readonly warmUpMs: number
  readonly measureMs: number
  readonly seed: number
  /** Whose CPU, memory and disk are counted, beside the program that makes the load. */
  readonly pids: readonly number[]
}

export type Pace =
  /** Each caller waits for its answer, then goes on: no queue builds up, and throughput is the ceiling. */
  | { readonly type: 'closed'; readonly callers: number }
  /**
   * Operations begin when they are due (a Poisson process), whether others were answered or not, and the latency counts from then: who
   * waits for a slow answer before it asks again would not notice how many had to wait (coordinated omission).
   */
  | { readonly type: 'open'; readonly perSecond: number }

export interface LoadResult {
  /** Ended well while it was measured. */
  readonly operations: number
  /** From the first to the last, the warm-up too. */
  readonly operationsInAll: number
  readonly elapsedMs: number
  readonly latencies: LatencyCounts
  /** Of the open loop, from the call: what the store itself took, without what the program was late. */
  readonly callLatencies: LatencyCounts
  /** Begun while it was measured. */
  readonly called: number
  /** Due in the open loop until the end, but not called: the program itself came no further. */
  readonly missed: number
  /** Nobody waits for them any more: they were not answered within seconds of the end. */
  readonly unanswered: number
  /** By code. */
  readonly failures: Readonly<Record<string, number>>
  readonly firstFailure: string | null
  /** Of the program that makes the load, and of the others. */
  readonly generator: Spent
  readonly others: Spent
  readonly threads: ThreadHealth
  /** What happened to the store meanwhile, such as an election. */
  readonly notes: readonly string[]
}

/** While it was measured. */
export interface Spent {
  readonly cpuSeconds: number
  readonly writtenBytes: number
  /** At the end. */
  readonly rssMiB: number
}

/** Of the program that makes the load. */
export interface ThreadHealth {
  /** CPU seconds of its main thread, and of the busiest beside it. */
  readonly mainSeconds: number
  readonly busiestOtherSeconds: number
  /** Of its main thread: pauses for garbage, and how late its event loop was. */
  readonly collections: number
  readonly collectionsMs: number
  readonly longestCollectionMs: number
  readonly delayP99Ms: number
  readonly longestDelayMs: number
}
