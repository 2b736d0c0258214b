/**
 * The log environment: what a server must not forget. Term, vote, identity and entries, each change of
 * them one durable transaction. Entries are stored as the records that travel the wire (codec/record.ts).
 *
 * Any error here ends the node: after a failed sync nobody knows what the disk holds, and trying again
 * would be told it is fine (fsyncgate).
 *
 * The log is cut in one step and emptied in many: a snapshot moves `base`, and from then on what lies below
 * is no part of the log, though its rows go little by little, with the writes of later turns.
 */
import { CorruptRecord, decodeRecord, recordsOf } from '../codec/record.ts'
import { SkiffError } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import type { LogReader } from '../raft/log.ts'
import { decodeConfiguration, type MembershipAt, withSnapshot } from '../raft/membership.ts'
import type { LogWrite } from '../raft/turn.ts'
import type {
  Entry,
  HardState,
  Index,
  LogPosition,
  NodeId,
  SnapshotMark,
  Term,
} from '../raft/types.ts'
import { type Environment, keyNumber, logRemedy, numberKey, type Table } from './environment.ts'
import { onDisk } from './failure.ts'

/** What a data directory knows of itself. */
export interface Identity {
  readonly nodeId: NodeId
  /** `null` until the node has founded or entered a cluster. */
  readonly clusterId: string | null
  /** `host:port` it listens at; `null` before its first start. */
  readonly address: string | null
  /** Starts from this directory so far; the high part of the incarnation. */
  readonly starts: number
  /** The incarnations of the newest of them, this one last (lineage.ts). */
  readonly lineage: readonly number[]
  /** Why the cluster takes this for a copy of another directory; it is not started any more. */
  readonly disowned: string | null
}

/** How the state environment was left. It is trusted under the same boot, or after a clean close. */
export interface StateMark {
  readonly bootId: string
  readonly clean: boolean
  /** It is none, and cannot be made of what is here: it is to come from the leader. */
  readonly lost: boolean
  /** Starts since its rows were last found to be those that were written. */
  readonly unproven: number
  /** Which of the directories it may be in; raised whenever a snapshot takes its place. */
  readonly generation: number
}

/** What stands for the part of the log that is gone. */
interface Cut {
  readonly base: LogPosition
  /** Newest first. The log reaches back to the oldest of them. */
  readonly snapshots: readonly SnapshotMark[]
}

const whole: Cut = { base: { index: 0, term: 0 }, snapshots: [] }

/** Rows below the base that a write removes on the way. More than one comes in with each, so that it ends. */
const sweptRowsMax = 512

/** Nodes whose incarnations are remembered: many times the members, for all that are replaced over the years. */
const metMax = 256

const hardStateKey = Buffer.from('hardState')
const identityKey = Buffer.from('identity')
const metKey = Buffer.from('met')
const stateMarkKey = Buffer.from('stateMark')
const cutKey = Buffer.from('cut')
const formatKey = Buffer.from('format')
const format = Buffer.from('skiff-log-1')

export class LogStore implements LogReader {
  readonly #environment: Environment
  readonly #meta: Table
  readonly #log: Table
  #cut: Cut = whole
  #lastIndex: Index = 0
  /** The lowest row there may be; below the base until all of that is swept. */
  #lowestRow: Index = 1

  private constructor(environment: Environment) {
    this.#environment = environment
    this.#meta = environment.openTable('meta')
    this.#log = environment.openTable('log')
  }

  /**
   * Takes over the environment and verifies every entry; `path` says where, should one be corrupt.
   * @throws SkiffError `SKIFF_STORAGE` that names the entry that is corrupt
   */
  static open(
    environment: Environment,
    path: string,
  ): { store: LogStore; memberships: readonly MembershipAt[] } {
    const store = new LogStore(environment)
    try {
      store.#checkFormat(path)
      store.#cut = store.#read<Cut>(cutKey) ?? whole
      return { store, memberships: store.#verify(path) }
    } catch (error) {
      void store.close()
      throw error
    }
  }

  get lastIndex(): Index {
    return this.#lastIndex
  }

  get base(): LogPosition {
    return this.#cut.base
  }

  /** Newest first. */
  get snapshots(): readonly SnapshotMark[] {
    return this.#cut.snapshots
  }

  get hardState(): HardState {
    return this.#read<HardState>(hardStateKey) ?? { term: 0, votedFor: null }
  }

  get identity(): Identity | null {
    return this.#read<Identity>(identityKey)
  }

  get stateMark(): StateMark | null {
    return this.#read<StateMark>(stateMarkKey)
  }

  /** The newest incarnation of each other node that was let in here, least lately met first. */
  get met(): ReadonlyMap<NodeId, number> {
    return new Map(this.#read<[NodeId, number][]>(metKey) ?? [])
  }

  /** Remembers that this incarnation was let in. */
  meet(node: NodeId, incarnation: number): void {
    const others = [...this.met].filter(([id]) => id !== node)
    this.#saveMeta(metKey, [...others.slice(1 - metMax), [node, incarnation]])
  }

  saveIdentity(identity: Identity): void {
    this.#saveMeta(identityKey, identity)
  }

  saveStateMark(mark: StateMark): void {
    this.#saveMeta(stateMarkKey, mark)
  }

  /** A snapshot is on the disk, and the log begins behind `base`. */
  recordSnapshots(snapshots: readonly SnapshotMark[], base: LogPosition): void {
    assert(
      base.index >= this.base.index && base.index <= (snapshots.at(-1)?.index ?? 0),
      `cut behind ${base.index}, from ${this.base.index}, without a snapshot of it`,
    )
    const cut: Cut = { base, snapshots }
    this.#transaction(() => this.#putMeta(cutKey, cut))
    this.#cut = cut
  }

  /** A snapshot takes the place of the state, and of the snapshots there were; the log holds its last entry. */
  adopt(snapshot: SnapshotMark, state: StateMark): void {
    const { base } = this
    assert(snapshot.index >= base.index, `snapshot ${snapshot.index}, cut behind ${base.index}`)
    const cut: Cut = { base, snapshots: [snapshot] }
    this.#transaction(() => {
      this.#putMeta(cutKey, cut)
      this.#putMeta(stateMarkKey, state)
    })
    this.#cut = cut
  }

  /** A snapshot takes the place of the whole log, and of the state, which is made from it anew. */
  install(snapshot: SnapshotMark, state: StateMark): void {
    const { index, term } = snapshot
    const cut: Cut = { base: { index, term }, snapshots: [snapshot] }
    this.#transaction(() => {
      this.#putMeta(cutKey, cut)
      this.#putMeta(stateMarkKey, state)
      this.#truncate(index + 1)
    })
    this.#cut = cut
    this.#lastIndex = index
  }

  /** A new log begins behind a snapshot, for a node that has yet to found its cluster. */
  beginBehind(snapshot: SnapshotMark, identity: Identity, state: StateMark): void {
    assert(this.identity === null && this.#lastIndex === 0, 'only a new log can begin anywhere')
    const { index, term } = snapshot
    const cut: Cut = { base: { index, term }, snapshots: [snapshot] }
    this.#transaction(() => {
      this.#putMeta(identityKey, identity)
      this.#putMeta(hardStateKey, { term, votedFor: null } satisfies HardState)
      this.#putMeta(cutKey, cut)
      this.#putMeta(stateMarkKey, state)
    })
    this.#cut = cut
    this.#lastIndex = index
  }

  /**
   * Founds a cluster: its id and its first entry, both or neither. A snapshot behind which it begins knows no
   * members, and is told.
   */
  bootstrap(identity: Identity, first: Entry, block: Uint8Array): void {
    const { base, snapshots } = this.#cut
    const isNew = this.#lastIndex === base.index && first.index === base.index + 1
    assert(isNew, 'only an empty log can found a cluster')
    const membership = { index: base.index, ...decodeConfiguration(first.bytes) }
    const cut = { base, snapshots: snapshots.map((each) => ({ ...each, membership })) }
    this.#transaction(() => {
      this.#putMeta(identityKey, identity)
      this.#putMeta(hardStateKey, { term: first.term, votedFor: null } satisfies HardState)
      if (snapshots.length > 0) this.#putMeta(cutKey, cut)
      this.#putRecords([first], block)
    })
    this.#cut = cut
    this.#lastIndex = first.index
  }

  /**
   * One durable transaction: it is on the disk when this returns. `block` holds the entries as records,
   * back to back.
   */
  write({ hardState, truncateFrom, entries }: LogWrite, block: Uint8Array): void {
    if (hardState === null && truncateFrom === null && entries.length === 0) return
    const end = truncateFrom ?? this.#lastIndex + 1
    const next = entries[0]?.index ?? end
    assert(end <= this.#lastIndex + 1, `truncate ${end}, the log ends at ${this.#lastIndex}`)
    assert(next === end, `gap: ${next} written at ${end}`)
    const lastIndex =
      entries.at(-1)?.index ?? (truncateFrom === null ? this.#lastIndex : truncateFrom - 1)
    this.#transaction(() => {
      if (hardState !== null) this.#putMeta(hardStateKey, hardState)
      if (truncateFrom !== null) this.#truncate(truncateFrom)
      if (entries.length > 0) this.#putRecords(entries, block)
      this.#sweep()
    })
    this.#lastIndex = lastIndex
  }

  term(index: Index): Term {
    return this.#entry(index).term
  }

  /** `null`: not in the log, nor its base. */
  termAt(index: Index): Term | null {
    const { base } = this
    if (index === base.index) return base.term
    return index < base.index || index > this.#lastIndex ? null : this.term(index)
  }

  /** Of the records behind an entry, up to another. */
  bytesBetween(index: Index, lastIndex: Index): number {
    let bytes = 0
    const rows = { start: numberKey(index + 1), end: numberKey(lastIndex + 1) }
    for (const { value } of this.#log.getRange(rows)) bytes += value.length
    return bytes
  }

  entries(from: Index, entriesMax: number, bytesMax: number): readonly Entry[] {
    const entries: Entry[] = []
    let bytes = 0
    for (let index = from; index <= this.#lastIndex && entries.length < entriesMax; index++) {
      const entry = this.#entry(index)
      bytes += entry.bytes.length
      if (bytes > bytesMax && entries.length > 0) break
      entries.push(entry)
    }
    return entries
  }

  async close(): Promise<void> {
    await this.#environment.close()
  }

  #checkFormat(path: string): void {
    const found = this.#meta.get(formatKey)
    if (found === undefined) {
      this.#transaction(() => this.#meta.putSync(formatKey, format))
    } else if (!found.equals(format)) {
      throw new SkiffError(
        'SKIFF_CONFIG',
        'not-applied',
        `${path} has the unknown format ${found.toString()}`,
      )
    }
  }

  /** Reads the log from end to end; a server with a damaged log must neither vote nor acknowledge. */
  #verify(path: string): readonly MembershipAt[] {
    const { base, snapshots } = this.#cut
    const memberships: MembershipAt[] = []
    let lastTerm: Term = base.term
    this.#lastIndex = base.index
    this.#lowestRow = this.#findLowestRow()
    for (const { key, value } of this.#log.getRange({
      start: numberKey(base.index + 1),
      end: numberKey(2 ** 53 - 1),
    })) {
      const index = this.#lastIndex + 1
      const entry = this.#decode(value, index, path)
      const stored = Buffer.from(key).equals(numberKey(index))
      if (!stored || entry.term < lastTerm) throw corrupt(path, index, 'it is out of order')
      if (entry.type === 'membership')
        memberships.push({ index, ...decodeConfiguration(entry.bytes) })
      lastTerm = entry.term
      this.#lastIndex = index
    }
    return withSnapshot(memberships, snapshots.at(-1) ?? null)
  }

  #findLowestRow(): Index {
    const all = { start: numberKey(0), end: numberKey(2 ** 53 - 1), limit: 1 }
    for (const key of this.#log.getKeys(all)) return keyNumber(key)
    return this.base.index + 1
  }

  /** Some of the rows that are no part of the log any more. */
  #sweep(): void {
    const end = Math.min(this.base.index + 1, this.#lowestRow + sweptRowsMax)
    for (; this.#lowestRow < end; this.#lowestRow++)
      this.#log.removeSync(numberKey(this.#lowestRow))
  }

  #decode(record: Uint8Array, index: Index, path: string): Entry {
    try {
      const entry = decodeRecord(record)
      if (entry.index !== index) throw corrupt(path, index, `it holds entry ${entry.index}`)
      return entry
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error
      throw corrupt(path, index, error.message)
    }
  }

  #entry(index: Index): Entry {
    const record = this.#log.get(numberKey(index))
    assert(
      record !== undefined,
      `entry ${index} is not in the log (${this.base.index + 1} to ${this.#lastIndex})`,
    )
    return this.#decode(record, index, 'the log')
  }

  #truncate(from: Index): void {
    for (let index = from; index <= this.#lastIndex; index++) this.#log.removeSync(numberKey(index))
  }

  #putRecords(entries: readonly Entry[], block: Uint8Array): void {
    const records = recordsOf(block)
    assert(
      records.length === entries.length,
      `${records.length} records for ${entries.length} entries`,
    )
    for (const [n, entry] of entries.entries()) {
      const record = records[n]
      assert(record !== undefined, `no record for entry ${entry.index}`)
      const stored = this.#log.appendSync(numberKey(entry.index), record)
      assert(stored, `entry ${entry.index} is not behind the end of the log`)
    }
  }

  #read<T>(key: Buffer): T | null {
    const bytes = this.#meta.get(key)
    return bytes === undefined ? null : (JSON.parse(bytes.toString()) as T)
  }

  #putMeta(key: Buffer, value: object): void {
    this.#meta.putSync(key, Buffer.from(JSON.stringify(value)))
  }

  #saveMeta(key: Buffer, value: object): void {
    this.#transaction(() => this.#putMeta(key, value))
  }

  #transaction(change: () => void): void {
    onDisk('writing the log', () => this.#environment.transactionSync(change))
  }
}

function corrupt(path: string, index: Index, reason: string): SkiffError {
  return new SkiffError(
    'SKIFF_STORAGE',
    'not-applied',
    `log entry ${index} in ${path} is corrupt: ${reason}. ${logRemedy}`,
  )
}
