import { assert, unreachable } from './assert.ts'
import { Follower } from './follower.ts'
import { Leader } from './leader.ts'
import type { Rpc } from './rpc.ts'
import type { Role, Server } from './server.ts'
import type { NodeId, RoleName } from './types.ts'
import { considerVote, Tally } from './voting.ts'

/** What both campaigns share: answers are counted until they decide it, or the time for it is over. */
abstract class Campaign implements Role {
  abstract readonly name: RoleName
  readonly leaderId = null
  readonly hearsLeader = false
  protected readonly server: Server
  readonly #tally: Tally
  readonly #electionTicks: number
  #ticks = 0

  protected constructor(server: Server) {
    assert(server.mayCampaign, 'neither a learner nor a removed server may campaign')
    this.server = server
    this.#tally = new Tally(server.membership.quorum)
    this.#electionTicks = server.drawElectionTicks()
  }

  abstract step(from: NodeId, rpc: Rpc): Role
  abstract persisted(): Role

  /** What a majority makes of it. */
  protected abstract elected(): Role

  /** Split vote or no answer: asks again, unless we were removed meanwhile. */
  tick(): Role {
    this.#ticks++
    if (this.#ticks < this.#electionTicks) return this
    return this.server.mayCampaign
      ? PreCandidate.start(this.server)
      : new Follower(this.server, null)
  }

  flush(): void {}

  protected count(from: NodeId, granted: boolean): Role {
    this.#tally.record(from, granted)
    if (this.#tally.won) return this.elected()
    return this.#tally.lost ? new Follower(this.server, null) : this
  }
}

/**
 * Asks whether it would be elected, before it spends a term on it: a server that was cut off must not
 * depose a healthy leader when it comes back (thesis §9.6).
 */
export class PreCandidate extends Campaign {
  readonly name = 'preCandidate'

  static start(server: Server): Role {
    const role = new PreCandidate(server)
    const { lastIndex, lastTerm } = server.log
    server.sendEarly(server.otherVoters, {
      type: 'preVote',
      term: server.term + 1,
      lastIndex,
      lastTerm,
    })
    return role.count(server.id, true)
  }

  step(from: NodeId, rpc: Rpc): Role {
    switch (rpc.type) {
      case 'append':
      case 'heartbeat':
      case 'snapshot':
      case 'timeoutNow':
        return new Follower(this.server, from).step(from, rpc)
      case 'vote':
        return considerVote(this.server, from, rpc) ? new Follower(this.server, null) : this
      case 'preVoteReply':
        return this.count(from, rpc.granted)
      case 'readIndexReply':
      case 'readIndex':
      case 'voteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'snapshotReply':
      case 'timeoutNowDeclined':
      case 'preVote':
        return this
      default:
        return unreachable(rpc)
    }
  }

  persisted(): Role {
    return this
  }

  protected elected(): Role {
    return Candidate.start(this.server)
  }
}

/** Asks for votes in a new term (paper §5.2). Its own vote counts once it is on its disk. */
export class Candidate extends Campaign {
  readonly name = 'candidate'

  /** `isTransfer`: the leader has asked for it (thesis §3.10). */
  static start(server: Server, isTransfer: boolean = false): Candidate {
    server.enterTerm(server.term + 1)
    server.voteFor(server.id)
    const { lastIndex, lastTerm } = server.log
    // Late: asking for votes promises that we have voted for nobody else in this term.
    const { term } = server
    server.sendLate(server.otherVoters, { type: 'vote', term, lastIndex, lastTerm, isTransfer })
    return new Candidate(server)
  }

  step(from: NodeId, rpc: Rpc): Role {
    switch (rpc.type) {
      // Somebody else won this term.
      case 'append':
      case 'heartbeat':
      case 'snapshot':
      case 'timeoutNow':
        return new Follower(this.server, from).step(from, rpc)
      case 'vote':
        considerVote(this.server, from, rpc)
        return this
      case 'voteReply':
        return this.count(from, rpc.granted)
      case 'readIndexReply':
      case 'readIndex':
      case 'preVoteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'snapshotReply':
      case 'timeoutNowDeclined':
      case 'preVote':
        return this
      default:
        return unreachable(rpc)
    }
  }

  persisted(): Role {
    return this.count(this.server.id, true)
  }

  protected elected(): Role {
    assert(this.server.votedFor === this.server.id, 'a candidate votes for itself')
    return new Leader(this.server)
  }
}
