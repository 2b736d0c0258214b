/**
 * Replicates its log to everyone else and decides what is committed (paper §5.3, §5.4).
 *
 * Nothing is sent at once: messages and proposals only change what is known, and `flush`, once a turn,
 * sends what is due. So one turn makes at most one append per server, however much came in.
 *
 * Lacks the transfer of leadership, which comes with a later release.
 */
import { assert, unreachable } from './assert.ts'
import { Follower } from './follower.ts'
import { checkChange, encodeMembership, type MembershipAt } from './membership.ts'
import { Progress } from './progress.ts'
import { majority, majorityIndex } from './quorum.ts'
import { ReadRounds } from './reads.ts'
import type { AppendReply, HeartbeatReply, Rpc, SnapshotReply } from './rpc.ts'
import type { Role, Server } from './server.ts'
import type { EntryType, Index, Member, Membership, NodeId, SnapshotMark } from './types.ts'
import { considerVote } from './voting.ts'

/** What became of a request to change the membership. */
export type ChangeOutcome =
  | { readonly type: 'accepted' }
  | { readonly type: 'busy'; readonly reason: string }
  | { readonly type: 'refused'; readonly reason: string }

/** A learner this close behind the end of the log is made a voter: one more append reaches it. */
const promotionLagMax = 64

export class Leader implements Role {
  readonly name = 'leader'
  readonly leaderId: NodeId
  readonly #server: Server
  readonly #progress = new Map<NodeId, Progress>()
  /** Removed members, until they have heard of it or the time is up. */
  readonly #leaving = new Map<NodeId, { removedAt: Index; address: string; ticksLeft: number }>()
  readonly #reads = new ReadRounds()
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
    for (const id of server.peers) this.#progress.set(id, new Progress(server.log.lastIndex + 1))
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
    return [...this.#leaving].map(([id, { address }]) => ({ id, address }))
  }

  /** Adds an entry. False: too much is uncommitted already; try again later. */
  propose(bytes: Uint8Array): boolean {
    if (this.#uncommittedBytes > this.#server.limits.uncommittedBytesMax) return false
    this.#append('batch', bytes)
    return true
  }

  read(from: NodeId, id: number): void {
    this.#reads.add({ from, id })
  }

  /**
   * One change at a time, one voter at a time, and only after an entry of our own term is committed:
   * before, a change of an earlier leader may still turn up (thesis errata, 2015).
   */
  changeMembership(members: Membership): ChangeOutcome {
    const { membership, commitIndex } = this.#server
    if (!this.isReady)
      return { type: 'busy', reason: 'the leader has not committed an entry of its term yet' }
    if (membership.latest.index > commitIndex)
      return { type: 'busy', reason: 'another change is under way' }
    const reason = checkChange(membership.members, members)
    if (reason !== null) return { type: 'refused', reason }
    this.#append('membership', encodeMembership(members))
    return { type: 'accepted' }
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
      case 'append':
      case 'heartbeat':
      case 'snapshot':
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
    this.#tickLeaving()
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
    this.#progress.get(peer)?.lost()
  }

  /** Those that have lost what they had acknowledged. */
  get forgetful(): readonly NodeId[] {
    return [...this.#progress].flatMap(([id, { hasForgotten }]) => (hasForgotten ? [id] : []))
  }

  /** Snapshots on their way; the log behind each is needed until its receiver has it. */
  get snapshotsInUse(): readonly SnapshotMark[] {
    return [...this.#progress.values()].flatMap(({ snapshot }) => snapshot ?? [])
  }

  flush(): void {
    if (this.isReady && this.#reads.begin(this.#server.commitIndex, this.#server.id))
      this.#sendHeartbeats()
    this.#releaseReads()
    this.#promoteLearner()
    this.#sendAppends()
    this.#sendChunks()
    this.#spreadCommit()
  }

  #append(type: EntryType, bytes: Uint8Array): void {
    const { term, log } = this.#server
    const before = this.#server.membership.latest
    this.#server.append({ index: log.lastIndex + 1, term, type, bytes })
    this.#uncommitted.push(bytes.length)
    this.#uncommittedBytes += bytes.length
    if (type === 'membership') this.#followMembership(before)
  }

  /** The new members count from now on: learn who came, and remember who has yet to hear that it went. */
  #followMembership({ index, members: before }: MembershipAt): void {
    const { id: self, log, peers, limits, membership, commitIndex } = this.#server
    assert(this.isReady && index <= commitIndex, `a change on top of ${index}, not yet committed`)
    const reason = checkChange(before, membership.members)
    assert(reason === null, `a change of members: ${reason}`)
    for (const id of peers) {
      this.#leaving.delete(id)
      if (!this.#progress.has(id)) this.#progress.set(id, new Progress(log.lastIndex))
    }
    for (const { id, address } of before) {
      if (id === self || peers.includes(id)) continue
      const ticksLeft = 2 * limits.electionTicksMax
      this.#leaving.set(id, { removedAt: log.lastIndex, address, ticksLeft })
    }
  }

  #appendReply(from: NodeId, rpc: AppendReply): Role {
    const progress = this.#progress.get(from)
    if (progress === undefined) return this
    progress.active = true
    if (rpc.accepted) {
      assert(
        rpc.matchIndex <= this.#server.log.lastIndex,
        `${from} holds ${rpc.matchIndex}, our log ends at ${this.#server.log.lastIndex}`,
      )
      progress.accepted(rpc.matchIndex)
      return this.#advanceCommit()
    }
    if (progress.refused(rpc.rejectIndex)) {
      const meeting = this.#server.log.lastAtMost(rpc.hintIndex, rpc.hintTerm)
      progress.probe(
        Math.max(progress.matchIndex, Math.min(meeting.index, rpc.rejectIndex - 1)) + 1,
      )
    }
    return this
  }

  #snapshotReply(from: NodeId, rpc: SnapshotReply): Role {
    const progress = this.#progress.get(from)
    if (progress === undefined) return this
    progress.active = true
    progress.chunkHeld(rpc.index, rpc.heldBytes)
    return this
  }

  #heartbeatReply(from: NodeId, rpc: HeartbeatReply): Role {
    const progress = this.#progress.get(from)
    if (progress !== undefined) progress.active = true
    this.#reads.confirm(from, rpc.round)
    return this
  }

  /** Commits what a majority holds on disk, if it is of our own term (paper §5.4.2, figure 8). */
  #advanceCommit(): Role {
    const { log, membership, commitIndex, term, id: self } = this.#server
    const held = membership.voters.map((id) =>
      id === self ? log.durableIndex : this.#matchIndex(id),
    )
    const index = majorityIndex(held)
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
    const confirmed = this.#reads.take(membership.voters)
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

  /** A learner that has caught up becomes a voter by itself (thesis §4.2.1). */
  #promoteLearner(): void {
    const { membership, log, commitIndex } = this.#server
    if (!this.isReady || membership.latest.index > commitIndex) return
    const ready = membership.members.find(({ id, role }) => {
      const progress = this.#progress.get(id)
      if (role !== 'learner' || progress === undefined || progress.matchIndex === 0) return false
      return progress.active && progress.heldIndex + promotionLagMax >= log.lastIndex
    })
    if (ready === undefined) return
    const members = membership.members.map(
      (member): Member => (member === ready ? { ...member, role: 'voter' } : member),
    )
    const outcome = this.changeMembership(members)
    assert(outcome.type === 'accepted', `promotion of ${ready.id}: ${JSON.stringify(outcome)}`)
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
        this.#beginSnapshot(progress)
        continue
      }
      const group = groups.get(progress.nextIndex)
      if (group === undefined) groups.set(progress.nextIndex, [id])
      else group.push(id)
    }
    for (const [nextIndex, ids] of groups) this.#appendTo(ids, nextIndex)
  }

  /** What it needs was cut away; then there is a snapshot that stands for it. */
  #beginSnapshot(progress: Progress): void {
    const { newest } = this.#server.snapshots
    assert(newest !== null, `no snapshot, but the log begins at ${this.#server.log.firstIndex}`)
    progress.sendSnapshot(newest)
  }

  #sendChunks(): void {
    const { term, snapshots } = this.#server
    for (const [id, progress] of this.#progress) {
      const { snapshot, heldBytes: offset } = progress
      if (snapshot === null || !progress.canSendChunk) continue
      const chunk = snapshots.chunk(snapshot, offset)
      this.#server.sendEarly([id], { type: 'snapshot', term, snapshot, offset, chunk })
      progress.chunkSent()
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
    const { voters } = this.#server.membership
    const active = voters.filter(
      (id) => id === this.#server.id || this.#progress.get(id)?.active === true,
    ).length
    for (const progress of this.#progress.values()) progress.active = false
    return active >= majority(voters.length) ? this : new Follower(this.#server, null)
  }

  /** Lets a removed member go once it was told that its removal is committed, or has not listened. */
  #tickLeaving(): void {
    for (const [id, leaving] of this.#leaving) {
      leaving.ticksLeft--
      const { commitSent = 0, matchIndex = 0 } = this.#progress.get(id) ?? {}
      const told = Math.min(commitSent, matchIndex) >= leaving.removedAt
      if (!told && leaving.ticksLeft > 0) continue
      this.#leaving.delete(id)
      this.#progress.delete(id)
    }
  }
}
