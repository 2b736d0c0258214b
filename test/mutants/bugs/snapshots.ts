/** Bugs of snapshots: of what is cut for them, of sending and receiving them, and of putting one in the place of a log. */
import { type Mutant, mutantsOf, shownBy } from '../mutant.ts'

const raft = mutantsOf('src/raft')
const storage = mutantsOf('src/storage')

const keptBugs: readonly Mutant[] = [
  shownBy(
    'power-loss',
    storage(
      'snapshot-files.ts',
      'a snapshot that has come takes its name before it is synced',
      '    await sync(part)\n',
      '',
    ),
  ),
  raft(
    'raft.ts',
    'a snapshot keeps a log that is long enough, though it holds other entries',
    '    return index >= this.#server.log.base.index && this.#server.log.holds(index, term)',
    '    return index >= this.#server.log.base.index && index <= this.#server.log.lastIndex',
  ),
  storage(
    'snapshots.ts',
    'the log is cut to the newest snapshot, which may be damaged',
    'kept.length < snapshotsKept ? base : kept.at(-1)',
    'kept.length < snapshotsKept ? base : kept.at(0)',
  ),
  storage(
    'snapshots.ts',
    'the log is cut as soon as there is one snapshot',
    'kept.length < snapshotsKept ? base : kept.at(-1)',
    'kept.at(-1)',
  ),
  storage(
    'snapshots.ts',
    'what a follower still needs is cut from the log',
    '[oldest ?? base, ...inUse]',
    '[oldest ?? base]',
  ),
  storage(
    'snapshots.ts',
    'one that waits to be installed is thrown away',
    '...inUse, ...coming, ...this.#held]',
    '...inUse, ...this.#held]',
  ),
  storage(
    'snapshots.ts',
    'after a copy that failed the count begins anew',
    'this.#appliedBytes += this.#takingBytes',
    '',
  ),
  storage(
    'snapshots.ts',
    'the state is replaced while it is copied',
    'isWhole === null || this.#taking) return null',
    'isWhole === null) return null',
  ),
  storage(
    'snapshots.ts',
    'a state that was found to be wrong is copied before it is made anew',
    'if (this.#ticksToWait > 0 || this.#awaitsState) return false',
    'if (this.#ticksToWait > 0) return false',
  ),
  storage(
    'snapshots.ts',
    'who asks a node that holds nothing for a snapshot waits for ever',
    'if (this.#options.state.appliedIndex === 0) this.#refuseForNow()',
    'if (this.#options.state.appliedIndex === 0) return',
  ),
  storage(
    'snapshots.ts',
    'a file that is gone is read, and stops the leader',
    'return files.has(snapshot) ? files.read(snapshot, offset, chunkBytes) : null',
    'return files.read(snapshot, offset, chunkBytes)',
  ),
  storage(
    'snapshots.ts',
    'copies are made for a damaged one though nothing is new',
    'return isDamaged && state.appliedIndex > (this.newest?.index ?? 0)',
    'return isDamaged',
  ),
  storage(
    'snapshots.ts',
    'a file that is gone is offered to others',
    'log.snapshots.filter((snapshot) => files.has(snapshot))',
    'log.snapshots',
  ),
  storage(
    'snapshot-files.ts',
    'one that is being checked is thrown away for a newer one of our own',
    'indexOf(name) < newest && !isComing',
    'indexOf(name) < newest && (!isComing || newest > 0)',
  ),
  storage(
    'snapshot-files.ts',
    'what has come is not compared with its hash',
    'const isWhole = (await hashOf(part)) === snapshot.hash',
    'const isWhole = true',
  ),
  storage(
    'snapshot-files.ts',
    'a state is made of a damaged snapshot',
    'hashSync(this.path(snapshot), snapshot.bytes) === snapshot.hash',
    'snapshot.bytes > 0',
  ),
  storage(
    'snapshot-files.ts',
    'what a failed copy has left stays on the full disk',
    'rmSync(taking, { recursive: true, force: true })\n    }\n',
    '}\n',
  ),
]

const cutBugs: readonly Mutant[] = [
  storage(
    'log-store.ts',
    'one entry too many is swept',
    'Math.min(this.base.index + 1, this.#lowestRow + sweptRowsMax)',
    'Math.min(this.base.index + 2, this.#lowestRow + sweptRowsMax)',
  ),
  storage(
    'log-store.ts',
    'what a snapshot does not stand for stays in the log it replaces',
    'this.#truncate(index + 1)\n',
    '',
  ),
  storage(
    'log-store.ts',
    'the members before the newest snapshot are forgotten',
    'withSnapshot(memberships, snapshots.at(-1) ?? null)',
    'withSnapshot(memberships, snapshots[0] ?? null)',
  ),
  storage(
    'state-origin.ts',
    'the state that was installed is not the one that the next start trusts',
    'log.install(snapshot, opened.stateMark)',
    'log.install(snapshot, stateMark)',
  ),
]

const installBugs: readonly Mutant[] = [
  raft(
    'raft.ts',
    'a leader lets a snapshot take the place of its log',
    'if (this.isLeader) return false\n    if (stateLost)',
    'if (stateLost)',
  ),
  raft(
    'follower.ts',
    'a snapshot takes the place of entries that are acknowledged',
    'if (!stateLost && log.holds(index, snapshot.term)) {',
    'if (!stateLost && index <= this.#server.commitIndex) {',
  ),
  raft(
    'server.ts',
    'the members of a snapshot are not taken over',
    'this.membership.restore(membership)',
    '',
  ),
  storage(
    'watchers.ts',
    'a watch jumps over what a snapshot stands for',
    'if (watcher.live && watcher.nextRevision <= this.#state.revision) this.#endCompacted(watcher)',
    'if (watcher.live && watcher.nextRevision < 0) this.#endCompacted(watcher)',
  ),
  storage(
    'restoring.ts',
    'who watches hears nothing of it that a wrong state was lost',
    'if (this.#wasWrong) watchers.endDamaged()',
    '',
  ),
  storage(
    'reader.ts',
    'a state that is gone again is opened, and ends the process',
    "if (this.#isClosed || !existsSync(join(path, 'data.mdb'))) return false",
    'if (this.#isClosed) return false',
  ),
  storage(
    'restoring.ts',
    'main goes on to read the state that was replaced',
    "this.#around.network.post({ type: 'stateReplaced', generation })",
    'if (generation < 0) return',
  ),
  storage(
    'storage.ts',
    'a write that is in the snapshot waits for ever',
    'this.#refuse(batch, answerLost())',
    'void batch',
  ),
]

const sendingBugs: readonly Mutant[] = [
  raft(
    'replication.ts',
    'a leader sends the entry its log begins behind',
    'if (progress.nextIndex <= log.base.index) {',
    'if (progress.nextIndex < log.base.index) {',
  ),
  raft(
    'progress.ts',
    'a chunk that was lost is never sent again',
    'if (this.#ticksChunkUnanswered >= ticksMax) this.#chunkIsSent = false',
    '',
  ),
  raft(
    'progress.ts',
    'the log is kept for ever for a receiver that is gone',
    'if (this.#ticksStalled <= patience) return',
    'if (patience > 0) return',
  ),
  raft(
    'progress.ts',
    'the log is not kept for one that has just been installed',
    'if (!this.sendsSnapshot && this.matchIndex >= newestIndex) this.snapshot = null',
    'if (!this.sendsSnapshot && newestIndex >= 0) this.snapshot = null',
  ),
  raft(
    'progress.ts',
    'the acknowledgement of an entry ends the snapshot for one that has lost its state',
    "return mode === 'snapshot' ? this.matchIndex >= snapshot.index : matchIndex === snapshot.index",
    "return mode !== 'probe' && this.matchIndex >= snapshot.index",
  ),
  raft(
    'progress.ts',
    'one that has lost its state gets no entries while a snapshot comes, though it may be needed for commits',
    'if (this.matchIndex < snapshot.index) {',
    'if (snapshot.index > 0) {',
  ),
  raft(
    'transfer.ts',
    'leadership is handed to one that has lost its state',
    "progress.mode === 'replicate' && !progress.sendsSnapshot && isClose",
    "progress.mode === 'replicate' && isClose",
  ),
  raft(
    'replication.ts',
    'a snapshot whose file is gone is not looked at',
    'snapshots.suspect(snapshot)\n        this.#beginSnapshot(progress)\n        continue',
    'continue',
  ),
  raft(
    'progress.ts',
    'a receiver may hold more than there is',
    'if (heldBytes > snapshot.bytes) return true',
    '',
  ),
  raft(
    'progress.ts',
    'a damaged snapshot is sent again and again',
    'if (heldBytes === 0 && this.#sentBytes === snapshot.bytes) return false',
    '',
  ),
]

export const snapshotBugs: readonly Mutant[] = [
  ...keptBugs,
  ...cutBugs,
  ...installBugs,
  ...sendingBugs,
]
