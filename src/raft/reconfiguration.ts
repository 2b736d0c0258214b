/**
 * What a leader does about changes of the membership: judges them, begins them, and goes through with them,
 * one at a time. Thesis chapter 4; the arithmetic is in membership.ts and quorum.ts.
 */
import { assert } from './assert.ts'
import {
  checkMembers,
  checkStep,
  encodeConfiguration,
  everyone,
  firstStep,
  isJoint,
  lastStep,
  type MembershipAt,
  promote,
  type Target,
  votersOf,
} from './membership.ts'
import { Progress } from './progress.ts'
import { majority } from './quorum.ts'
import type { Server } from './server.ts'
import type { Configuration, Index, Membership, NodeId, Promotion } from './types.ts'

/** What became of a request to change the membership. */
export type ChangeOutcome =
  | { readonly type: 'accepted' }
  | { readonly type: 'busy'; readonly reason: string }
  | { readonly type: 'refused'; readonly reason: string }

/** A learner this close behind the end of the log is made a voter: one more append reaches it. */
const promotionLagMax = 64

/** What it needs of its leader. */
export interface Reconfigured {
  readonly server: Server
  /** Of everyone the leader sends to; kept in step with the configuration here. */
  readonly progress: Map<NodeId, Progress>
  /** Is an entry of the leader's own term committed? */
  isReady(): boolean
  /** The end of the log must not move any more. */
  isTransferring(): boolean
  append(configuration: Uint8Array): void
}

export class Reconfiguration {
  readonly #leader: Reconfigured
  /** Removed members, until they have heard of it or the time is up. */
  readonly #leaving = new Map<NodeId, { removedAt: Index; address: string; ticksLeft: number }>()
  #ticksLed = 0

  constructor(leader: Reconfigured) {
    const { server, progress } = leader
    this.#leader = leader
    for (const id of server.peers) progress.set(id, new Progress(server.log.lastIndex + 1))
  }

  /** Removed members that must still be reached. */
  get leaving(): readonly { id: NodeId; address: string }[] {
    return [...this.#leaving].map(([id, { address }]) => ({ id, address }))
  }

  // ── to be begun ───────────────────────────────────────────────────────────────────────────────

  /** Begins a change. One of voters begins with a joint configuration, and `pump` goes through with it. */
  change(to: Target): ChangeOutcome {
    const outcome = this.consider(to.members)
    if (outcome.type === 'accepted') this.#append(firstStep(this.#latest, to))
    return outcome
  }

  /**
   * What would be said to a change that leads to these members. One at a time, and only after an entry of our
   * own term is committed: before, a change of an earlier leader may still turn up (thesis errata, 2015).
   */
  consider(members: Membership): ChangeOutcome {
    if (!this.#leader.isReady())
      return { type: 'busy', reason: 'the leader has not committed an entry of its term yet' }
    if (this.#leader.isTransferring()) return { type: 'busy', reason: 'the leader hands over' }
    if (!this.#isCommitted || isJoint(this.#latest))
      return { type: 'busy', reason: 'another change is under way' }
    const wrong = checkMembers(members)
    if (wrong !== null) return { type: 'refused', reason: wrong }
    const loss = this.#quorumLoss(members)
    if (loss === null) return { type: 'accepted' }
    // Who is there is known only after all have had the time to answer.
    const isNew = this.#ticksLed < this.#leader.server.limits.electionTicksMin
    return { type: isNew ? 'busy' : 'refused', reason: loss }
  }

  /**
   * Why a change must not be begun that takes away a voter who is there: those who are left could not decide
   * anything, nor ever change that. One that is silent may go: without it they are better off.
   */
  #quorumLoss(members: Membership): string | null {
    const voters = votersOf(members)
    const { quorum } = this.#leader.server.membership
    const lost = quorum.voters.filter((id) => !voters.includes(id) && this.#answers(id))
    const silent = voters.filter((id) => !this.#answers(id))
    const needed = majority(voters.length)
    if (lost.length === 0 || voters.length - silent.length >= needed) return null
    return (
      `the quorum would be lost: ${needed} of the ${voters.length} voters left would be needed, ` +
      `and ${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not answer`
    )
  }

  /** A stranger, too: who is not there yet is no reason to think that it will not be. */
  #answers(id: NodeId): boolean {
    const { server, progress } = this.#leader
    const { ticksSilent = 0 } = progress.get(id) ?? {}
    return id === server.id || ticksSilent < server.limits.electionTicksMin
  }

  // ── to be gone through with ───────────────────────────────────────────────────────────────────

  tick(): void {
    this.#ticksLed++
    this.#tickLeaving()
  }

  /** The next step of a change that is under way, if it is due. */
  pump(): void {
    if (this.#leader.isTransferring()) return
    if (!this.#leader.isReady() || !this.#isCommitted) return
    if (isJoint(this.#latest)) this.#leaveJoint()
    else this.#promoteLearner()
  }

  /** Once a joint configuration is committed, at once; also one that an earlier leader began (paper §6). */
  #leaveJoint(): void {
    this.#append(lastStep(this.#latest))
  }

  /** A learner that has caught up becomes a voter by itself (thesis §4.2.1), in another's place if so asked. */
  #promoteLearner(): void {
    for (const promotion of this.#latest.promotions) {
      if (!this.#hasCaughtUp(promotion)) continue
      if (this.change(promote(this.#latest, promotion)).type === 'accepted') return
    }
  }

  #hasCaughtUp({ id }: Promotion): boolean {
    const { server, progress } = this.#leader
    const { active = false, heldIndex = 0 } = progress.get(id) ?? {}
    if (heldIndex === 0) return false
    return active && heldIndex + promotionLagMax >= server.log.lastIndex
  }

  /** The new members count from now on: learn who came, and remember who has yet to hear that it went. */
  appended(before: MembershipAt): void {
    const { server, progress } = this.#leader
    const { peers, log, limits, commitIndex } = server
    assert(this.#leader.isReady(), 'a change before an entry of this term is committed')
    assert(before.index <= commitIndex, `a change on top of ${before.index}, not yet committed`)
    const reason = checkStep(before, this.#latest)
    assert(reason === null, `a change of members: ${reason}`)
    for (const id of peers) {
      this.#leaving.delete(id)
      if (!progress.has(id)) progress.set(id, new Progress(log.lastIndex))
    }
    for (const { id, address } of everyone(before)) {
      if (id === server.id || peers.includes(id)) continue
      const ticksLeft = 2 * limits.electionTicksMax
      this.#leaving.set(id, { removedAt: log.lastIndex, address, ticksLeft })
    }
    // Whoever asked for it, whoever enters and whoever leaves.
    for (const each of progress.values()) each.awaits(log.lastIndex)
  }

  /** Lets a removed member go once it was told that its removal is committed, or has not listened. */
  #tickLeaving(): void {
    const { progress } = this.#leader
    for (const [id, leaving] of this.#leaving) {
      leaving.ticksLeft--
      const { commitSent = 0, matchIndex = 0 } = progress.get(id) ?? {}
      const told = Math.min(commitSent, matchIndex) >= leaving.removedAt
      if (!told && leaving.ticksLeft > 0) continue
      this.#leaving.delete(id)
      progress.delete(id)
    }
  }

  get #latest(): MembershipAt {
    return this.#leader.server.membership.latest
  }

  /** May anything be built upon the newest configuration? */
  get #isCommitted(): boolean {
    return this.#latest.index <= this.#leader.server.commitIndex
  }

  #append(configuration: Configuration): void {
    this.#leader.append(encodeConfiguration(configuration))
  }
}
