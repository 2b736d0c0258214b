/** Bugs of the consensus core. Most were somebody's once: reliability.md §4 of the design names them. */
import { type Mutant, mutantsOf } from './mutant.ts'

const plant = mutantsOf('src/raft')

const voting: readonly Mutant[] = [
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
    "if (rpc.type === 'vote' && this.#role.hearsLeader) return false",
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
    'return this.#count(true) >= majority(this.#voters.length)',
    'return this.#count(true) >= majority(this.#voters.length) - 1',
  ),
  plant(
    'leader.ts',
    'a deaf leader goes on',
    'return active >= majority(voters.length) ? this : new Follower(this.#server, null)',
    'return this',
  ),
  plant(
    'leader.ts',
    'learners keep a leader in office',
    'const active = voters.filter(',
    'const active = [...voters, ...this.#progress.keys()].filter(',
  ),
  plant(
    'server.ts',
    'all servers wait equally long',
    'Math.floor(this.#random() * (electionTicksMax - electionTicksMin + 1))',
    '0',
  ),
]

const replication: readonly Mutant[] = [
  plant(
    'follower.ts',
    'entries are acknowledged before they are on disk',
    "this.#server.sendLate([from], { type: 'appendReply', term, accepted: true, matchIndex })",
    "this.#server.sendEarly([from], { type: 'appendReply', term, accepted: true, matchIndex })",
  ),
  plant(
    'follower.ts',
    'an append fits whatever its previous term',
    'if (log.term(rpc.prevIndex) !== rpc.prevTerm) {',
    'if (rpc.prevIndex > log.lastIndex) {',
  ),
  plant(
    'follower.ts',
    'any append truncates what is behind it',
    'if (first !== undefined) {',
    'if (first === undefined && prevIndex + entries.length < log.lastIndex)\n      this.#server.truncate(prevIndex + entries.length + 1)\n    if (first !== undefined) {',
  ),
  plant(
    'follower.ts',
    'conflicting entries are kept',
    'entries.findIndex((entry) => log.term(entry.index) !== entry.term)',
    'entries.findIndex((entry) => entry.index > log.lastIndex)',
  ),
  plant(
    'follower.ts',
    'a follower commits entries it has not compared',
    'this.#server.commit(Math.min(rpc.commitIndex, matchIndex))',
    'this.#server.commit(Math.min(rpc.commitIndex, log.lastIndex))',
  ),
  plant(
    'follower.ts',
    'a follower acknowledges its whole log',
    'return prevIndex + entries.length',
    'return log.lastIndex',
  ),
  {
    name: 'a heartbeat commits what was never compared',
    edits: [
      {
        file: 'src/raft/leader.ts',
        find: 'const known = Math.min(commitIndex, progress.matchIndex)',
        replace: 'const known = commitIndex',
      },
      {
        file: 'src/raft/follower.ts',
        find: 'this.#server.commit(rpc.commitIndex)',
        replace: 'this.#server.commit(Math.min(rpc.commitIndex, log.lastIndex))',
      },
      { file: 'src/raft/follower.ts', find: 'rpc.commitIndex <= log.lastIndex,', replace: 'true,' },
    ],
  },
  plant(
    'leader.ts',
    'figure 8: entries of older terms are committed by counting',
    '|| index < this.#noopIndex',
    '',
  ),
  plant(
    'leader.ts',
    'the leader counts what its disk does not hold',
    'id === self ? log.durableIndex : this.#matchIndex(id)',
    'id === self ? log.lastIndex : this.#matchIndex(id)',
  ),
  plant(
    'leader.ts',
    'a leader alone does not wait for its disk',
    'persisted(): Role {\n    return this.#advanceCommit()',
    'persisted(): Role {\n    this.#server.commit(this.#server.log.lastIndex)\n    return this.#advanceCommit()',
  ),
  plant(
    'quorum.ts',
    'half is a majority',
    'return Math.floor(voters / 2) + 1',
    'return Math.ceil(voters / 2)',
  ),
  plant(
    'quorum.ts',
    'the median is taken one too high',
    'descending[majority(descending.length) - 1]',
    'descending[majority(descending.length) - 2]',
  ),
  plant(
    'quorum.ts',
    'the quorum is counted over unsorted indexes',
    '[...matchIndexes].sort((a, b) => b - a)',
    '[...matchIndexes]',
  ),
  plant(
    'quorum.ts',
    'indexes are sorted as text',
    '[...matchIndexes].sort((a, b) => b - a)',
    '[...matchIndexes].sort().reverse()',
  ),
  plant(
    'progress.ts',
    'an old acknowledgement takes a newer one back',
    'this.matchIndex = Math.max(this.matchIndex, matchIndex)',
    'this.matchIndex = matchIndex',
  ),
  plant(
    'progress.ts',
    'a lost append is never sent again',
    'if (this.#ticksUnanswered >= ticksMax) this.probe(this.matchIndex + 1)',
    '',
  ),
  plant(
    'progress.ts',
    'the window has no end',
    "return this.#inFlight.length < (this.mode === 'probe' ? 1 : appendsInFlightMax)",
    'return this.#inFlight.length < 1e9 + appendsInFlightMax',
  ),
  plant(
    'leader.ts',
    'a refused append is tried again as it was',
    'Math.max(progress.matchIndex, Math.min(meeting.index, rpc.rejectIndex - 1)) + 1',
    'Math.max(progress.matchIndex, rpc.rejectIndex) + 1',
  ),
  plant(
    'leader.ts',
    'a leader begins without an entry of its term',
    "this.#append('noop', new Uint8Array(0))",
    '',
  ),
  plant(
    'leader.ts',
    'followers hear of commits only with new entries',
    'const known = Math.min(commitIndex, progress.matchIndex)',
    'const known = 0',
  ),
  plant(
    'raft.ts',
    'entries are applied before they are on disk',
    'const upTo = Math.min(commitIndex, log.durableIndex)\n    if (upTo',
    'const upTo = commitIndex\n    if (upTo',
  ),
  plant(
    'raft.ts',
    'entries are applied before they are committed',
    'const upTo = Math.min(commitIndex, log.durableIndex)\n    if (upTo',
    'const upTo = Math.max(commitIndex, log.durableIndex)\n    if (upTo',
  ),
  plant(
    'raft.ts',
    'an append of an older term is taken',
    'else if (rpc.term < this.#server.term) this.#answerStale(from, rpc)',
    "else if (rpc.term < this.#server.term && rpc.type !== 'append') this.#answerStale(from, rpc)",
  ),
  plant(
    'raft.ts',
    'a deposed leader is not told',
    "if (rpc.type === 'append' || rpc.type === 'heartbeat') {",
    "if (rpc.type === 'append' && rpc.type.length === 0) {",
  ),
  plant(
    'log.ts',
    'a truncation does not reach the disk',
    'this.#truncateFrom = Math.min(from, this.#truncateFrom ?? from)\n',
    '',
  ),
  plant(
    'log.ts',
    'a second truncation in a turn hides the first',
    'Math.min(from, this.#truncateFrom ?? from)',
    'from',
  ),
]

const reads: readonly Mutant[] = [
  plant(
    'reads.ts',
    'a read asks nobody whether we lead',
    'if (confirmed < majority(voters.length)) return null',
    '',
  ),
  plant(
    'reads.ts',
    'an old confirmation counts for a new read',
    'if (this.#current !== null && round >= this.round)',
    'if (this.#current !== null)',
  ),
  plant(
    'reads.ts',
    'a newcomer joins the round on its way',
    'this.#waiting.push(read)',
    '(this.#current === null ? this.#waiting : (this.#current.reads as WaitingRead[])).push(read)',
  ),
  plant(
    'leader.ts',
    'a new leader serves reads before it knows what is committed',
    'if (this.isReady && this.#reads.begin',
    'if (this.#reads.begin',
  ),
  plant(
    'leader.ts',
    'a read is served as of the beginning',
    'if (this.isReady && this.#reads.begin(this.#server.commitIndex',
    'if (this.isReady && this.#reads.begin(0',
  ),
  plant(
    'raft.ts',
    'a leader of several believes it leads alone',
    'this.#server.isVoter &&\n      otherVoters.length === 0',
    'this.#server.isVoter',
  ),
  plant(
    'raft.ts',
    'a leader alone serves reads before it knows what is committed',
    'this.#role.isReady &&',
    '',
  ),
]

const members: readonly Mutant[] = [
  plant(
    'leader.ts',
    'members change before an entry of the term is committed',
    'if (!this.isReady)\n      return',
    'if (!this.isReady && membership.members.length === 0)\n      return',
  ),
  plant(
    'leader.ts',
    'two changes of members overlap',
    'if (membership.latest.index > commitIndex)\n      return',
    'if (membership.latest.index > commitIndex + 1e9)\n      return',
  ),
  plant('membership.ts', 'two voters change at once', 'if (changed > 1)', 'if (changed > 2)'),
  plant(
    'membership.ts',
    'the last voter may be removed',
    "if (after.size === 0) return 'the cluster would have no voter left'",
    '',
  ),
  plant(
    'membership.ts',
    'new members count only once they are committed',
    'return this.#history.at(-1) ??',
    'return this.#history.at(0) ??',
  ),
  plant(
    'server.ts',
    'members survive the truncation of their entry',
    'this.membership.truncate(from)\n',
    '',
  ),
  plant(
    'membership.ts',
    'learners count as voters',
    "members.filter(({ role }) => role === 'voter').map(({ id }) => id)",
    'members.map(({ id }) => id)',
  ),
  plant(
    'leader.ts',
    'a removed leader goes on leading',
    'return new Follower(this.#server, null)\n  }\n\n  #matchIndex',
    'return this\n  }\n\n  #matchIndex',
  ),
  plant(
    'leader.ts',
    'a removed leader leaves before its removal is committed',
    'if (this.#server.isVoter || membership.latest.index > commitIndex) return this',
    'if (this.#server.isVoter) return this',
  ),
  plant(
    'leader.ts',
    'a learner is promoted before it has caught up',
    'return progress.active && progress.matchIndex + promotionLagMax >= log.lastIndex',
    'return true',
  ),
  plant(
    'leader.ts',
    'a learner is never promoted',
    'if (ready === undefined) return',
    'if (ready !== undefined || ready === undefined) return',
  ),
  plant(
    'membership.ts',
    'a removed server stops before its removal is committed',
    'return this.#history.some(({ members }) => votersOf(members).includes(id))',
    'return this.isVoter(id)',
  ),
  plant(
    'membership.ts',
    'a removed server campaigns forever',
    'if (newest > 0) this.#history.splice(0, newest)',
    '',
  ),
  plant(
    'leader.ts',
    'a removed server is not told',
    'this.#leaving.set(id, { removedAt: log.lastIndex, address, ticksLeft })',
    'this.#progress.delete(id)',
  ),
  plant(
    'follower.ts',
    'a learner campaigns',
    'if (this.#server.mayCampaign) return',
    'if (this.#server.mayCampaign || this.#server.peers.length > 0) return',
  ),
]

export const coreMutants: readonly Mutant[] = [...voting, ...replication, ...reads, ...members]
