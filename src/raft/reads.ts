/**
 * Linearizable reads (thesis §6.4): the leader notes its commit index, has a majority confirm that it
 * still leads, and lets the read go once that index is applied. All reads waiting share one round; while
 * one is on its way, newcomers wait for the next, for the confirmation must be younger than the read.
 */
import type { Quorum } from './quorum.ts'
import type { Index, NodeId } from './types.ts'

export interface WaitingRead {
  /** Who asked; ourselves for a read of our own callers. */
  readonly from: NodeId
  readonly id: number
}

export interface ConfirmedReads {
  readonly reads: readonly WaitingRead[]
  readonly index: Index
}

export class ReadRounds {
  /** The newest round. Carried by every heartbeat, so that a lost one costs one heartbeat interval. */
  round = 1
  #waiting: WaitingRead[] = []
  #current: { reads: WaitingRead[]; index: Index; confirmedBy: Set<NodeId> } | null = null

  add(read: WaitingRead): void {
    this.#waiting.push(read)
  }

  /** Begins a round if reads wait and none is on its way. True: heartbeats must go out now. */
  begin(commitIndex: Index, self: NodeId): boolean {
    if (this.#current !== null || this.#waiting.length === 0) return false
    this.round++
    this.#current = { reads: this.#waiting, index: commitIndex, confirmedBy: new Set([self]) }
    this.#waiting = []
    return true
  }

  confirm(from: NodeId, round: number): void {
    if (this.#current !== null && round >= this.round) this.#current.confirmedBy.add(from)
  }

  /** The reads of the round on its way, once a majority has confirmed it. */
  take(quorum: Quorum): ConfirmedReads | null {
    const current = this.#current
    if (current === null) return null
    if (!quorum.isQuorum((id) => current.confirmedBy.has(id))) return null
    this.#current = null
    return { reads: current.reads, index: current.index }
  }
}
