/**
 * What a server has in every role: its log, term, vote and members, and the messages on their way out.
 * The roles (follower.ts, candidate.ts, leader.ts) decide; this remembers.
 */
import { assert } from './assert.ts'
import { type LogReader, RaftLog } from './log.ts'
import { decodeConfiguration, everyone, type MembershipAt, MembershipLog } from './membership.ts'
import type { Outgoing, Rpc } from './rpc.ts'
import type { ReceivedChunk, SnapshotReader } from './snapshot.ts'
import type { ReadyRead } from './turn.ts'
import type {
  Entry,
  HardState,
  Index,
  NodeId,
  RaftLimits,
  RoleName,
  SnapshotMark,
  Term,
} from './types.ts'

/** Who the server is and what it finds on its disk. */
export interface ServerOptions {
  readonly id: NodeId
  readonly limits: RaftLimits
  /** In [0, 1). Injected: the same seed gives the same trace. */
  readonly random: () => number
  readonly disk: LogReader
  readonly snapshots: SnapshotReader
  readonly hardState: HardState
  /** That of the newest snapshot, if there is one, and every membership entry behind it, oldest first. */
  readonly memberships: readonly MembershipAt[]
  /** What the state machine holds already; committed, therefore. */
  readonly appliedIndex: Index
  /**
   * There may be a leader that counted on us before we were stopped: for the shortest election timeout we vote
   * for nobody, as if we had just heard it (thesis §6.4.1).
   */
  readonly assumesLeader: boolean
}

/** One of follower, pre-candidate, candidate, leader. A message or a tick returns the next role. */
export interface Role {
  readonly name: RoleName
  /** The leader of this term, once it has spoken. */
  readonly leaderId: NodeId | null
  /** Has a leader been heard so lately that nobody should be campaigning (thesis §4.2.3, §6.4.1)? */
  readonly hearsLeader: boolean
  /** A message of the current term, and not a `preVote`. */
  step(from: NodeId, rpc: Rpc): Role
  tick(): Role
  /** Our own write is durable: our vote and our match count from now on. */
  persisted(): Role
  /** Queues whatever this role has to send by now. */
  flush(): void
}

export class Server {
  readonly id: NodeId
  readonly limits: RaftLimits
  readonly log: RaftLog
  readonly membership: MembershipLog
  /** Highest entry known to be committed; never goes back. Not stored: it is learnt again (paper §5.3). */
  commitIndex: Index
  /** Confirmed reads of our own callers. */
  readyReads: ReadyRead[] = []
  /** Parts of a snapshot that is wanted here. */
  receivedChunks: ReceivedChunk[] = []
  readonly snapshots: SnapshotReader
  /** What the log adds up to is to come from another: until then this server leads only to hand over. */
  stateLost = false
  /** Snapshots up to there are of a state that others have, too, and may be sent. Said by the shell. */
  stateAgreedIndex: Index = 0
  /** For what a leader must write; else it does not take over from another. Said by the shell. */
  hasRoom = true
  #term: Term
  #votedFor: NodeId | null
  #hardStateChanged = false
  #early: Outgoing[] = []
  #late: Outgoing[] = []
  readonly #random: () => number

  constructor(options: ServerOptions) {
    this.id = options.id
    this.limits = options.limits
    this.log = new RaftLog(options.disk)
    this.membership = new MembershipLog(options.memberships)
    this.#term = options.hardState.term
    this.#votedFor = options.hardState.votedFor
    this.#random = options.random
    this.snapshots = options.snapshots
    this.commitIndex = options.appliedIndex
    this.membership.committed(options.appliedIndex)
    assert(
      options.appliedIndex <= this.log.lastIndex,
      `applied ${options.appliedIndex}, log ends at ${this.log.lastIndex}`,
    )
    assert(
      options.appliedIndex >= this.log.base.index,
      `applied ${options.appliedIndex}, log begins behind ${this.log.base.index}`,
    )
    assert(
      this.log.lastTerm <= this.#term,
      `term ${this.#term}, log ends in term ${this.log.lastTerm}`,
    )
  }

  get term(): Term {
    return this.#term
  }

  get votedFor(): NodeId | null {
    return this.#votedFor
  }

  /** In the newest membership; only then do its own vote and its own log count. */
  get isVoter(): boolean {
    return this.membership.isVoter(this.id)
  }

  /** Not for learners, nor for a server that knows its removal to be committed. */
  get mayCampaign(): boolean {
    return this.membership.mayCampaign(this.id)
  }

  /** Everyone else in the newest membership, in order of their ids; also who is on its way out of it. */
  get peers(): readonly NodeId[] {
    return everyone(this.membership.latest)
      .map(({ id }) => id)
      .filter((id) => id !== this.id)
  }

  get otherVoters(): readonly NodeId[] {
    return this.membership.quorum.voters.filter((id) => id !== this.id)
  }

  /** Begins a newer term, without a vote in it. */
  enterTerm(term: Term): void {
    assert(term > this.#term, `term ${term} after ${this.#term}`)
    this.#term = term
    this.#votedFor = null
    this.#hardStateChanged = true
  }

  /** At most one vote a term (paper §5.2). */
  voteFor(candidate: NodeId): void {
    assert(
      this.#votedFor === null || this.#votedFor === candidate,
      `voted for ${this.#votedFor} already`,
    )
    if (this.#votedFor === candidate) return
    this.#votedFor = candidate
    this.#hardStateChanged = true
  }

  /** Adds an entry behind the last; a membership counts from here on. */
  append(entry: Entry): void {
    this.log.append(entry)
    if (entry.type !== 'membership') return
    this.membership.append({ index: entry.index, ...decodeConfiguration(entry.bytes) })
  }

  truncate(from: Index): void {
    assert(from > this.commitIndex, `truncate ${from}, but ${this.commitIndex} is committed`)
    this.log.truncate(from)
    this.membership.truncate(from)
  }

  commit(index: Index): void {
    if (index <= this.commitIndex) return
    assert(index <= this.log.lastIndex, `commit ${index}, log ends at ${this.log.lastIndex}`)
    this.commitIndex = index
    this.membership.committed(index)
  }

  /** Log and state were replaced by this snapshot. */
  restored({ index, membership }: SnapshotMark): void {
    assert(index > this.commitIndex, `snapshot ${index}, but ${this.commitIndex} is committed`)
    this.log.restored()
    assert(this.log.base.index === index, `snapshot ${index}, log begins behind another`)
    this.membership.restore(membership)
    this.commitIndex = index
  }

  /** For a message that promises nothing about our disk. */
  sendEarly(to: readonly NodeId[], rpc: Rpc): void {
    assert(!isPromise(rpc), `${rpc.type} must wait for the disk`)
    if (to.length > 0) this.#early.push({ to, rpc })
  }

  /** For a promise: it waits until the turn's write is durable. */
  sendLate(to: readonly NodeId[], rpc: Rpc): void {
    if (to.length > 0) this.#late.push({ to, rpc })
  }

  /** For an answer that promises no more than the term it carries: it waits only for that. */
  reply(to: NodeId, rpc: Rpc): void {
    if (this.#hardStateChanged) this.sendLate([to], rpc)
    else this.sendEarly([to], rpc)
  }

  takeEarly(): readonly Outgoing[] {
    const early = this.#early
    this.#early = []
    return early
  }

  /** Now that the write is durable; what these promise must have been in it. */
  takeLate(): readonly Outgoing[] {
    assert(!this.#hardStateChanged, 'the term or the vote has changed while it was written')
    const late = this.#late.filter(({ rpc }) => !this.#isOutdated(rpc))
    this.#late = []
    const { durableIndex } = this.log
    for (const { rpc } of late) {
      if (rpc.type === 'appendReply' && rpc.accepted)
        assert(rpc.matchIndex <= durableIndex, `held ${rpc.matchIndex}, durable ${durableIndex}`)
    }
    return late
  }

  /** A leader of a newer term may have truncated, within this turn, what its predecessor was to be told of. */
  #isOutdated(rpc: Rpc): boolean {
    return rpc.type === 'appendReply' && rpc.term < this.#term
  }

  get hasMessages(): boolean {
    return this.#early.length > 0 || this.#late.length > 0
  }

  get hardStateChanged(): boolean {
    return this.#hardStateChanged
  }

  takeHardState(): HardState | null {
    if (!this.#hardStateChanged) return null
    this.#hardStateChanged = false
    return { term: this.#term, votedFor: this.#votedFor }
  }

  /** Random, so that servers do not campaign in step (paper §5.2). */
  drawElectionTicks(): number {
    const { electionTicksMin, electionTicksMax } = this.limits
    return electionTicksMin + Math.floor(this.#random() * (electionTicksMax - electionTicksMin + 1))
  }
}

/** Does it say something of our disk that others will build on? */
function isPromise({ type }: Rpc): boolean {
  return type === 'vote' || type === 'voteReply' || type === 'appendReply'
}
