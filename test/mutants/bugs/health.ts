/** Bugs of what notices a state that is not what it should be, and of what mends it. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/storage')
const plantCore = mutantsOf('src/raft')

export const healthBugs: readonly Mutant[] = [
  plant(
    'snapshot-files.ts',
    'a damaged state is kept as a snapshot, and the log cut for it',
    "    if (!(await isTrueCopy(tables)))\n      throw new Error('the state is damaged: its rows are not those that were written')\n",
    '    await isTrueCopy(tables)\n',
  ),
  plant(
    'storage.ts',
    'a state that was found to be wrong is applied to, and answers callers',
    '    if (!this.#restoring.isStateBad) this.#apply(raft.takeCommitted(applyEntriesMax, applyBytesMax))',
    '    this.#apply(raft.takeCommitted(applyEntriesMax, applyBytesMax))',
  ),
  plant(
    'state-machine.ts',
    'the hash still counts what was deleted or overwritten',
    "this.#hash.remove('kv', state.key, bytes)",
    '',
  ),
  plant(
    'state-machine.ts',
    'the hash of a new session leaves the old one in',
    "if (stored !== undefined) this.#hash.remove('sessions', key, stored)",
    '',
  ),
  plant(
    'state-machine.ts',
    'the hash knows a namespace only by its first key',
    "if (stored !== undefined) this.#hash.remove('prefixes', key, stored)",
    '',
  ),
  plant(
    'state-machine.ts',
    'another state keeps the hash of the one before',
    'this.#hash = new StateHash(this.#position.hash)\n    this.#recent = new RecentDigests()',
    'this.#recent = new RecentDigests()',
  ),
  plant(
    'scrub.ts',
    'a scrub does not hear of changes behind it',
    'if (this.#hasSeen(table, key)) this.sum.change(low, high)',
    'if (this.#table > hashedTables.length) this.sum.change(table.length + key.length + low, high)',
  ),
  plant(
    'scrub.ts',
    'a slice that large rows have cut short is the end of its table',
    'if (bytes >= bytesMax) return false',
    'if (bytes >= bytesMax) break',
  ),
  plant(
    'scrub.ts',
    'a scrub sees the last row of each slice twice',
    'const exclusiveStart = this.#last !== null',
    'const exclusiveStart = false',
  ),
  plant(
    'health.ts',
    'rows that are not what was written pass',
    'if (isTrue) this.#parts.proven()',
    'if (isTrue || state.appliedIndex > 0) this.#parts.proven()',
  ),
  plant(
    'audits.ts',
    'the hashes of different entries are compared',
    'if (!raft.isLeader || this.#current?.index !== index) return',
    'if (!raft.isLeader || this.#current === null) return',
  ),
  plant(
    'health.ts',
    'a question about an entry is answered as of another',
    'if (this.#asked.index > state.appliedIndex) return\n    const { from, index } = this.#asked\n    this.#asked = null\n    const digest = state.digestAt(index)',
    'if (this.#asked.index > state.appliedIndex + 1) return\n    const { from, index } = this.#asked\n    this.#asked = null\n    const digest = state.digestAt(state.appliedIndex)',
  ),
  plant(
    'audits.ts',
    'the healthy one is told that it is wrong',
    '[...answers].filter(([, digest]) => digest !== right.digest)',
    '[...answers].filter(([, digest]) => digest === right.digest)',
  ),
  plant(
    'audits.ts',
    'a leader is always right',
    'if (right !== undefined) this.#judge(answers, { index, digest: right })',
    'if (right !== undefined) this.#judge(answers, { index, digest: answers.get(raft.id) ?? right })',
  ),
  plant(
    'audits.ts',
    'a leader hands out a state that fewer agree with than with another',
    'most.length <= Math.max(1, likeMinded(raft.id).length)',
    'true',
  ),
  plant(
    'audits.ts',
    'half of the voters decide whose state is right',
    'quorum.isQuorum((id) => answers.get(id) === each)',
    'quorum.voters.filter((id) => answers.get(id) === each).length * 2 >= quorum.voters.length',
  ),
  plant(
    'state-origin.ts',
    'a state that was made anew need not be the right one',
    'if (!isRight(state)) continue',
    '',
  ),
  plant(
    'state-origin.ts',
    'a snapshot that was found to be wrong is kept, and sent to others',
    'if (from > 0) log.recordSnapshots(log.snapshots.slice(from), log.base)\n    opened',
    'opened',
  ),
  plant(
    'state-origin.ts',
    'a state that is lost is believed after a restart',
    'const lost = mark?.lost === true || (',
    'const lost = mark === null && (',
  ),
  plant(
    'state-origin.ts',
    'a snapshot for a lost state takes the log with it',
    'const keepsLog = raft.holds(snapshot)',
    'const keepsLog = raft.holds(snapshot) && !raft.stateLost',
  ),
  plant(
    'snapshots.ts',
    'a copy of a state that was replaced meanwhile is a snapshot',
    'this.#overtaken = this.#taking',
    'this.#overtaken = false',
  ),
  plant(
    'snapshots.ts',
    'a snapshot that waits to be installed is thrown away',
    'const coming = this.#incoming === null ? [] : [this.#incoming.snapshot]',
    'const coming: readonly SnapshotMark[] = []',
  ),
  plant(
    'snapshots.ts',
    'a snapshot that was found to be wrong is sent to others until a restart',
    'const right = isStateLost ? [] : this.#options.log.snapshots',
    'const right = isStateLost ? [] : this.#whole',
  ),
  plant(
    'board.ts',
    'a state that was replaced is read until main hears of it',
    'return isBad || this.#numbers[stateGenerationAt] !== this.#generation',
    'return isBad || this.#generation < stateGenerationAt - stateGenerationAt',
  ),
  plant(
    'succession.ts',
    'a leader whose state is lost goes on leading',
    'const mustGo = !hasRoom || this.#raft.stateLost',
    'const mustGo = !hasRoom',
  ),
  plantCore(
    'server.ts',
    'a node that has lost its state cannot be elected, though nobody else can',
    'return this.membership.mayCampaign(this.id)',
    'return !this.stateLost && this.membership.mayCampaign(this.id)',
  ),
  plantCore(
    'replication.ts',
    'a leader sends snapshots of a state that nobody has agreed with',
    'return isStateAgreed ? snapshots.newest : null',
    'return snapshots.newest ?? (isStateAgreed ? null : snapshots.newest)',
  ),
  plantCore(
    'leader.ts',
    'a leader whose state is lost takes proposals',
    'if (this.#server.stateLost) return false\n',
    '',
  ),
  plantCore(
    'replication.ts',
    'a leader without a snapshot does not ask who holds what was cut',
    'progress.stopSnapshot()\n    progress.probe(Math.max(progress.matchIndex, index) + 1)',
    "progress.stopSnapshot()\n    if (progress.mode === 'snapshot') progress.probe(progress.matchIndex + 1)",
  ),
  plantCore(
    'follower.ts',
    'a node that has lost its state takes over from one that has',
    'const isVoter = this.#server.isVoter && !stateLost',
    'const isVoter = this.#server.isVoter && (!stateLost || hasRoom)',
  ),
  plantCore(
    'follower.ts',
    'a node that has lost its state campaigns before those that have theirs',
    '(stateLost ? limits.electionTicksMax : 0)',
    '(stateLost ? 0 : 0)',
  ),
  plantCore(
    'raft.ts',
    'a node that has lost its state applies what comes next',
    'if (upTo <= this.#appliedIndex || this.#server.stateLost) return []',
    'if (upTo <= this.#appliedIndex) return []',
  ),
  plantCore(
    'raft.ts',
    'a snapshot takes the place of entries that were acknowledged meanwhile',
    'return index > commitIndex && !log.holds(index, term)',
    'return index > commitIndex && term > 0',
  ),
  plantCore(
    'follower.ts',
    'a node that has lost its state takes no snapshot of what is in its log',
    'if (!stateLost && log.holds(index, snapshot.term)) {',
    'if ((!stateLost || index > 0) && log.holds(index, snapshot.term)) {',
  ),
]
