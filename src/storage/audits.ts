/**
 * What a leader does to learn whether the members' states are one (health.ts). It asks each for the hash of its
 * state as of one entry. Where a majority of the voters has one hash, whoever has another is wrong, be it the
 * leader. Where all have answered and there is none (two members), nobody can say. Then it is for one of those to lead of whom most are of
 * one mind; it first makes its own state anew, and if they still differ, the others are those that yield: rather one
 * answer than two.
 *
 * And a state that was written wrong must not be handed out: a leader sends only snapshots as of entries of which
 * a majority has agreed with it. Where so few answer that there can be no majority, for the others wait for just that
 * snapshot, those few decide who hands it out, by the same rule. Who is wrong they do not decide: who is silent might
 * know better.
 */
import type { WireRpc } from '../messages.ts'
import { everyone, quorumOf } from '../raft/membership.ts'
import type { Quorum } from '../raft/quorum.ts'
import type { Raft } from '../raft/raft.ts'
import type { NodeId } from '../raft/types.ts'
import { Comparison, type Digest } from './comparison.ts'
import type { StateMachine } from './state-machine.ts'

/** A question is asked so often before those that have answered decide: some are slow, and messages get lost. */
const timesAskedMax = 3

export interface AuditParts {
  readonly raft: Raft
  readonly state: StateMachine
}

export interface AuditEvents {
  send(to: NodeId, rpc: WireRpc): void
  /** A majority has this one, and the leader has another. */
  contradicted(right: Digest): void
  /** The members differ, and nobody can say who is right. */
  undecided(): void
  /** There is no majority, and more of those that answer are of one mind with each of these than with the leader. */
  outvoted(by: readonly NodeId[]): void
}

export class Audits {
  readonly #parts: AuditParts
  readonly #events: AuditEvents
  /** The newest; answers to those before it come too late. */
  #comparison: Comparison | null = null
  #timesAsked = 0
  /** What is still answered is no longer waited for. */
  #isSettled = false
  /**
   * It has made its state anew, for nobody could say who was wrong; until all are of one mind. Not only while it leads:
   * a large state takes longer than an election.
   */
  #triedItself = false
  #hasAsked = false

  constructor(parts: AuditParts, events: AuditEvents) {
    this.#parts = parts
    this.#events = events
  }

  /** A leader that has not asked yet: its snapshots wait for it. */
  get isUrgent(): boolean {
    const { isLeader, stateLost } = this.#parts.raft
    return isLeader && !stateLost && !this.#hasAsked
  }

  tick(): void {
    if (!this.#parts.raft.isLeader) this.#endLeadership()
  }

  /** Asks everyone else: once more who has not answered, or, where it is settled, all about the newest entry. */
  ask(): void {
    this.#hasAsked = true
    if (this.#comparison === null || this.#isSettled) this.#compareAnew()
    if (this.#comparison === null) return
    this.#timesAsked++
    if (!this.#isAskedInVain) this.#askThoseOf(this.#comparison)
    this.#weigh(this.#comparison)
  }

  answered(from: NodeId, { index, digest }: Digest): void {
    const comparison = this.#comparison
    if (!this.#parts.raft.isLeader || comparison?.own.index !== index) return
    if (comparison.record(from, digest)) this.#weigh(comparison)
  }

  /** The leader's state is another now, or about to be: nobody has agreed with it. */
  forget(): void {
    this.#comparison = null
    this.#parts.raft.stateDoubted()
  }

  #endLeadership(): void {
    this.forget()
    this.#hasAsked = false
  }

  get #quorum(): Quorum {
    return quorumOf(this.#parts.raft.membership)
  }

  #compareAnew(): void {
    const { raft, state } = this.#parts
    const { appliedIndex: index } = state
    const digest = state.watchDigest(index)
    const isKnown = index > 0 && digest !== null
    this.#comparison = isKnown ? new Comparison(raft.id, { index, digest }) : null
    this.#timesAsked = 0
    this.#isSettled = false
  }

  get #isAskedInVain(): boolean {
    return this.#timesAsked > timesAskedMax
  }

  #askThoseOf(comparison: Comparison): void {
    const { index } = comparison.own
    for (const { id } of everyone(this.#parts.raft.membership))
      if (!comparison.has(id)) this.#events.send(id, { type: 'audit', index })
  }

  #weigh(comparison: Comparison): void {
    const quorum = this.#quorum
    const right = comparison.right(quorum)
    if (right !== null) {
      this.#judge(comparison, right)
      return
    }
    if (comparison.rivals(quorum).length > 0) this.#parts.raft.stateDoubted()
    if (this.#isAskedInVain || comparison.isComplete(quorum)) this.#settle(comparison)
  }

  /** Who has another than this one is told. */
  #judge(comparison: Comparison, right: Digest): void {
    const { raft } = this.#parts
    const wrong = comparison.othersThan(right.digest)
    this.#isSettled = true
    for (const id of wrong) if (id !== raft.id) this.#events.send(id, { type: 'verdict', ...right })
    if (wrong.length === 0) this.#triedItself = false
    if (wrong.includes(raft.id)) this.#events.contradicted(right)
    else raft.stateAgreed(right.index)
  }

  /** There is no majority, and will be none. */
  #settle(comparison: Comparison): void {
    const { raft, state } = this.#parts
    const quorum = this.#quorum
    const rivals = comparison.rivals(quorum)
    this.#isSettled = true
    if (rivals.length > 0) this.#events.outvoted(rivals)
    // As of now: silence says no less of it.
    else if (!comparison.isComplete(quorum)) raft.stateAgreed(state.appliedIndex)
    else if (this.#triedItself) this.#judge(comparison, comparison.own)
    else {
      this.#triedItself = true
      this.#events.undecided()
    }
  }
}
