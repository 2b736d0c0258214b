import { assert, unreachable } from './assert.ts'
import { Follower } from './follower.ts'
import { Leader } from './leader.ts'
import type { Rpc } from './rpc.ts'
import type { Role, Server } from './server.ts'
import type { NodeId } from './types.ts'
import { considerVote, Tally } from './voting.ts'

/**
 * Asks whether it would be elected, before it spends a term on it: a server that was cut off must not
 * depose a healthy leader when it comes back (thesis §9.6).
 */
export class PreCandidate implements Role {
  readonly name = 'preCandidate'
  readonly leaderId = null
  readonly #server: Server
  readonly #tally: Tally
  readonly #electionTicks: number
  #ticks = 0

  private constructor(server: Server) {
    this.#server = server
    this.#tally = new Tally(server.membership.voters)
    this.#electionTicks = server.drawElectionTicks()
  }

  static start(server: Server): Role {
    assert(server.mayCampaign, 'neither a learner nor a removed server may campaign')
    const role = new PreCandidate(server)
    role.#tally.record(server.id, true)
    const { lastIndex, lastTerm } = server.log
    server.sendEarly(server.otherVoters, {
      type: 'preVote',
      term: server.term + 1,
      lastIndex,
      lastTerm,
    })
    return role.#next()
  }

  hearsLeader(): boolean {
    return false
  }

  step(from: NodeId, rpc: Rpc): Role {
    switch (rpc.type) {
      case 'append':
      case 'heartbeat':
        return new Follower(this.#server, from).step(from, rpc)
      case 'vote':
        return considerVote(this.#server, from, rpc) ? new Follower(this.#server, null) : this
      case 'preVoteReply':
        this.#tally.record(from, rpc.granted)
        return this.#next()
      case 'readIndexReply':
      case 'readIndex':
      case 'voteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'preVote':
        return this
      default:
        return unreachable(rpc)
    }
  }

  tick(): Role {
    this.#ticks++
    return this.#ticks < this.#electionTicks ? this : retry(this.#server)
  }

  persisted(): Role {
    return this
  }

  flush(): void {}

  #next(): Role {
    if (this.#tally.won) return Candidate.start(this.#server)
    return this.#tally.lost ? new Follower(this.#server, null) : this
  }
}

/** Asks for votes in a new term (paper §5.2). Its own vote counts once it is on its disk. */
export class Candidate implements Role {
  readonly name = 'candidate'
  readonly leaderId = null
  readonly #server: Server
  readonly #tally: Tally
  readonly #electionTicks: number
  #ticks = 0

  private constructor(server: Server) {
    this.#server = server
    this.#tally = new Tally(server.membership.voters)
    this.#electionTicks = server.drawElectionTicks()
  }

  static start(server: Server): Candidate {
    assert(server.mayCampaign, 'neither a learner nor a removed server may campaign')
    server.enterTerm(server.term + 1)
    server.voteFor(server.id)
    const { lastIndex, lastTerm } = server.log
    // Late: asking for votes promises that we have voted for nobody else in this term.
    server.sendLate(server.otherVoters, { type: 'vote', term: server.term, lastIndex, lastTerm })
    return new Candidate(server)
  }

  hearsLeader(): boolean {
    return false
  }

  step(from: NodeId, rpc: Rpc): Role {
    switch (rpc.type) {
      // Somebody else won this term.
      case 'append':
      case 'heartbeat':
        return new Follower(this.#server, from).step(from, rpc)
      case 'vote':
        considerVote(this.#server, from, rpc)
        return this
      case 'voteReply':
        this.#tally.record(from, rpc.granted)
        return this.#next()
      case 'readIndexReply':
      case 'readIndex':
      case 'preVoteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'preVote':
        return this
      default:
        return unreachable(rpc)
    }
  }

  tick(): Role {
    this.#ticks++
    return this.#ticks < this.#electionTicks ? this : retry(this.#server)
  }

  persisted(): Role {
    this.#tally.record(this.#server.id, true)
    return this.#next()
  }

  flush(): void {}

  #next(): Role {
    if (this.#tally.won) return this.#becomeLeader()
    return this.#tally.lost ? new Follower(this.#server, null) : this
  }

  #becomeLeader(): Leader {
    assert(this.#server.votedFor === this.#server.id, 'a candidate votes for itself')
    return new Leader(this.#server)
  }
}

/** Split vote or no answer: ask again, unless we were removed meanwhile. */
function retry(server: Server): Role {
  return server.mayCampaign ? PreCandidate.start(server) : new Follower(server, null)
}
