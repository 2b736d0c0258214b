/** What takes and keeps snapshots, over a real log and state in memory, with files in the hands of the test. */
import assert from 'node:assert/strict'
import { packEntries, recordBytes } from '../../src/codec/record.ts'
import { noMembership } from '../../src/raft/membership.ts'
import type { SnapshotMark } from '../../src/raft/types.ts'
import { LogStore } from '../../src/storage/log-store.ts'
import { type SnapshotFiles, Snapshots, type TakenSnapshot } from '../../src/storage/snapshots.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { type Hooks, MemoryFile } from '../simulation/memory.ts'
import { batchEntry } from '../support/batches.ts'

export function nothing(): void {}
const quiet: Hooks = { begin: nothing, commit: nothing, done: nothing }
const membership = { ...noMembership, index: 1 }
export const entryBytes: number = recordBytes(batchEntry(1, [['put', 'k', 'x'.repeat(100)]]))

export function markOf(index: number, bytes = 100): SnapshotMark {
  return { index, term: 1, membership, bytes, hash: `${index}`.padStart(64, '0') }
}

/** Files in the hands of the test. */
export class Files implements SnapshotFiles {
  freeBytes: number = Number.POSITIVE_INFINITY
  readonly lost: Set<number> = new Set()
  /** Indexes of what was to be kept, the last time. */
  kept: readonly number[] = []
  held = 0
  taken: ((taken: TakenSnapshot | Error) => void) | null = null
  completed: ((isWhole: boolean | Error) => void) | null = null
  checked: ((isWhole: boolean | Error) => void) | null = null

  take(_: unknown, done: (taken: TakenSnapshot | Error) => void): void {
    assert.equal(this.taken, null, 'two at once')
    this.taken = done
  }

  hasRoom(bytes: number): boolean {
    return this.freeBytes > bytes
  }

  has({ index }: SnapshotMark): boolean {
    return !this.lost.has(index)
  }

  check(_: SnapshotMark, done: (isWhole: boolean | Error) => void): void {
    this.checked = done
  }

  read(): Uint8Array {
    return new Uint8Array(0)
  }

  receive(_: SnapshotMark, offset: number, chunk: Uint8Array): number {
    if (offset === this.held) this.held += chunk.length
    return this.held
  }

  complete(_: SnapshotMark, done: (isWhole: boolean | Error) => void): void {
    this.completed = done
  }

  restore(): boolean {
    return true
  }

  keep(snapshots: readonly SnapshotMark[]): void {
    this.kept = snapshots.map(({ index }) => index)
  }
}

export class SnapshotStage {
  readonly files: Files
  readonly log: LogStore
  readonly state: StateMachine = new StateMachine(new MemoryFile().open(quiet))
  readonly #logFile: MemoryFile
  snapshots: Snapshots
  inUse: readonly SnapshotMark[] = []
  wakes = 0

  constructor(files: Files = new Files(), logFile: MemoryFile = new MemoryFile()) {
    this.files = files
    this.#logFile = logFile
    this.log = LogStore.open(logFile.open(quiet), 'memory').store
    this.snapshots = this.open()
  }

  /** As another start would. */
  open(): Snapshots {
    this.snapshots = new Snapshots({
      ...{ files: this.files, log: this.log, state: this.state, chunkBytes: 64 },
      logBytes: 10 * entryBytes,
      wake: () => this.wakes++,
    })
    return this.snapshots
  }

  again(): SnapshotStage {
    return new SnapshotStage(this.files, this.#logFile)
  }

  write(count: number): void {
    for (let n = 0; n < count; n++) {
      const index = this.log.lastIndex + 1
      const entry = batchEntry(index, [['put', 'k', 'x'.repeat(100)]])
      const write = { hardState: null, truncateFrom: null, entries: [entry] }
      this.log.write(write, packEntries([entry]))
      this.state.apply([entry], null, this.log.base.index + 1)
      this.snapshots.applied(recordBytes(entry))
    }
  }

  pump(): void {
    this.snapshots.pump(this.inUse)
  }

  get isTaking(): boolean {
    return this.files.taken !== null
  }

  /** The copy under way has become a snapshot of the state as it is. */
  finish(outcome: Error | { bytes: number } = { bytes: 100 }): void {
    const { taken } = this.files
    assert.ok(taken !== null, 'none is being taken')
    this.files.taken = null
    const { hash } = markOf(this.state.appliedIndex)
    const mark = { index: this.state.appliedIndex, membership, hash }
    taken(outcome instanceof Error ? outcome : { mark: { ...mark, ...outcome } })
    this.pump()
  }

  /** Writes as much as makes one due, and has it taken. */
  takeAnother(bytes = 100): void {
    this.write(11)
    this.pump()
    this.finish({ bytes })
  }

  get indexes(): readonly number[] {
    return this.log.snapshots.map(({ index }) => index)
  }
}
