/**
 * A member as a process of its own that loads itself: the callers are in its process, as a program's would
 * be, so that no pipe is measured. Steered over IPC; what the process does is in member-child.ts.
 */
import { join } from 'node:path'
import type { ClusterOptions } from '../src/options.ts'
import type { NodeStatus } from '../src/store.ts'
import { Child } from './child.ts'
import type { LatencyCounts } from './latencies.ts'
import type { Ledger, Workload } from './ledger.ts'

/** What has happened since the last report. */
export interface Report {
  /** Acknowledged. */
  readonly writes: number
  readonly reads: number
  /** Each a line; of many only the first. */
  readonly failures: readonly string[]
  readonly failureCount: number
  /** Of the writes, from call to answer. */
  readonly latencies: LatencyCounts
  /** The longest time between two acknowledged writes, the second of which came since the last report. */
  readonly longestGapMs: number
  /** Keys, and the newest operation on each that was acknowledged. */
  readonly keys: Uint32Array
  readonly operations: Uint32Array
  readonly memory: Memory
  readonly status: NodeStatus
}

export interface Memory {
  readonly rssBytes: number
  /** Of it, what is no file that is mapped; 0 where the system does not tell. */
  readonly anonymousBytes: number
  readonly heapBytes: number
}

/** All that a member has applied. */
export interface Contents {
  readonly appliedIndex: number
  readonly entries: number
  /** Of keys and values. */
  readonly bytes: number
  /** Of all entries with their revisions. */
  readonly digest: string
  /** By writer: which operation stored each key; 0: it is not there. */
  readonly found: readonly Uint32Array[]
  /** Entries that nobody has written so. */
  readonly strange: readonly string[]
}

export type MemberCalls = {
  open(options: ClusterOptions): Promise<NodeStatus>
  /** The same until its first linearizable read was answered. Returns how long that took. */
  openToRead(options: ClusterOptions): Promise<number>
  status(): NodeStatus
  /** Begins operations, each caller one after the other. */
  begin(workload: Workload, ledger: Ledger, callers: number, seed: number): void
  /** Puts every key of the workload once; the load goes on from there. */
  fill(workload: Workload): Promise<Ledger>
  report(): Report
  /** Ends the load; returns what came of it once every operation has ended. */
  end(): Promise<Ledger>
  snapshot(): Promise<number>
  /** Hands over the leadership to whoever is ready. */
  transfer(): Promise<void>
  contents(workloads: readonly Workload[]): Promise<Contents>
  close(): Promise<void>
}

export class LoadedMember extends Child<MemberCalls> {
  static start(): LoadedMember {
    return new LoadedMember(join(import.meta.dirname, 'member-child.js'))
  }
}
