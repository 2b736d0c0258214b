/**
 * Takes what is proposed into its log and decides what is committed (paper §5.3, §5.4), as long as a majority
 * follows. How the others get it is in replication.ts.
 *
 * Nothing is sent at once: messages and proposals only change what is known, and `flush`, once a turn,
 * sends what is due.
 */
import { assert, unreachable } from './assert.ts'
import { Follower } from './follower.ts'
import type { MembershipAt, Target } from './membership.ts'
import type { Progress } from './progress.ts'
import { ReadRounds } from './reads.ts'
import { type ChangeOutcome, Reconfiguration } from './reconfiguration.ts'
import { Replication } from './replication.ts'
import type { Rpc } from './rpc.ts'
import type { Role, Server } from './server.ts'
import { Transfer } from './transfer.ts'
import type { EntryType, Index, Membership, NodeId, SnapshotMark } from './types.ts'
import { considerVote } from './voting.ts'

export class Leader implements Role {
  readonly name = 'leader'
  readonly leaderId: NodeId
  readonly #server: Server
  readonly #progress = new Map<NodeId, Progress>()
  readonly #replication: Replication
  readonly #changes: Reconfiguration
  readonly #reads = new ReadRounds()
  readonly #transfer: Transfer
  /** Our own no-op; nothing of older terms counts as committed before it (paper §5.4.2). */
  readonly #noopIndex: Index
  /** Bytes of each entry of ours that is not committed yet, in order, and their sum. */
  readonly #uncommitted: number[] = []
  #uncommittedBytes = 0
  #ticksToQuorumCheck: number

  constructor(server: Server) {
    this.#server = server
    this.leaderId = server.id
    this.#ticksToQuorumCheck = server.limits.electionTicksMin
    this.#replication = new Replication(server, this.#progress)
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
    this.#replication.sendHeartbeats(this.#reads.round)
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

  /** Adds an entry that callers of `from` wait for. False: too much is uncommitted, or another is to lead; try later. */
  propose(bytes: Uint8Array, from: NodeId): boolean {
    if (this.isTransferring) return false
    // We are to hand over as soon as we can: the less there is to catch up with, the sooner.
    if (this.#server.stateLost) return false
    if (this.#uncommittedBytes > this.#server.limits.uncommittedBytesMax) return false
    this.#append('batch', bytes)
    this.#progress.get(from)?.awaits(this.#server.log.lastIndex)
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
        return this.#replication.appendReply(from, rpc) ? this.#advanceCommit() : this
      case 'heartbeatReply':
        this.#progress.get(from)?.heard()
        this.#reads.confirm(from, rpc.round)
        return this
      case 'snapshotReply':
        this.#replication.snapshotReply(from, rpc)
        return this
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
    this.#replication.tick()
    this.#transfer.tick()
    this.#changes.tick()
    if (this.#replication.isHeartbeatDue) this.#replication.sendHeartbeats(this.#reads.round)
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
    return this.#replication.forgetful
  }

  /** Snapshots on their way, and those whose receivers still need the log behind them. */
  get snapshotsInUse(): readonly SnapshotMark[] {
    return this.#replication.snapshotsInUse
  }

  /** To one that has lost its state, though it may hold the log behind `base`. */
  sendSnapshot(to: NodeId, base: Index): void {
    this.#replication.sendSnapshot(to, base)
  }

  /** Those on their way may be of a wrong state. */
  retractSnapshots(): void {
    this.#replication.retractSnapshots()
  }

  flush(): void {
    if (this.isReady && this.#reads.begin(this.#server.commitIndex, this.#server.id))
      this.#replication.sendHeartbeats(this.#reads.round)
    this.#releaseReads()
    this.#changes.pump()
    this.#replication.flush()
    this.#transfer.flush()
    this.#replication.spreadCommit()
  }

  #append(type: EntryType, bytes: Uint8Array): void {
    const { term, log } = this.#server
    const before: MembershipAt = this.#server.membership.latest
    this.#server.append({ index: log.lastIndex + 1, term, type, bytes })
    this.#uncommitted.push(bytes.length)
    this.#uncommittedBytes += bytes.length
    if (type === 'membership') this.#changes.appended(before)
  }

  /** Commits what a majority holds on disk, if it is of our own term (paper §5.4.2, figure 8). */
  #advanceCommit(): Role {
    const { log, membership, commitIndex, term, id: self } = this.#server
    const index = membership.quorum.committedIndex((id) =>
      id === self ? log.durableIndex : this.#replication.heldIndex(id),
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
    this.#replication.spreadCommit()
    return new Follower(this.#server, null)
  }

  #releaseReads(): void {
    const { id: self, membership, term } = this.#server
    const confirmed = this.#reads.take(membership.quorum)
    if (confirmed === null) return
    assert(this.isReady, 'a read before an entry of this term is committed')
    const { reads, index } = confirmed
    for (const { from, id } of reads) {
      if (from === self) this.#server.readyReads.push({ id, index })
      else {
        this.#server.sendEarly([from], { type: 'readIndexReply', term, id, index })
        this.#progress.get(from)?.awaits(index)
      }
    }
    // Those who came while this round was on its way.
    if (this.#reads.begin(this.#server.commitIndex, self)) {
      this.#replication.sendHeartbeats(this.#reads.round)
      this.#releaseReads()
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
