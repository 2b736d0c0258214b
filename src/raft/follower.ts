import { assert, unreachable } from './assert.ts'
import { Candidate, PreCandidate } from './candidate.ts'
import type { Append, AppendReply, Heartbeat, Rpc, SnapshotChunk, TimeoutNow } from './rpc.ts'
import type { Role, Server } from './server.ts'
import type { Entry, Index, NodeId } from './types.ts'
import { considerVote } from './voting.ts'

/** Replicates a leader's log (paper §5.3). Knows no leader until one speaks in this term. */
export class Follower implements Role {
  readonly name = 'follower'
  readonly #server: Server
  #leaderId: NodeId | null
  /** It has just started, and may have heard a leader right before. */
  #assumesLeader: boolean
  #ticksSilent = 0
  /** Silence after which the leader is given up. */
  #electionTicks: number
  /** What the leader was told last about our log. */
  #answer: AppendReply | null = null
  /** Perhaps it was not told: the link broke. */
  #mustRepeat = false

  constructor(server: Server, leaderId: NodeId | null, assumesLeader = false) {
    this.#server = server
    this.#leaderId = leaderId
    this.#assumesLeader = assumesLeader
    this.#electionTicks = server.drawElectionTicks()
  }

  /** Of a server that has just started. Where nobody else could lead, waiting would be idle. */
  static start(server: Server, assumesLeader: boolean): Follower {
    const isAlone = server.isVoter && server.otherVoters.length === 0
    const follower = new Follower(server, null, assumesLeader && !isAlone)
    if (isAlone) follower.#electionTicks = 1
    return follower
  }

  get leaderId(): NodeId | null {
    return this.#leaderId
  }

  get hearsLeader(): boolean {
    const mayLead = this.#leaderId !== null || this.#assumesLeader
    return mayLead && this.#ticksSilent < this.#server.limits.electionTicksMin
  }

  step(from: NodeId, rpc: Rpc): Role {
    switch (rpc.type) {
      case 'append':
        this.#hear(from)
        this.#append(from, rpc)
        return this
      case 'heartbeat':
        this.#hear(from)
        this.#heartbeat(from, rpc)
        return this
      case 'snapshot':
        this.#hear(from)
        this.#snapshot(from, rpc)
        return this
      case 'timeoutNow':
        this.#hear(from)
        return this.#takeOver(from, rpc)
      case 'vote':
        if (considerVote(this.#server, from, rpc)) this.#ticksSilent = 0
        return this
      case 'readIndexReply':
        this.#server.readyReads.push({ id: rpc.id, index: rpc.index })
        return this
      // A read for a leader, but we are none; the asker will find the new one.
      case 'readIndex':
      // Answers to questions we asked in another role. The term fits, the role does not: too late.
      case 'preVoteReply':
      case 'voteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'snapshotReply':
      case 'timeoutNowDeclined':
      // Answered before it comes to a role.
      case 'preVote':
        return this
      default:
        return unreachable(rpc)
    }
  }

  tick(): Role {
    this.#ticksSilent++
    if (this.#ticksSilent < this.#patienceTicks) return this
    if (this.#server.mayCampaign) return PreCandidate.start(this.#server)
    // A learner or a removed server cannot lead; it only forgets whom it followed.
    this.#leaderId = null
    this.#assumesLeader = false
    this.#ticksSilent = 0
    return this
  }

  persisted(): Role {
    return this
  }

  flush(): void {
    if (this.#mustRepeat && this.#answer !== null && this.#leaderId !== null)
      this.#tell(this.#leaderId, this.#answer)
    this.#mustRepeat = false
  }

  /**
   * Our last answer may be lost. A leader that waits for it sends one append and no more, and sends it again only
   * after an election timeout: it cannot see the link that we talk on.
   */
  linkLost(peer: NodeId): void {
    if (peer === this.#leaderId) this.#mustRepeat = true
  }

  /** Everything up to there is here, and equal to what the leader has. */
  acknowledge(leaderId: NodeId, matchIndex: Index): void {
    const { term } = this.#server
    this.#tell(leaderId, { type: 'appendReply', term, accepted: true, matchIndex })
  }

  /** Whoever has its state comes first: without one we would only lead to hand over. */
  get #patienceTicks(): number {
    const { stateLost, limits } = this.#server
    return this.#electionTicks + (stateLost ? limits.electionTicksMax : 0)
  }

  #hear(leaderId: NodeId): void {
    assert(
      this.#leaderId === null || this.#leaderId === leaderId,
      `two leaders in term ${this.#server.term}: ${this.#leaderId}, ${leaderId}`,
    )
    this.#leaderId = leaderId
    this.#ticksSilent = 0
  }

  #append(from: NodeId, rpc: Append): void {
    const { log, term } = this.#server
    if (!log.holds(rpc.prevIndex, rpc.prevTerm)) {
      const hint = log.lastAtMost(rpc.prevIndex, rpc.prevTerm)
      this.#tell(from, {
        type: 'appendReply',
        term,
        accepted: false,
        rejectIndex: rpc.prevIndex,
        hintIndex: hint.index,
        hintTerm: hint.term,
      })
      return
    }
    const matchIndex = this.#store(rpc.prevIndex, rpc.entries)
    this.#server.commit(Math.min(rpc.commitIndex, matchIndex))
    this.acknowledge(from, matchIndex)
  }

  /** Truncates only where the logs truly differ: a message that comes late must not undo a later one. */
  #store(prevIndex: Index, entries: readonly Entry[]): Index {
    const { log } = this.#server
    const firstNew = entries.findIndex(({ index, term }) => !log.holds(index, term))
    const first = entries[firstNew]
    if (first !== undefined) {
      if (first.index <= log.lastIndex) this.#server.truncate(first.index)
      for (const entry of entries.slice(firstNew)) this.#server.append(entry)
    }
    return prevIndex + entries.length
  }

  /**
   * What we lack was cut from the leader's log (paper §7). A snapshot of what stands in our log has nothing to
   * bring, unless the state was lost: it only says that this much is committed.
   */
  #snapshot(from: NodeId, { snapshot, offset, chunk }: SnapshotChunk): void {
    const { log, stateLost } = this.#server
    const { index } = snapshot
    if (!stateLost && log.holds(index, snapshot.term)) {
      this.#server.commit(index)
      this.acknowledge(from, index)
    } else {
      this.#server.receivedChunks.push({ from, snapshot, offset, chunk })
    }
  }

  #tell(leaderId: NodeId, answer: AppendReply): void {
    this.#answer = answer
    this.#mustRepeat = false
    this.#server.sendLate([leaderId], answer)
  }

  /** The leader wants us to succeed it (thesis §3.10). */
  #takeOver(from: NodeId, { lastIndex }: TimeoutNow): Role {
    const { log, term, hasRoom, stateLost } = this.#server
    const isVoter = this.#server.isVoter && !stateLost
    if (isVoter && hasRoom) {
      return log.lastIndex === lastIndex ? Candidate.start(this.#server, true) : this
    }
    this.#server.reply(from, { type: 'timeoutNowDeclined', term })
    return this
  }

  #heartbeat(from: NodeId, rpc: Heartbeat): void {
    const { log, term } = this.#server
    // The leader sends what we acknowledged at most. If it is not here, our disk has forgotten it.
    assert(
      rpc.commitIndex <= log.lastIndex,
      `leader says ${rpc.commitIndex} is here, log ends at ${log.lastIndex}: the disk has lost what was acknowledged, or was put back to an earlier state. Remove this server, delete its directory and let it join anew`,
    )
    this.#server.commit(rpc.commitIndex)
    if (rpc.round > 0) this.#server.reply(from, { type: 'heartbeatReply', term, round: rpc.round })
  }
}
