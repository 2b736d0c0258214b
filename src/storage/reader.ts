/**
 * Reads of the local state, on the main thread: through LMDB's map, without a hop. Whether the state is
 * recent enough is for the caller to know (client/reads.ts).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { keyBytesMax } from '../options.ts'
import { assert } from '../raft/assert.ts'
import { openStateReadOnly, type ReadEnvironment } from './environment.ts'
import {
  type KeyRecord,
  openStateTables,
  prefixEnd,
  readKeyRecord,
  type StateTables,
} from './layout.ts'

export interface RangeBounds {
  /** First key, included. */
  readonly from: Buffer
  /** End, not included; `null`: the end of the store. */
  readonly to: Buffer | null
  readonly reverse: boolean
}

export interface ReadRecord extends KeyRecord {
  readonly key: string
}

export interface Page {
  readonly records: readonly ReadRecord[]
  /** Nothing of the range is behind it. */
  readonly isLast: boolean
}

/** The first key there may be; LMDB has no empty keys. */
const lowest = Buffer.from([0])
/** Above every key there may be: as long as LMDB allows. */
const highest = Buffer.alloc(1978, 0xff)

export class StateReader {
  #opened: OpenedState
  #isClosed = false

  constructor(path: string) {
    this.#opened = new OpenedState(path)
  }

  /**
   * Reads from here on; snapshots of what was read before stay what they are. False: it is gone. Where two states are
   * replaced while this thread is busy, it hears of the first when there is only the second; to open that would throw.
   */
  replace(path: string): boolean {
    if (this.#isClosed || !existsSync(join(path, 'data.mdb'))) return false
    const before = this.#opened
    this.#opened = new OpenedState(path)
    void before.close()
    return true
  }

  /** Lets the next read see what other threads have committed; without it a read may be a turn old. */
  refresh(): void {
    this.#opened.environment.resetReadTxn()
  }

  /** The record's value is valid until the next read. */
  get(key: Buffer): KeyRecord | null {
    const bytes = this.#opened.tables.kv.getBinaryFast(key)
    return bytes === undefined ? null : readKeyRecord(bytes)
  }

  keys(prefix: Buffer): string[] {
    const { from, to } = prefixBounds(prefix)
    const keys: string[] = []
    for (const key of this.#opened.tables.kv.getKeys(lmdbRange({ from, to, reverse: false })))
      keys.push(key.toString())
    return keys
  }

  prefixes(): string[] {
    const namespaces: string[] = []
    for (const key of this.#opened.tables.prefixes.getKeys({ start: lowest }))
      namespaces.push(key.subarray(1).toString())
    return namespaces
  }

  /** One consistent snapshot, until it is closed. It pins the pages it sees: close it soon. */
  snapshot(): Snapshot {
    return new Snapshot(this.#opened)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opened.close()
  }
}

/** One environment, open for as long as somebody reads from it. */
class OpenedState {
  readonly environment: ReadEnvironment
  readonly tables: StateTables
  #snapshots = 0
  #closing: (() => void) | null = null

  constructor(path: string) {
    this.environment = openStateReadOnly(path)
    this.tables = openStateTables(this.environment)
  }

  begin(): ReturnType<ReadEnvironment['useReadTransaction']> {
    this.#snapshots++
    return this.environment.useReadTransaction()
  }

  end(): void {
    this.#snapshots--
    if (this.#snapshots === 0) this.#closing?.()
  }

  /** Once its snapshots are closed. */
  async close(): Promise<void> {
    if (this.#snapshots > 0) await new Promise<void>((resolve) => (this.#closing = resolve))
    await this.environment.close()
  }
}

export class Snapshot {
  readonly #opened: OpenedState
  readonly #transaction: ReturnType<ReadEnvironment['useReadTransaction']>
  #open = true

  constructor(opened: OpenedState) {
    this.#opened = opened
    this.#transaction = opened.begin()
  }

  /**
   * The first records of the range, `limit` at most, and no more once their values have `bytesMax` bytes.
   * They own their bytes.
   */
  page(bounds: RangeBounds, limit: number, bytesMax: number): Page {
    assert(this.#open, 'a page of a closed snapshot')
    const range = { ...lmdbRange(bounds), limit, transaction: this.#transaction }
    const records: ReadRecord[] = []
    let bytes = 0
    for (const { key, value } of this.#opened.tables.kv.getRange(range)) {
      records.push({ ...readKeyRecord(value), key: key.toString() })
      bytes += value.length
      if (bytes >= bytesMax) return { records, isLast: false }
    }
    return { records, isLast: records.length < limit }
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#transaction.done()
    this.#opened.end()
  }
}

export function prefixBounds(prefix: Buffer): { from: Buffer; to: Buffer | null } {
  // Longer than any key, and than any LMDB would look for: an empty range.
  if (prefix.length > keyBytesMax) {
    const from = prefix.subarray(0, keyBytesMax)
    return { from, to: from }
  }
  return { from: prefix, to: prefixEnd(prefix) }
}

/** Explicit bounds at both ends: with binary keys lmdb's defaults are not the lowest and the highest. */
function lmdbRange({ from, to, reverse }: RangeBounds) {
  const first = from.length === 0 ? lowest : from
  const last = to ?? highest
  return reverse
    ? { start: last, end: first, reverse, exclusiveStart: true, inclusiveEnd: true }
    : { start: first, end: last }
}
