/**
 * An LMDB environment in memory: sorted tables, transactions of which all is there or nothing, and buffers
 * that are only lent. What is in the file outlives the process that had it open; what a fault makes of a
 * transaction is for the {@link Hooks} of whoever has it open to say.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../../src/raft/assert.ts'
import type { Environment, KeyRange, Table } from '../../src/storage/environment.ts'

/** What a transaction did to one key. */
export interface Write {
  readonly table: string
  readonly key: Buffer
  /** `null`: removed. */
  readonly value: Buffer | null
}

/** Called around each transaction; whatever throws is a fault. */
export interface Hooks {
  /** Nothing is done yet. */
  begin(): void
  /** Thrown from here, nothing of it stays. */
  commit(writes: readonly Write[]): void
  /** All of it stays, but the process may not live to hear of it. */
  done(): void
}

interface Undo {
  readonly table: Rows
  readonly name: string
  readonly key: string
  readonly before: Buffer | undefined
}

/** One table: rows in the order of their keys, and a sum of hashes over them. */
class Rows {
  readonly keys: string[] = []
  readonly values: Map<string, Buffer> = new Map()
  hash = 0

  set(key: string, value: Buffer | undefined): Buffer | undefined {
    const before = this.values.get(key)
    if (before !== undefined) this.hash = (this.hash - hashOf(key, before)) | 0
    if (value === undefined) this.#remove(key, before)
    else this.#put(key, value, before)
    return before
  }

  /** Of the first key that is not below. */
  place(key: string): number {
    let low = 0
    let high = this.keys.length
    // Most writes to sorted tables are appends.
    if (high > 0 && (this.keys[high - 1] ?? '') < key) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.keys[middle] ?? '') < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #put(key: string, value: Buffer, before: Buffer | undefined): void {
    this.hash = (this.hash + hashOf(key, value)) | 0
    if (before === undefined) this.keys.splice(this.place(key), 0, key)
    this.values.set(key, value)
  }

  #remove(key: string, before: Buffer | undefined): void {
    if (before === undefined) return
    this.keys.splice(this.place(key), 1)
    this.values.delete(key)
  }
}

/** What lies on the disk. */
export class MemoryFile {
  #tables = new Map<string, Rows>()

  open(hooks: Hooks): MemoryEnvironment {
    return new MemoryEnvironment((name) => this.#rows(name), hooks)
  }

  /** Of all rows of these tables. */
  hash(names: readonly string[]): number {
    return names.reduce((sum, name) => (Math.imul(sum, 31) + this.#rows(name).hash) | 0, 0)
  }

  clear(): void {
    this.#tables = new Map()
  }

  /** All that is in it, as one run of bytes. */
  dump(): Buffer {
    const tables = [...this.#tables].map(([name, { keys, values }]) => [
      name,
      keys.map((key) => [key, values.get(key)?.toString('latin1') ?? '']),
    ])
    return Buffer.from(JSON.stringify(tables))
  }

  /** In the place of what was in it. */
  load(dump: Buffer): void {
    this.clear()
    const tables = JSON.parse(dump.toString()) as [string, [string, string][]][]
    for (const [name, rows] of tables)
      for (const [key, value] of rows) this.#rows(name).set(key, Buffer.from(value, 'latin1'))
  }

  /** A value, by a key of which each byte is a character. */
  value(table: string, key: string): Buffer | undefined {
    return this.#rows(table).values.get(key)
  }

  /** As a power loss leaves a file that was never synced: `keep` says which pages made it. */
  damage(keep: () => boolean): void {
    for (const rows of this.#tables.values())
      for (const key of [...rows.keys]) if (!keep()) rows.set(key, undefined)
  }

  #rows(name: string): Rows {
    let rows = this.#tables.get(name)
    if (rows === undefined) {
      rows = new Rows()
      this.#tables.set(name, rows)
    }
    return rows
  }
}

/** A file as one process has it open. */
export class MemoryEnvironment implements Environment {
  readonly #rows: (name: string) => Rows
  readonly #hooks: Hooks
  #open = true
  #undo: Undo[] | null = null

  constructor(rows: (name: string) => Rows, hooks: Hooks) {
    this.#rows = rows
    this.#hooks = hooks
  }

  transactionSync<T>(change: () => T): T {
    assert(this.#open && this.#undo === null, 'a transaction within another, or after the end')
    this.#hooks.begin()
    this.#undo = []
    try {
      const result = change()
      this.#hooks.commit(this.#undo.map(writeOf))
      this.#undo = null
      this.#hooks.done()
      return result
    } catch (error) {
      this.#rollBack()
      throw error
    }
  }

  /** Copied by who has the disk (snapshots.ts). */
  backup(): never {
    throw new Error('an environment in memory has no directory to be copied into')
  }

  usedBytes(): number {
    return 0
  }

  openTable(name: string): Table {
    return new MemoryTable(this, this.#rows(name), name)
  }

  close(): Promise<void> {
    this.#open = false
    return Promise.resolve()
  }

  checkOpen(): void {
    assert(this.#open, 'used after its end')
  }

  set(table: Rows, name: string, key: string, value: Buffer | undefined): boolean {
    assert(this.#undo !== null, 'a write outside of a transaction')
    const before = table.set(key, value)
    this.#undo.push({ table, name, key, before })
    return before !== undefined
  }

  #rollBack(): void {
    const undo = this.#undo ?? []
    this.#undo = null
    for (const { table, key, before } of undo.reverse()) table.set(key, before)
  }
}

/** Of the buffer that a table lends, at first; it grows with the values. */
const lentBytes = 256

class MemoryTable implements Table {
  readonly #environment: MemoryEnvironment
  readonly #rows: Rows
  readonly #name: string
  /** As lmdb does it: one buffer for all, whose `length` is set to what it holds. */
  #lent = Buffer.alloc(lentBytes)
  #lentLength = 0

  constructor(environment: MemoryEnvironment, rows: Rows, name: string) {
    this.#environment = environment
    this.#rows = rows
    this.#name = name
  }

  get(key: Buffer): Buffer | undefined {
    const value = this.#find(key)
    return value === undefined ? undefined : Buffer.from(value)
  }

  getBinaryFast(key: Buffer): Buffer | undefined {
    const value = this.#find(key)
    if (value === undefined) return undefined
    // Whoever kept the last one reads nonsense from now on.
    this.#lent.fill(0xdd, 0, this.#lentLength)
    if (value.length > this.#lent.byteLength) this.#lent = Buffer.alloc(2 * value.length)
    this.#lent.set(value)
    this.#lentLength = value.length
    const definition = { value: value.length, writable: true, configurable: true }
    return Object.defineProperty(this.#lent, 'length', definition)
  }

  putSync(key: Buffer, value: Uint8Array): boolean {
    this.#environment.set(this.#rows, this.#name, text(key), Buffer.from(value))
    return true
  }

  removeSync(key: Buffer): boolean {
    return this.#environment.set(this.#rows, this.#name, text(key), undefined)
  }

  appendSync(key: Buffer, value: Uint8Array): boolean {
    const last = this.#rows.keys.at(-1)
    if (last !== undefined && last >= text(key)) return false
    return this.putSync(key, value)
  }

  *getKeys(range: KeyRange): Iterable<Buffer> {
    for (const { key } of this.getRange(range)) yield key
  }

  *getRange(range: KeyRange): Iterable<{ key: Buffer; value: Buffer }> {
    this.#environment.checkOpen()
    const limit = range.limit ?? Number.POSITIVE_INFINITY
    const names = this.#within(range)
    if (range.reverse === true) names.reverse()
    for (const name of names.slice(0, limit)) {
      const value = this.#rows.values.get(name)
      if (value !== undefined) yield { key: Buffer.from(name, 'latin1'), value: Buffer.from(value) }
    }
  }

  #within({ start, end, reverse, inclusiveEnd, exclusiveStart }: KeyRange): string[] {
    const keys = this.#rows.keys
    const [low, high] = reverse === true ? [end, start] : [start, end]
    const lowKept = reverse === true ? inclusiveEnd === true : exclusiveStart !== true
    const highKept = reverse === true ? exclusiveStart !== true : inclusiveEnd === true
    const from = low === undefined ? 0 : this.#place(low, !lowKept)
    return keys.slice(from, high === undefined ? keys.length : this.#place(high, highKept))
  }

  #place(key: Buffer, behind: boolean): number {
    const name = text(key)
    const at = this.#rows.place(name)
    return behind && this.#rows.keys[at] === name ? at + 1 : at
  }

  #find(key: Buffer): Buffer | undefined {
    this.#environment.checkOpen()
    return this.#rows.values.get(text(key))
  }
}

function writeOf({ table, name, key }: Undo): Write {
  return { table: name, key: Buffer.from(key, 'latin1'), value: table.values.get(key) ?? null }
}

/** One byte, one character: the order of such strings is the order of the bytes. */
function text(key: Buffer): string {
  return key.toString('latin1')
}

function hashOf(key: string, value: Buffer): number {
  return crc32(value, crc32(key))
}
