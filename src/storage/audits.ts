/**
 * What a leader does to learn whether the members' states are one (health.ts). It asks each for the hash of its
 * state as of one entry. Where a majority of the voters has one hash, whoever has another is wrong, be it the
 * leader. Where all have answered and none has a majority (two members), nobody can say. Then one of those is to
 * lead of whom most are of one mind. Whoever leads then makes its own state anew first, and if they still differ,
 * the others yield: rather one answer than two.
 *
 * And a state that was written wrong must not be handed out: a leader sends only snapshots as of entries of which
 * a majority has agreed with it. Where so few answer that there can be no majority, for the others wait for just that
 * snapshot, those few decide who hands it out, by the same rule. Who is wrong they do not decide: who is silent might
 * know better.
 */
import type { WireRpc } from '../messages.ts'
import { assert } from '../raft/assert.ts'
import { everyone, quorumOf } from '../raft/membership.ts'
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

  /** Who does not lead has asked nobody, and nobody has agreed with it. */
  tick(): void {
    if (this.#parts.raft.isLeader) return
    this.#hasAsked = false
    this.forget()
  }

  /** Asks everyone else: once more who has not answered, or, where it is settled, all about the newest entry. */
  ask(): void {
    this.#hasAsked = true
    if (this.#comparison === null || this.#comparison.isSettled)
      this.#comparison = this.#compareAnew()
    const comparison = this.#comparison
    if (comparison === null) return
    comparison.timesAsked++
    if (!isAskedInVain(comparison)) this.#askMissing(comparison)
    this.#weigh(comparison)
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

  /** `null`: nothing is applied yet. */
  #compareAnew(): Comparison | null {
    const { raft, state } = this.#parts
    const { appliedIndex: index } = state
    const digest = state.keepDigest(index)
    assert(digest !== null, `no digest as of entry ${index}, the newest applied`)
    return index === 0 ? null : new Comparison(raft.id, { index, digest })
  }

  #askMissing(comparison: Comparison): void {
    const { index } = comparison.own
    for (const { id } of everyone(this.#parts.raft.membership))
      if (!comparison.has(id)) this.#events.send(id, { type: 'audit', index })
  }

  #weigh(comparison: Comparison): void {
    const quorum = quorumOf(this.#parts.raft.membership)
    const right = comparison.right(quorum)
    if (right !== null) {
      this.#judge(comparison, right)
      return
    }
    const rivals = comparison.rivals(quorum)
    const isComplete = comparison.isComplete(quorum)
    if (rivals.length > 0) this.#parts.raft.stateDoubted()
    if (isAskedInVain(comparison) || isComplete) this.#settle(comparison, rivals, isComplete)
  }

  /** Who has another than this one is told. */
  #judge(comparison: Comparison, right: Digest): void {
    const { raft } = this.#parts
    const wrong = comparison.othersThan(right.digest)
    comparison.isSettled = true
    for (const id of wrong) if (id !== raft.id) this.#events.send(id, { type: 'verdict', ...right })
    if (wrong.length === 0) this.#triedItself = false
    if (wrong.includes(raft.id)) this.#events.contradicted(right)
    else raft.stateAgreed(right.index)
  }

  /** There is no majority, and will be none. */
  #settle(comparison: Comparison, rivals: readonly NodeId[], isComplete: boolean): void {
    const { raft, state } = this.#parts
    comparison.isSettled = true
    if (rivals.length > 0) this.#events.outvoted(rivals)
    else if (isComplete) this.#breakTie(comparison)
    // As of now: silence says no less of it.
    else raft.stateAgreed(state.appliedIndex)
  }

  /** Nobody can say who is right: the leader tries itself first, and then it is. */
  #breakTie(comparison: Comparison): void {
    if (this.#triedItself) {
      this.#judge(comparison, comparison.own)
      return
    }
    this.#triedItself = true
    this.#events.undecided()
  }
}

function isAskedInVain({ timesAsked }: Comparison): boolean {
  return timesAsked > timesAskedMax
}
