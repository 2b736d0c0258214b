/** The rules of voting, the same in every role (paper §5.2, §5.4.1; thesis §9.6). */

import type { Quorum } from './quorum.ts'
import type { PreVote, Vote } from './rpc.ts'
import type { Role, Server } from './server.ts'
import type { NodeId } from './types.ts'

/**
 * A `vote` of the current term. Granted once a term, to a log at least as up to date as ours. Also by
 * learners: the candidate's membership may be newer than ours.
 */
export function considerVote(server: Server, from: NodeId, rpc: Vote): boolean {
  const free = server.votedFor === null || server.votedFor === from
  const granted = free && server.log.isUpToDate(rpc.lastIndex, rpc.lastTerm)
  if (granted) server.voteFor(from)
  server.sendLate([from], { type: 'voteReply', term: server.term, granted })
  return granted
}

/**
 * Would we vote for this? Changes nothing here. A granted reply carries the term asked for, a refused one
 * ours: a sender that is behind must learn it, or it would ask in vain forever.
 */
export function answerPreVote(server: Server, role: Role, from: NodeId, rpc: PreVote): void {
  const granted =
    rpc.term > server.term &&
    !role.hearsLeader &&
    server.log.isUpToDate(rpc.lastIndex, rpc.lastTerm)
  server.sendLate([from], { type: 'preVoteReply', term: granted ? rpc.term : server.term, granted })
}

/** Votes, or promises of votes, in one campaign. */
export class Tally {
  readonly #quorum: Quorum
  readonly #votes = new Map<NodeId, boolean>()

  constructor(quorum: Quorum) {
    this.#quorum = quorum
  }

  record(from: NodeId, granted: boolean): void {
    if (!this.#votes.has(from)) this.#votes.set(from, granted)
  }

  get won(): boolean {
    return this.#quorum.isQuorum((id) => this.#votes.get(id) === true)
  }

  /** So many have refused that no majority is left. */
  get lost(): boolean {
    return this.#quorum.isLost((id) => this.#votes.get(id) === false)
  }
}
