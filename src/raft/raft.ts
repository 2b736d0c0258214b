/**
 * One server's view of consensus: Raft (Ongaro & Ousterhout 2014; Ongaro's thesis). Synchronous and
 * deterministic, without clock, disk or network: messages, requests and ticks go in, and once a turn
 * `takeTurn` says what is to be done.
 *
 *     step, propose, read, tick …  →  takeTurn  →  send early, write  →  settle  →  send late, apply
 *
 * Pre-vote, check-quorum and leader stickiness are always on. What a message does depends on the role
 * (follower.ts, candidate.ts, leader.ts); what holds in every role is here.
 *
 * Snapshots are the shell's: the core only says which is needed where, and is told what became of it.
 */
import { assert } from './assert.ts'
import { Follower } from './follower.ts'
import { Leader } from './leader.ts'
import type { MembershipAt, Target } from './membership.ts'
import type { ChangeOutcome } from './reconfiguration.ts'
import type { Rpc } from './rpc.ts'
import { type Role, Server, type ServerOptions } from './server.ts'
import type { Settled, Turn } from './turn.ts'
import type { Entry, Index, Membership, NodeId, RoleName, SnapshotMark, Term } from './types.ts'
import { answerPreVote } from './voting.ts'

/** How far another server may be ahead of us. Elections without a pause would take half a year for it. */
const termLeapMax = 2 ** 24

export interface RaftStatus {
  readonly role: RoleName
  readonly term: Term
  readonly leaderId: NodeId | null
  readonly commitIndex: Index
  readonly lastIndex: Index
}

export class Raft {
  readonly #server: Server
  #role: Role
  /** Between `takeTurn` and `settle`: nothing else may happen. */
  #writing = false
  #appliedIndex: Index

  constructor(options: ServerOptions) {
    this.#server = new Server(options)
    this.#appliedIndex = options.appliedIndex
    this.#role = Follower.start(this.#server, options.assumesLeader)
  }

  get id(): NodeId {
    return this.#server.id
  }

  get status(): RaftStatus {
    const { term, commitIndex, log } = this.#server
    return {
      role: this.#role.name,
      term,
      leaderId: this.#role.leaderId,
      commitIndex,
      lastIndex: log.lastIndex,
    }
  }

  get isLeader(): boolean {
    return this.#role instanceof Leader
  }

  /** The newest configuration in the log, committed or not. */
  get membership(): MembershipAt {
    return this.#server.membership.latest
  }

  /**
   * True while a read needs nobody's consent: we are the only voter, and lead. Whoever else could commit
   * would need our vote first.
   */
  get leadsAlone(): boolean {
    const { otherVoters } = this.#server
    return (
      this.#role instanceof Leader &&
      this.#role.isReady &&
      this.#server.isVoter &&
      otherVoters.length === 0
    )
  }

  /** Removed members a leader still has to reach. */
  get leaving(): readonly { id: NodeId; address: string }[] {
    return this.#role instanceof Leader ? this.#role.leaving : []
  }

  /** Members whose logs have lost what they had acknowledged to us. */
  get forgetful(): readonly NodeId[] {
    return this.#role instanceof Leader ? this.#role.forgetful : []
  }

  /** Snapshots that are being sent; neither they nor the log behind them may be thrown away. */
  get snapshotsInUse(): readonly SnapshotMark[] {
    return this.#role instanceof Leader ? this.#role.snapshotsInUse : []
  }

  /** A message from another server, whether or not it is a member here: our members may be the older ones. */
  step(from: NodeId, rpc: Rpc): void {
    assert(!this.#writing, 'a step in the middle of a turn')
    assert(from !== this.#server.id, 'a message from ourselves')
    // Obeyed, it would be durable everywhere, and no election could ever go beyond it.
    if (rpc.term - this.#server.term > termLeapMax) return
    if (rpc.type === 'preVote') answerPreVote(this.#server, this.#role, from, rpc)
    else if (rpc.term < this.#server.term) this.#answerStale(from, rpc)
    else if (this.#admits(rpc)) this.#role = this.#role.step(from, rpc)
  }

  /** One unit of time, whatever happened meanwhile. */
  tick(): void {
    assert(!this.#writing, 'a tick in the middle of a turn')
    this.#role = this.#role.tick()
  }

  /** Appends a batch that callers of `from` wait for. False when we do not lead, or too much is uncommitted. */
  propose(batch: Uint8Array, from: NodeId = this.id): boolean {
    return this.#role instanceof Leader && this.#role.propose(batch, from)
  }

  /**
   * Asks for an index at which a read is linearizable; it turns up in `Settled.reads`, or never, if
   * leadership is lost: then ask again, with another id. False: no leader is known.
   */
  read(id: number): boolean {
    if (this.#role instanceof Leader) this.#role.read(this.#server.id, id)
    else if (this.#role.leaderId === null) return false
    else
      this.#server.sendEarly([this.#role.leaderId], {
        type: 'readIndex',
        term: this.#server.term,
        id,
      })
    return true
  }

  /** `null`: we do not lead. */
  changeMembership(to: Target): ChangeOutcome | null {
    return this.#role instanceof Leader ? this.#role.changeMembership(to) : null
  }

  /** What would be said to a change that leads to these members, and changes nothing; `null`: we do not lead. */
  considerMembers(members: Membership): ChangeOutcome | null {
    return this.#role instanceof Leader ? this.#role.considerMembers(members) : null
  }

  /**
   * Hands leadership over to this voter, or to the one that has caught up most (thesis §3.10). `null`: we do
   * not lead.
   */
  transferLeadership(to: NodeId | null): ChangeOutcome | null {
    return this.#role instanceof Leader ? this.#role.transferLeadership(to) : null
  }

  /** We lead, and are about to hand over, or must: proposals wait for what comes of it. */
  get isTransferring(): boolean {
    return this.#role instanceof Leader && (this.stateLost || this.#role.isTransferring)
  }

  /** Others have had the state that we have as of this entry: snapshots up to there may be sent. */
  stateAgreed(index: Index): void {
    this.#server.stateAgreedIndex = Math.max(this.#server.stateAgreedIndex, index)
  }

  /** Nobody has agreed with the state of now: no snapshot may be sent, and what is on its way goes no further. */
  stateDoubted(): void {
    this.#server.stateAgreedIndex = 0
    if (this.#role instanceof Leader) this.#role.retractSnapshots()
  }

  /** Is there room for what a leader must write? */
  set hasRoom(hasRoom: boolean) {
    this.#server.hasRoom = hasRoom
  }

  /** The link to `peer` was lost or made anew. */
  linkLost(peer: NodeId): void {
    if (this.#role instanceof Leader || this.#role instanceof Follower) this.#role.linkLost(peer)
  }

  /** Once all that came is stepped: has the role fill its outbox. True: there is something for a turn to do. */
  prepareTurn(): boolean {
    this.#role.flush()
    const { log, hardStateChanged, readyReads, receivedChunks } = this.#server
    const hasNews = readyReads.length > 0 || receivedChunks.length > 0
    return hardStateChanged || log.hasWrite || hasNews || this.#server.hasMessages
  }

  /** Everything to be done before the disk is waited for. `settle` must follow, nothing in between. */
  takeTurn(): Turn {
    assert(!this.#writing, 'a turn within a turn')
    this.#writing = true
    this.#role.flush()
    const chunks = this.#server.receivedChunks
    this.#server.receivedChunks = []
    return {
      early: this.#server.takeEarly(),
      write: { hardState: this.#server.takeHardState(), ...this.#server.log.takeWrite() },
      chunks,
    }
  }

  /** So much of this snapshot is here by now; whoever sends it goes on from there. */
  chunkStored(from: NodeId, { index }: SnapshotMark, heldBytes: number): void {
    const { term } = this.#server
    this.#server.reply(from, { type: 'snapshotReply', term, index, heldBytes })
  }

  /** Is there anything in a snapshot of this that we lack? A leader lacks nothing. */
  wants({ index, term }: SnapshotMark): boolean {
    const { commitIndex, log, stateLost } = this.#server
    if (this.isLeader) return false
    if (stateLost) return index >= log.base.index
    // What has come into the log meanwhile may have been acknowledged, and must not go again.
    return index > commitIndex && !log.holds(index, term)
  }

  /** Then it takes the place of the state only. */
  holds({ index, term }: SnapshotMark): boolean {
    return index >= this.#server.log.base.index && this.#server.log.holds(index, term)
  }

  /** The last entry that was taken to be applied. */
  get appliedIndex(): Index {
    return this.#appliedIndex
  }

  /**
   * The state machine is not what the log adds up to, and cannot be made so here. Log and vote are what they
   * were, so this server follows, votes and can be elected: it may be the only one whose log is long enough. It
   * applies nothing until a snapshot has come, and as a leader takes no proposals: the shell hands over.
   */
  loseState(): void {
    assert(!this.#writing, 'the state lost in the middle of a turn')
    this.#server.stateLost = true
  }

  get stateLost(): boolean {
    return this.#server.stateLost
  }

  /**
   * We lead: this server has lost its state, and its log begins behind `base`; it gets the newest snapshot that helps
   * and may be sent.
   */
  sendSnapshot(to: NodeId, base: Index): void {
    if (this.#role instanceof Leader) this.#role.sendSnapshot(to, base)
  }

  /** Log and state are, durably, those of this snapshot: tells whoever sent it. */
  restored(snapshot: SnapshotMark): void {
    const isNews = snapshot.index > this.#server.commitIndex
    assert(!this.isLeader && isNews, `snapshot ${snapshot.index} is not wanted`)
    this.#server.restored(snapshot)
    this.#resume(snapshot, snapshot.index)
  }

  /** The log holds the snapshot, and stays; the state is made of both, as far as it was before it was lost. */
  stateRestored(snapshot: SnapshotMark, appliedIndex: Index): void {
    assert(appliedIndex >= snapshot.index, `applied ${appliedIndex}, of snapshot ${snapshot.index}`)
    this.#server.commit(snapshot.index)
    this.#resume(snapshot, appliedIndex)
  }

  #resume({ index }: SnapshotMark, appliedIndex: Index): void {
    assert(!this.#writing, 'another state in the middle of a turn')
    this.#server.stateLost = false
    this.#appliedIndex = appliedIndex
    const { leaderId } = this.#role
    if (leaderId !== null && this.#role instanceof Follower) this.#role.acknowledge(leaderId, index)
  }

  /** The turn's write is on disk. */
  settle(): Settled {
    assert(this.#writing, 'settled without a turn')
    this.#writing = false
    this.#server.log.persisted()
    const late = this.#server.takeLate()
    // Our own vote or match may have decided something; what follows from it promises nothing new.
    this.#role = this.#role.persisted()
    this.#role.flush()
    const reads = this.#server.readyReads
    this.#server.readyReads = []
    return { late: [...late, ...this.#server.takeEarly()], reads }
  }

  /** Would `takeCommitted` hand over anything? */
  get hasCommitted(): boolean {
    const { log, commitIndex, stateLost } = this.#server
    return !stateLost && Math.min(commitIndex, log.durableIndex) > this.#appliedIndex
  }

  /** What to apply next: committed, and on our own disk. At least one entry if there is any. */
  takeCommitted(entriesMax: number, bytesMax: number): readonly Entry[] {
    const { log, commitIndex } = this.#server
    const upTo = Math.min(commitIndex, log.durableIndex)
    if (upTo <= this.#appliedIndex || this.#server.stateLost) return []
    const entries = log.slice(
      this.#appliedIndex + 1,
      Math.min(entriesMax, upTo - this.#appliedIndex),
      bytesMax,
    )
    this.#appliedIndex += entries.length
    this.#checkOrder()
    return entries
  }

  /** A higher term is obeyed, wherever it comes from (paper §5.1), with two exceptions. */
  #admits(rpc: Rpc): boolean {
    // A granted pre-vote speaks of a term that has not begun; nobody is in it yet. Once it has, the
    // promise is an old one and counts for no other campaign.
    if (rpc.type === 'preVoteReply' && rpc.granted) return rpc.term === this.#server.term + 1
    if (rpc.term === this.#server.term) return true
    // We hear a leader: the candidate is one that does not, and must not depose it, unless the leader has
    // asked for that (thesis §4.2.3).
    if (rpc.type === 'vote' && !rpc.isTransfer && this.#role.hearsLeader) return false
    this.#server.enterTerm(rpc.term)
    this.#role = new Follower(this.#server, null)
    return true
  }

  /** A request of an older term: its sender must learn ours. Answers of older terms are nothing to us. */
  #answerStale(from: NodeId, rpc: Rpc): void {
    const { term } = this.#server
    if (rpc.type === 'append' || rpc.type === 'heartbeat' || rpc.type === 'snapshot') {
      this.#server.sendLate([from], { type: 'heartbeatReply', term, round: 0 })
    } else if (rpc.type === 'vote') {
      this.#server.sendLate([from], { type: 'voteReply', term, granted: false })
    }
  }

  #checkOrder(): void {
    const { log, commitIndex } = this.#server
    assert(
      this.#appliedIndex <= commitIndex,
      `applied ${this.#appliedIndex} > committed ${commitIndex}`,
    )
    assert(
      this.#appliedIndex <= log.durableIndex,
      `applied ${this.#appliedIndex} > durable ${log.durableIndex}`,
    )
    assert(commitIndex <= log.lastIndex, `committed ${commitIndex} > last ${log.lastIndex}`)
  }
}
