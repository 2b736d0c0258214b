/** Bugs of terms, votes and campaigns. Most were somebody's once: reliability.md §4 of the design names them. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')

export const electionBugs: readonly Mutant[] = [
  plant(
    'leader.ts',
    'a new leader lets itself be deposed until it has committed',
    '  get hearsLeader(): boolean {\n    return true\n  }',
    '  get hearsLeader(): boolean {\n    return this.isReady\n  }',
  ),
  plant(
    'follower.ts',
    'a learner that has started never votes',
    'this.#assumesLeader = false\n    this.#ticksSilent = 0\n    return this',
    'this.#ticksSilent = 0\n    return this',
  ),
  plant(
    'server.ts',
    'a vote is not stored',
    'this.#votedFor = candidate\n    this.#hardStateChanged = true',
    'this.#votedFor = candidate',
  ),
  plant(
    'server.ts',
    'a new term is not stored',
    'this.#votedFor = null\n    this.#hardStateChanged = true',
    'this.#votedFor = null',
  ),
  plant(
    'server.ts',
    'a new term keeps the old vote',
    'this.#votedFor = null\n    this.#hardStateChanged = true',
    'this.#hardStateChanged = true',
  ),
  plant(
    'voting.ts',
    'a vote leaves before it is on disk',
    "server.sendLate([from], { type: 'voteReply'",
    "server.sendEarly([from], { type: 'voteReply'",
  ),
  plant(
    'candidate.ts',
    'votes are asked for before the own is on disk',
    'server.sendLate(server.otherVoters',
    'server.sendEarly(server.otherVoters',
  ),
  plant(
    'voting.ts',
    'several votes in one term',
    'const free = server.votedFor === null || server.votedFor === from',
    'const free = true',
  ),
  plant(
    'voting.ts',
    'the election restriction is dropped',
    'const granted = free && server.log.isUpToDate(rpc.lastIndex, rpc.lastTerm)',
    'const granted = free',
  ),
  plant(
    'log.ts',
    'logs are compared by length alone',
    'if (lastTerm !== this.#lastTerm) return lastTerm > this.#lastTerm',
    '',
  ),
  plant(
    'log.ts',
    'logs are compared by term alone',
    'return lastIndex >= this.#lastIndex',
    'return true',
  ),
  plant(
    'log.ts',
    'index and term are compared apart',
    'if (lastTerm !== this.#lastTerm) return lastTerm > this.#lastTerm',
    'if (lastTerm < this.#lastTerm) return false',
  ),
  plant(
    'candidate.ts',
    'pre-vote is skipped',
    'const role = new PreCandidate(server)',
    'if (server.mayCampaign) return Candidate.start(server)\n    const role = new PreCandidate(server)',
  ),
  plant('voting.ts', 'a promise is given behind the back of a leader', '!role.hearsLeader &&', ''),
  plant(
    'voting.ts',
    'a refused pre-vote does not teach the term',
    'granted ? rpc.term : server.term',
    'granted ? rpc.term : 0',
  ),
  plant(
    'raft.ts',
    'a candidate deposes a leader that is heard',
    "if (rpc.type === 'vote' && !rpc.isTransfer && this.#role.hearsLeader) return false",
    '',
  ),
  plant(
    'raft.ts',
    'an old promise counts for a new campaign',
    'return rpc.term === this.#server.term + 1',
    'return true',
  ),
  plant(
    'raft.ts',
    'higher terms in replies are ignored',
    'this.#server.enterTerm(rpc.term)',
    "if (rpc.type.endsWith('Reply')) return false\n    this.#server.enterTerm(rpc.term)",
  ),
  plant(
    'candidate.ts',
    'a granted vote puts no campaign aside',
    'return considerVote(this.server, from, rpc) ? new Follower(this.server, null) : this',
    'considerVote(this.server, from, rpc)\n        return this',
  ),
  plant(
    'candidate.ts',
    'the own vote counts before it is on disk',
    'return new Candidate(server)',
    'return new Candidate(server).count(server.id, true)',
  ),
  plant(
    'voting.ts',
    'whoever answers first wins',
    'isQuorum((id) => this.#votes.get(id) === true)',
    'isQuorum((id) => this.#votes.get(id) !== false)',
  ),
  plant(
    'leader.ts',
    'a deaf leader goes on',
    'return follows ? this : new Follower(this.#server, null)',
    'return this',
  ),
  plant(
    'leader.ts',
    'learners keep a leader in office',
    '(id) => id === self || this.#progress.get(id)?.active === true,',
    '() => [...this.#progress.values()].some(({ active }) => active),',
  ),
  plant(
    'server.ts',
    'all servers wait equally long',
    'Math.floor(this.#random() * (electionTicksMax - electionTicksMin + 1))',
    '0',
  ),
]
