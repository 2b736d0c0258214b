/**
 * What a leader does to learn whether the members' states are one (health.ts). It asks each for the hash of its
 * state as of one entry. Where a majority of the voters has one hash, whoever has another is wrong, be it the
 * leader. Where there is none (two members), nobody can say; then the leader first makes its own state anew, and
 * if they still differ, the others are those that yield: rather one answer than two.
 *
 * And a state that was written wrong must not be handed out: until a majority has agreed with that of its newest
 * snapshot, a leader sends none. Where so few answer that there can be no majority, for the others wait for just that
 * snapshot, those few decide who hands it out: where more of them have another state in common than have that of the
 * leader, it is for one of them to lead. Who is wrong they do not decide: who is silent might know better.
 */
import type { WireRpc } from '../messages.ts'
import { everyone, quorumOf } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Index, NodeId } from '../raft/types.ts'
import type { Snapshots } from './snapshots.ts'
import type { StateMachine } from './state-machine.ts'

/** So many comparisons may pass without a majority before those that have answered decide. */
const unagreedAuditsMax = 2

/** What the state was as of one entry. */
export interface Digest {
  readonly index: Index
  readonly digest: number
}

export interface AuditParts {
  readonly raft: Raft
  readonly state: StateMachine
  readonly snapshots: Snapshots
  /** Between two questions. */
  readonly auditTicks: number
}

export interface AuditEvents {
  send(to: NodeId, rpc: WireRpc): void
  /** A majority has this one, and the leader has another. */
  contradicted(right: Digest): void
  /** The members differ, and nobody can say who is right. */
  undecided(): void
  /** There is no majority, and more of those that answer are of one mind with this one than with the leader. */
  outvoted(by: NodeId): void
}

export class Audits {
  readonly #parts: AuditParts
  readonly #events: AuditEvents
  /** What the members have said of this entry. */
  #current: { readonly index: Index; readonly answers: Map<NodeId, number> } | null = null
  /** The leader has made its state anew, for nobody could say who was wrong. */
  #triedItself = false
  /** Up to there a majority has had the leader's state. */
  #agreedIndex: Index = 0
  /** Since when not that of its newest snapshot. */
  #ticksUnagreed = 0
  /** Of those that have answered meanwhile, no more have another state in common than have the leader's. */
  #isUnopposed = false
  #ticksLed = 0

  constructor(parts: AuditParts, events: AuditEvents) {
    this.#parts = parts
    this.#events = events
  }

  /** A leader that has not asked yet: its snapshots wait for it. */
  get isUrgent(): boolean {
    return this.#parts.raft.isLeader && this.#ticksLed === 0
  }

  /**
   * May the leader hand out its state? Where so few answer that nobody can say, as with one of three gone and
   * one without a state, it has to.
   */
  tick(): void {
    const { raft, snapshots } = this.#parts
    if (!raft.isLeader) {
      this.#agreedIndex = 0
      this.#ticksLed = 0
    } else this.#ticksLed++
    const isAgreed = this.#agreedIndex >= (snapshots.newest?.index ?? 0)
    this.#ticksUnagreed = isAgreed || !raft.isLeader ? 0 : this.#ticksUnagreed + 1
    if (!this.#isOver()) this.#isUnopposed = false
    raft.isStateAgreed = raft.isLeader && (isAgreed || this.#isUnopposed)
  }

  /** Asks everyone else. */
  begin(): void {
    const { raft, state } = this.#parts
    if (this.#isOver()) this.#weigh()
    const { appliedIndex: index } = state
    const digest = state.digestAt(index)
    const others = everyone(raft.membership).filter(({ id }) => id !== raft.id)
    if (index === 0 || digest === null || others.length === 0) return
    this.#current = { index, answers: new Map([[raft.id, digest]]) }
    for (const { id } of others) this.#events.send(id, { type: 'audit', index })
    if (quorumOf(raft.membership).isQuorum((id) => id === raft.id)) this.#agreedIndex = index
  }

  answered(from: NodeId, { index, digest }: Digest): void {
    const { raft } = this.#parts
    if (!raft.isLeader || this.#current?.index !== index) return
    const { answers } = this.#current
    if (answers.get(from) === digest) return
    answers.set(from, digest)
    const quorum = quorumOf(raft.membership)
    const right = [...answers.values()].find((each) =>
      quorum.isQuorum((id) => answers.get(id) === each),
    )
    if (right !== undefined) this.#judge(answers, { index, digest: right })
    else if (quorum.voters.every((id) => answers.has(id))) this.#undecided(answers, index)
  }

  /** The leader's state is another now. */
  forget(): void {
    this.#current = null
    this.#agreedIndex = 0
  }

  /** Who has another than this one is told. */
  #judge(answers: ReadonlyMap<NodeId, number>, right: Digest): void {
    const { raft } = this.#parts
    const wrong = [...answers].filter(([, digest]) => digest !== right.digest).map(([id]) => id)
    for (const id of wrong) if (id !== raft.id) this.#events.send(id, { type: 'verdict', ...right })
    if (wrong.length === 0) this.#triedItself = false
    if (wrong.includes(raft.id)) this.#events.contradicted(right)
    else this.#agreedIndex = Math.max(this.#agreedIndex, right.index)
  }

  #isOver(): boolean {
    return this.#ticksUnagreed > unagreedAuditsMax * this.#parts.auditTicks
  }

  /** There was no majority. Those that have answered the last time decide. */
  #weigh(): void {
    const { raft } = this.#parts
    // Where the state was made anew meanwhile, the next answers tell.
    this.#isUnopposed = false
    if (this.#current === null) return
    const { answers } = this.#current
    const answered = quorumOf(raft.membership).voters.filter((id) => answers.has(id))
    const likeMinded = (as: NodeId): readonly NodeId[] =>
      answered.filter((id) => answers.get(id) === answers.get(as))
    const groups = answered.map(likeMinded).sort((a, b) => b.length - a.length)
    const [most = []] = groups
    const [rival] = most
    this.#isUnopposed = most.length <= Math.max(1, likeMinded(raft.id).length)
    if (rival !== undefined && !this.#isUnopposed) this.#events.outvoted(rival)
  }

  #undecided(answers: ReadonlyMap<NodeId, number>, index: Index): void {
    const own = answers.get(this.#parts.raft.id)
    if (own === undefined) return
    if (this.#triedItself) {
      this.#judge(answers, { index, digest: own })
      return
    }
    this.#triedItself = true
    this.#events.undecided()
  }
}
