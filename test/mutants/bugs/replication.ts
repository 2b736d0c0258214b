/** Bugs of the log, of its replication and of commitment. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')

export const replicationBugs: readonly Mutant[] = [
  plant(
    'progress.ts',
    'a late acknowledgement makes a server that has forgotten count again',
    '    if (matchIndex >= this.matchIndex) this.#forgottenRefusals = 0',
    '    this.#forgottenRefusals = 0',
  ),
  plant(
    'server.ts',
    'what a newer leader has replaced within the turn is acknowledged to the older one',
    "    return rpc.type === 'appendReply' && rpc.term < this.#term",
    "    return rpc.type === 'appendReply' && rpc.accepted && rpc.matchIndex > this.log.durableIndex",
  ),
  plant(
    'follower.ts',
    'entries are acknowledged before they are on disk',
    'this.#server.sendLate([leaderId], answer)',
    'this.#server.sendEarly([leaderId], answer)',
  ),
  plant(
    'follower.ts',
    'an append fits whatever its previous term',
    'if (!log.holds(rpc.prevIndex, rpc.prevTerm)) {',
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
    'entries.findIndex(({ index, term }) => !log.holds(index, term))',
    'entries.findIndex(({ index }) => index > log.lastIndex)',
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
        file: 'src/raft/replication.ts',
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
    'id === self ? log.durableIndex : this.#replication.heldIndex(id)',
    'id === self ? log.lastIndex : this.#replication.heldIndex(id)',
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
    'if (this.#ticksUnanswered >= ticksMax) this.lost()',
    '',
  ),
  plant(
    'progress.ts',
    'the window has no end',
    "return this.#inFlight.length < (this.mode === 'probe' ? 1 : appendsInFlightMax)",
    'return this.#inFlight.length < 1e9 + appendsInFlightMax',
  ),
  plant(
    'replication.ts',
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
    'replication.ts',
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
    "if (rpc.type === 'append' || rpc.type === 'heartbeat' || rpc.type === 'snapshot') {",
    "if (rpc.type === 'append' && rpc.type.length === 0) {",
  ),
  plant('log.ts', 'a truncation does not reach the disk', 'this.#truncateFrom = from\n', ''),
  plant(
    'leader.ts',
    'a new leader counts entries of older terms as its own',
    'index - Math.max(commitIndex, this.#noopIndex - 1)',
    'index - commitIndex',
  ),
  plant(
    'leader.ts',
    'what a broken link has lost waits for a timeout',
    'this.#progress.get(peer)?.linkLost()',
    'this.#progress.get(peer)',
  ),
  plant(
    'follower.ts',
    'an answer that a broken link has lost is not given again',
    'if (peer === this.#leaderId) this.#mustRepeat = true',
    '',
  ),
  plant(
    'follower.ts',
    'an answer is given again whatever link is lost',
    'if (peer === this.#leaderId) this.#mustRepeat = true',
    'if (peer !== this.#server.id) this.#mustRepeat = true',
  ),
  plant(
    'replication.ts',
    'a commit is told only with an append',
    '&& (isAwaiting || !this.#hasSpreadCommit)',
    '&& isAwaiting',
  ),
  plant(
    'replication.ts',
    'once told, commits are told only with an append',
    '    this.#hasSpreadCommit = false\n    for',
    '    for',
  ),
  plant(
    'leader.ts',
    'callers of other servers wait for the next tick',
    '    this.#progress.get(from)?.awaits(this.#server.log.lastIndex)\n',
    '',
  ),
  plant(
    'leader.ts',
    'readers on other servers wait for the next tick',
    '        this.#progress.get(from)?.awaits(index)\n',
    '',
  ),
  plant(
    'reconfiguration.ts',
    'whoever leaves hears of it with the next tick',
    '    for (const each of progress.values()) each.awaits(log.lastIndex)\n',
    '',
  ),
]
