/**
 * When another is to lead because our disk is low, our state is lost, or this node closes. What the callers of other nodes send
 * for our log while leadership is handed over waits here: if it stays with us, nobody has to send it again.
 */
import { handOverMsMax, tickMs } from '../options.ts'
import { assert } from '../raft/assert.ts'
import type { Raft } from '../raft/raft.ts'
import type { NodeId } from '../raft/types.ts'
import type { DiskSpace } from './disk-space.ts'

/** So many of the shortest election timeouts: one may fail to take over, and another still can. */
const leaveElectionsMax = 2
/** Bytes of batches that wait; behind them they are dropped, and sent again by their owners. */
const heldBytesMax = 64 * 2 ** 20

const stateIsLost = 'its state is lost, and nobody who has one can take over'

interface Held {
  readonly from: NodeId
  readonly batch: Uint8Array
}

export class Succession {
  readonly #raft: Raft
  readonly #space: DiskSpace
  readonly #leaveTicksMax: number
  #held: Held[] = []
  #heldBytes = 0
  /** With too little disk to lead, or without a state, and nobody to take over. */
  #isStuck = false
  #leaving: { readonly done: () => void; ticksLeft: number } | null = null

  constructor(raft: Raft, space: DiskSpace, electionTicks: number) {
    this.#raft = raft
    this.#space = space
    this.#leaveTicksMax = Math.min(leaveElectionsMax * electionTicks, handOverMsMax / tickMs)
  }

  /** Hands over. `done`, from a later turn: another leads, or it is not to be had. */
  leave(done: () => void): void {
    assert(this.#leaving === null, 'a node closes once')
    this.#leaving = { done, ticksLeft: this.#leaveTicksMax }
  }

  tick(): void {
    const hasRoom = this.#space.trouble === null
    this.#raft.hasRoom = hasRoom
    const mustGo = !hasRoom || this.#raft.stateLost
    this.#isStuck = mustGo && this.#raft.transferLeadership(null)?.type === 'refused'
    if (this.#leaving !== null) this.#leaving.ticksLeft--
  }

  /** A batch of another node's callers. Who does not lead forgets it: its owner will find the leader. */
  forward(from: NodeId, batch: Uint8Array): void {
    if (!this.#raft.isLeader) return
    const mustWait = this.#held.length > 0 || this.#raft.isTransferring
    if (!mustWait && this.#space.trouble === null) this.#raft.propose(batch, from)
    else if (this.#heldBytes + batch.length <= heldBytesMax) {
      this.#held.push({ from, batch })
      this.#heldBytes += batch.length
    }
  }

  /** Once a turn. `refuse` tells a node that its batches are not taken, and why. */
  pump(refuse: (to: NodeId, reason: string) => void): void {
    if (this.#leaving !== null) this.#pumpLeaving(this.#leaving)
    if (this.#held.length === 0 || (this.#raft.isTransferring && !this.#isStuck)) return
    const trouble = this.#space.trouble ?? (this.#raft.stateLost ? stateIsLost : null)
    if (!this.#raft.isLeader) this.#takeHeld()
    else if (trouble === null)
      for (const { batch, from } of this.#takeHeld()) this.#raft.propose(batch, from)
    else if (this.#isStuck) {
      const reason = `the leader, ${this.#raft.id}, says: ${trouble}`
      for (const to of new Set(this.#takeHeld().map(({ from }) => from))) refuse(to, reason)
    }
  }

  #pumpLeaving({ done, ticksLeft }: { done: () => void; ticksLeft: number }): void {
    const outcome = this.#raft.transferLeadership(null)
    const isReplaced = outcome === null && this.#raft.status.leaderId !== null
    if (!isReplaced && outcome?.type !== 'refused' && ticksLeft > 0) return
    this.#leaving = null
    done()
  }

  #takeHeld(): readonly Held[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    return held
  }
}
