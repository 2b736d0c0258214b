/**
 * Replicates its log to everyone else and decides what is committed (paper §5.3, §5.4).
 *
 * Nothing is sent at once: messages and proposals only change what is known, and `flush`, once a turn,
 * sends what is due. So one turn makes at most one append per server, however much came in.
 */
import { assert, unreachable } from './assert.ts'
import { Follower } from './follower.ts'
import type { MembershipAt, Target } from './membership.ts'
import type { Progress } from './progress.ts'
import { ReadRounds } from './reads.ts'
import { type ChangeOutcome, Reconfiguration } from './reconfiguration.ts'
import type { AppendReply, HeartbeatReply, Rpc, SnapshotReply } from './rpc.ts'
import type { Role, Server } from './server.ts'
import { Transfer } from './transfer.ts'
import type { EntryType, Index, Membership, NodeId, SnapshotMark } from './types.ts'
import { considerVote } from './voting.ts'

export class Leader implements Role {
  readonly name = 'leader'
  readonly leaderId: NodeId
  readonly #server: Server
  readonly #progress = new Map<NodeId, Progress>()
  readonly #changes: Reconfiguration
  readonly #reads = new ReadRounds()
  readonly #transfer: Transfer
  /** Our own no-op; nothing of older terms counts as committed before it (paper §5.4.2). */
  readonly #noopIndex: Index
  /** Bytes of each entry of ours that is not committed yet, in order, and their sum. */
  readonly #uncommitted: number[] = []
  #uncommittedBytes = 0
  #ticksToHeartbeat = 0
  #ticksToQuorumCheck: number

  constructor(server: Server) {
    this.#server = server
    this.leaderId = server.id
    this.#ticksToQuorumCheck = server.limits.electionTicksMin
    this.#transfer = new Transfer(server, this.#progress)
    this.#changes = new Reconfiguration({
      server,
      progress: this.#progress,
      isReady: () => this.isReady,
      isTransferring: () => this.isTransferring,
      append: (configuration) => this.#append('membership', configuration),
    })
    this.#noopIndex = server.log.lastIndex + 1
    this.#append('noop', new Uint8Array(0))
    this.#sendHeartbeats()
  }

  /** It hears itself: as long as it leads, a majority follows (see `#checkQuorum`). */
  get hearsLeader(): boolean {
    return true
  }

  /** An entry of this term is committed, so that everything acknowledged before is known to be. */
  get isReady(): boolean {
    return this.#server.commitIndex >= this.#noopIndex
  }

  /** Removed members that must still be reached. */
  get leaving(): readonly { id: NodeId; address: string }[] {
    return this.#changes.leaving
  }

  /** Adds an entry. False: too much is uncommitted already, or another is to lead; try again later. */
  propose(bytes: Uint8Array): boolean {
    if (this.isTransferring) return false
    // We are to hand over as soon as we can: the less there is to catch up with, the sooner.
    if (this.#server.stateLost) return false
    if (this.#uncommittedBytes > this.#server.limits.uncommittedBytesMax) return false
    this.#append('batch', bytes)
    return true
  }

  /** It hands over its leadership, and takes no proposals meanwhile. */
  get isTransferring(): boolean {
    return this.#transfer.isUnderWay
  }

  transferLeadership(to: NodeId | null): ChangeOutcome {
    if (this.isReady) return this.#transfer.begin(to)
    return { type: 'busy', reason: 'the leader has not committed an entry of its term yet' }
  }

  read(from: NodeId, id: number): void {
    this.#reads.add({ from, id })
  }

  changeMembership(to: Target): ChangeOutcome {
    return this.#changes.change(to)
  }

  /** What would be said to a change that leads to these members; changes nothing. */
  considerMembers(members: Membership): ChangeOutcome {
    return this.#changes.consider(members)
  }

  step(from: NodeId, rpc: Rpc): Role {
    switch (rpc.type) {
      case 'appendReply':
        return this.#appendReply(from, rpc)
      case 'heartbeatReply':
        return this.#heartbeatReply(from, rpc)
      case 'snapshotReply':
        return this.#snapshotReply(from, rpc)
      case 'readIndex':
        this.read(from, rpc.id)
        return this
      case 'vote':
        considerVote(this.#server, from, rpc)
        return this
      case 'timeoutNowDeclined':
        this.#transfer.declined(from)
        return this
      case 'append':
      case 'heartbeat':
      case 'snapshot':
      case 'timeoutNow':
        assert(false, `two leaders in term ${this.#server.term}: ${this.#server.id}, ${from}`)
        return this
      case 'readIndexReply':
      case 'preVoteReply':
      case 'voteReply':
      case 'preVote':
        return this
      default:
        return unreachable(rpc)
    }
  }

  tick(): Role {
    for (const progress of this.#progress.values())
      progress.tick(this.#server.limits.electionTicksMin)
    this.#transfer.tick()
    this.#changes.tick()
    this.#ticksToHeartbeat--
    if (this.#ticksToHeartbeat <= 0) this.#sendHeartbeats()
    this.#ticksToQuorumCheck--
    return this.#ticksToQuorumCheck > 0 ? this : this.#checkQuorum()
  }

  persisted(): Role {
    return this.#advanceCommit()
  }

  /** The link to `peer` broke: what was on its way is lost. */
  linkLost(peer: NodeId): void {
    this.#progress.get(peer)?.linkLost()
    this.#transfer.linkLost(peer)
  }

  /** Those that have lost what they had acknowledged. */
  get forgetful(): readonly NodeId[] {
    return [...this.#progress].flatMap(([id, { hasForgotten }]) => (hasForgotten ? [id] : []))
  }

  /** Snapshots on their way, and those whose receivers still need the log behind them. */
  get snapshotsInUse(): readonly SnapshotMark[] {
    return [...this.#progress.values()].flatMap(({ snapshot }) => snapshot ?? [])
  }

  /** To one that has lost its state, though it may hold the log. */
  sendSnapshot(to: NodeId): void {
    const progress = this.#progress.get(to)
    if (progress?.snapshot === null && this.#sendable !== null) this.#beginSnapshot(progress)
  }

  flush(): void {
    if (this.isReady && this.#reads.begin(this.#server.commitIndex, this.#server.id))
      this.#sendHeartbeats()
    this.#releaseReads()
    this.#changes.pump()
    this.#sendAppends()
    this.#sendChunks()
    this.#transfer.flush()
    this.#spreadCommit()
  }

  #append(type: EntryType, bytes: Uint8Array): void {
    const { term, log } = this.#server
    const before: MembershipAt = this.#server.membership.latest
    this.#server.append({ index: log.lastIndex + 1, term, type, bytes })
    this.#uncommitted.push(bytes.length)
    this.#uncommittedBytes += bytes.length
    if (type === 'membership') this.#changes.appended(before)
  }

  #appendReply(from: NodeId, rpc: AppendReply): Role {
    const progress = this.#progress.get(from)
    if (progress === undefined) return this
    progress.heard()
    if (rpc.accepted) {
      assert(
        rpc.matchIndex <= this.#server.log.lastIndex,
        `${from} holds ${rpc.matchIndex}, our log ends at ${this.#server.log.lastIndex}`,
      )
      progress.accepted(rpc.matchIndex)
      progress.caughtUp(this.#server.snapshots.newest?.index ?? 0)
      return this.#advanceCommit()
    }
    const { log } = this.#server
    // It lacks what was cut, and there is no snapshot: this probe stays on its way, and is sent again in its time.
    const isInVain = this.#sendable === null && rpc.rejectIndex <= log.base.index
    if (progress.refused(rpc.rejectIndex) && !isInVain) {
      const meeting = log.lastAtMost(rpc.hintIndex, rpc.hintTerm)
      progress.probe(
        Math.max(progress.matchIndex, Math.min(meeting.index, rpc.rejectIndex - 1)) + 1,
      )
    }
    return this
  }

  #snapshotReply(from: NodeId, rpc: SnapshotReply): Role {
    const progress = this.#progress.get(from)
    if (progress === undefined) return this
    progress.heard()
    const { snapshot } = progress
    if (progress.chunkHeld(rpc.index, rpc.heldBytes) || snapshot === null) return this
    this.#server.snapshots.suspect(snapshot)
    this.#beginSnapshot(progress)
    return this
  }

  #heartbeatReply(from: NodeId, rpc: HeartbeatReply): Role {
    this.#progress.get(from)?.heard()
    this.#reads.confirm(from, rpc.round)
    return this
  }

  /** Commits what a majority holds on disk, if it is of our own term (paper §5.4.2, figure 8). */
  #advanceCommit(): Role {
    const { log, membership, commitIndex, term, id: self } = this.#server
    const index = membership.quorum.committedIndex((id) =>
      id === self ? log.durableIndex : this.#matchIndex(id),
    )
    if (index <= commitIndex || index < this.#noopIndex) return this
    const termThere = log.term(index)
    assert(termThere === term, `commit ${index} of term ${termThere} in term ${term}`)
    const committed = index - Math.max(commitIndex, this.#noopIndex - 1)
    for (const bytes of this.#uncommitted.splice(0, committed)) this.#uncommittedBytes -= bytes
    this.#server.commit(index)
    return this.#leaveIfRemoved()
  }

  /** A removed leader leads until its removal is committed, then makes room (thesis §4.2.2). */
  #leaveIfRemoved(): Role {
    const { membership, commitIndex } = this.#server
    if (this.#server.isVoter || membership.latest.index > commitIndex) return this
    this.#spreadCommit()
    return new Follower(this.#server, null)
  }

  #matchIndex(id: NodeId): Index {
    const progress = this.#progress.get(id)
    assert(progress !== undefined, `no progress of voter ${id}`)
    return progress.heldIndex
  }

  #releaseReads(): void {
    const { id: self, membership, term } = this.#server
    const confirmed = this.#reads.take(membership.quorum)
    if (confirmed === null) return
    assert(this.isReady, 'a read before an entry of this term is committed')
    const { reads, index } = confirmed
    for (const { from, id } of reads) {
      if (from === self) this.#server.readyReads.push({ id, index })
      else this.#server.sendEarly([from], { type: 'readIndexReply', term, id, index })
    }
    // Those who came while this round was on its way.
    if (this.#reads.begin(this.#server.commitIndex, self)) {
      this.#sendHeartbeats()
      this.#releaseReads()
    }
  }

  /** Servers that need the same entries get the same message. */
  #sendAppends(): void {
    const { log, limits } = this.#server
    const groups = new Map<Index, NodeId[]>()
    for (const [id, progress] of this.#progress) {
      const hasNews = progress.nextIndex <= log.lastIndex
      const mustProbe = progress.mode === 'probe'
      if (!(hasNews || mustProbe) || !progress.canSend(limits.appendsInFlightMax)) continue
      if (progress.nextIndex <= log.base.index) {
        // The answer to a heartbeat will say that it is back.
        if (progress.isSilent(limits.electionTicksMin)) continue
        this.#beginSnapshot(progress)
      }
      if (progress.mode === 'snapshot') continue
      const group = groups.get(progress.nextIndex)
      if (group === undefined) groups.set(progress.nextIndex, [id])
      else group.push(id)
    }
    for (const [nextIndex, ids] of groups) this.#appendTo(ids, nextIndex)
  }

  /**
   * What it needs was cut away; a snapshot stands for it. If there is none, for it is damaged, the state is lost or
   * nobody has agreed with it yet, it may still hold what was cut.
   */
  #beginSnapshot(progress: Progress): void {
    const snapshot = this.#sendable
    const { index } = this.#server.log.base
    if (snapshot !== null) {
      progress.sendSnapshot(snapshot)
      return
    }
    progress.stopSnapshot()
    progress.probe(Math.max(progress.matchIndex, index) + 1)
  }

  get #sendable(): SnapshotMark | null {
    const { snapshots, isStateAgreed } = this.#server
    return isStateAgreed ? snapshots.newest : null
  }

  #sendChunks(): void {
    const { term, snapshots } = this.#server
    for (const [id, progress] of this.#progress) {
      const { snapshot, heldBytes: offset } = progress
      if (snapshot === null || !progress.canSendChunk) continue
      const chunk = snapshots.chunk(snapshot, offset)
      if (chunk === null) {
        snapshots.suspect(snapshot)
        this.#beginSnapshot(progress)
        continue
      }
      this.#server.sendEarly([id], { type: 'snapshot', term, snapshot, offset, chunk })
      progress.chunkSent(offset + chunk.length)
    }
  }

  #appendTo(ids: readonly NodeId[], nextIndex: Index): void {
    const { log, limits, term, commitIndex } = this.#server
    const prevTerm = log.term(nextIndex - 1)
    assert(prevTerm !== null, `no term at ${nextIndex - 1}`)
    const { appendEntriesMax, appendBytesMax } = limits
    const entries =
      nextIndex > log.lastIndex ? [] : log.slice(nextIndex, appendEntriesMax, appendBytesMax)
    const lastIndex = nextIndex - 1 + entries.length
    this.#server.sendEarly(ids, {
      type: 'append',
      term,
      prevIndex: nextIndex - 1,
      prevTerm,
      commitIndex,
      entries,
    })
    for (const id of ids) {
      const progress = this.#progress.get(id)
      assert(progress !== undefined, `no progress of ${id}`)
      progress.sent(lastIndex)
      if (progress.mode === 'replicate') progress.commitSent = Math.min(commitIndex, lastIndex)
    }
  }

  /** Followers that get no append learn of a commit at once, not with the next heartbeat. */
  #spreadCommit(): void {
    const { commitIndex } = this.#server
    const news = (progress: Progress) => Math.min(commitIndex, progress.matchIndex)
    this.#tellCommit((progress) => news(progress) > progress.commitSent, 0)
  }

  #sendHeartbeats(): void {
    this.#ticksToHeartbeat = this.#server.limits.heartbeatTicks
    this.#tellCommit(() => true, this.#reads.round)
  }

  #tellCommit(wanted: (progress: Progress) => boolean, round: number): void {
    const { commitIndex, term } = this.#server
    const groups = new Map<Index, NodeId[]>()
    for (const [id, progress] of this.#progress) {
      if (!wanted(progress)) continue
      const known = Math.min(commitIndex, progress.matchIndex)
      progress.commitSent = Math.max(progress.commitSent, known)
      groups.set(known, [...(groups.get(known) ?? []), id])
    }
    for (const [known, ids] of groups) {
      this.#server.sendEarly(ids, { type: 'heartbeat', term, commitIndex: known, round })
    }
  }

  /** A leader that no majority answers must not go on believing it leads (thesis §6.2). */
  #checkQuorum(): Role {
    this.#ticksToQuorumCheck = this.#server.limits.electionTicksMin
    const { membership, id: self } = this.#server
    const follows = membership.quorum.isQuorum(
      (id) => id === self || this.#progress.get(id)?.active === true,
    )
    for (const progress of this.#progress.values()) progress.active = false
    return follows ? this : new Follower(this.#server, null)
  }
}
