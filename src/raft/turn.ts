import type { Outgoing } from './rpc.ts'
import type { ReceivedChunk } from './snapshot.ts'
import type { Entry, HardState, Index } from './types.ts'

/**
 * What one turn of the core wants done. The order is in the data: send `early`, make `write` durable,
 * tell the core so, and only then send what it hands over as `late` (etcd-io/raft sorts its messages
 * the same way; thesis §10.2.1).
 */
export interface Turn {
  /** Promises nothing about our disk: appends, heartbeats, pre-votes. */
  readonly early: readonly Outgoing[]
  readonly write: LogWrite
  /** To be kept for the snapshot they belong to. */
  readonly chunks: readonly ReceivedChunk[]
}

/** One durable transaction. Nothing in `Settled.late` may leave before it has returned. */
export interface LogWrite {
  /** Term and vote, where they have changed. */
  readonly hardState: HardState | null
  /** Remove this entry and all behind it, before appending; they conflict with the leader's. */
  readonly truncateFrom: Index | null
  /** Consecutive; the first is `truncateFrom`, or follows the last entry on disk. */
  readonly entries: readonly Entry[]
}

/** What may happen once the turn's write is durable. */
export interface Settled {
  /** Promises about our disk: votes, acknowledgements; and what our own acknowledgement set free. */
  readonly late: readonly Outgoing[]
  /** Ids of reads, with the index that must be applied before they are served. */
  readonly reads: readonly ReadyRead[]
}

export interface ReadyRead {
  readonly id: number
  readonly index: Index
}
