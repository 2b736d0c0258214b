/**
 * What storage asks of an embedded database, how LMDB gives it, and how bytes become keys. The simulator
 * gives the same from memory (test/simulation/memory.ts).
 */
import { mkdirSync, realpathSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open, type RootDatabase, type Transaction } from 'lmdb'
import { asBuffer, readUint64, writeUint64 } from '../codec/bytes.ts'
import { SkiffError } from '../errors.ts'
import { batchBytesMax, valueBytesCeiling } from '../options.ts'
import { checkDatabaseFile, usedBytes } from './database-file.ts'
import { withoutLoosePages } from './loose-pages.ts'

export interface Environment {
  /** All of what `change` does to the tables, or, when it throws, nothing. */
  transactionSync<T>(change: () => T): T
  openTable(name: string): Table
  /** Copies it as it is at one moment into this directory; it goes on being written. */
  backup(path: string): Promise<void>
  /** As far as it was ever used; a copy may be smaller. */
  usedBytes(): number
  close(): Promise<void>
}

/** Sorted by the bytes of the keys. Written to only within a transaction. */
export interface Table {
  get(key: Buffer): Buffer | undefined
  /** Without a copy: valid until the next call. */
  getBinaryFast(key: Buffer): Buffer | undefined
  putSync(key: Buffer, value: Buffer): unknown
  removeSync(key: Buffer): unknown
  /**
   * Stores behind the last key, without searching for the place.
   * @returns false where the key is not the highest
   */
  appendSync(key: Buffer, value: Uint8Array): boolean
  getKeys(range: KeyRange): Iterable<Buffer>
  getRange(range: KeyRange): Iterable<{ key: Buffer; value: Buffer }>
}

/** From `start`, included unless excluded, to `end`, excluded unless included; `reverse`: downwards. */
export interface KeyRange {
  readonly start?: Buffer
  readonly end?: Buffer
  readonly reverse?: boolean
  readonly limit?: number
  readonly exclusiveStart?: boolean
  readonly inclusiveEnd?: boolean
  readonly transaction?: Transaction
}

/** As another thread has it open: reads only, each in a transaction that is renewed on demand. */
export interface ReadEnvironment extends Environment {
  resetReadTxn(): void
  useReadTransaction(): Transaction
}

/**
 * Address space for one environment. The log's file grows as it is used; the state's, being written through its
 * map, is a sparse file of this size.
 */
const mapBytes = 2 ** 36
const tablesMax = 8
/** Read transactions at once: every scan holds one, on top of one per thread. */
const readersMax = 512

/** What to do with a log that cannot be read. */
export const logRemedy: string =
  'Remove this server from the cluster, delete its directory and let it join anew'

const common = {
  encoding: 'binary',
  keyEncoding: 'binary',
  noSubdir: false,
  mapSize: mapBytes,
  maxDbs: tablesMax,
  maxReaders: readersMax,
} as const

/**
 * Durable when `transactionSync` returns: data is synced, then the meta page is written through O_DSYNC.
 * `overlappingSync` would make commits visible before they are durable.
 */
export function openLogEnvironment(path: string): Environment {
  checkDatabaseFile(path, logRemedy)
  return environmentOver(path, open({ ...common, path, overlappingSync: false }))
}

/**
 * Survives the death of the process, not the loss of power: no sync at all. What was lost is rebuilt from
 * the log.
 *
 * Written through its map, which takes half the time of random puts (measured: 3.2 instead of 7.6 µs of CPU), with what
 * makes that safe (loose-pages.ts). Otherwise where Windows would make the file as large as the map, and where a trace is
 * to show what is written (test/power-loss).
 */
export function openStateEnvironment(path: string, isMapped: boolean = mapsStates()): Environment {
  checkDatabaseFile(path, `Delete ${path}: the log makes it anew`)
  const mode = { overlappingSync: false, noSync: true, noMemInit: true, useWritemap: isMapped }
  const environment = environmentOver(path, open({ ...common, path, ...mode }))
  return isMapped ? withoutLoosePages(environment) : environment
}

function mapsStates(): boolean {
  return process.platform !== 'win32' && process.env.SKIFF_STATE_UNMAPPED === undefined
}

/** A copy of a state, to look into. */
export function openStateCopy(path: string): Environment {
  return environmentOver(path, open({ ...common, path, readOnly: true }))
}

/**
 * One that another program may have left as it is, at whatever moment; its directory is not written to. For LMDB makes
 * a lock file beside what it opens, it is opened by way of a link in `scratch`, a folder made for it.
 * @throws SkiffError `SKIFF_STORAGE` for what cannot be opened
 */
export function openUntouched(path: string, scratch: string): Environment {
  const file = join(path, 'data.mdb')
  checkDatabaseFile(path, 'It cannot be read')
  // To one that is to be written LMDB makes it; where it must not, it takes the process down.
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0)
    throw new SkiffError('SKIFF_STORAGE', 'not-applied', `${file} is empty, or not there`)
  mkdirSync(scratch)
  symlinkSync(realpathSync(file), join(scratch, 'data.mdb'))
  return environmentOver(path, open({ ...common, path: scratch, readOnly: true }))
}

/** Shares the environment that the storage thread of this process has open. */
export function openStateReadOnly(path: string): ReadEnvironment {
  const mode = { readOnly: true, noSync: true }
  return environmentOver(path, open({ ...common, path, ...mode }))
}

/** What the map of the environment at `path` still takes. */
export function mapFreeBytes(path: string): number {
  return mapBytes - usedBytes(path)
}

/** What the types of lmdb 2.9 hide. */
interface Internals {
  /** Of this thread: room for a value twice as long, which every read is copied to. */
  _allocateGetBuffer(bytes: number): unknown
}

/** No record is longer: a batch that is full but for one byte, and one more command. */
const recordBytesMax = batchBytesMax + valueBytesCeiling + 2 ** 16

/** LMDB's own objects, with what they lack. */
function environmentOver(path: string, opened: RootDatabase<Buffer, Buffer>): ReadEnvironment {
  const root = opened as RootDatabase<Buffer, Buffer> & Internals
  // Where a value does not fit, lmdb gives a view of its map, or of the heap, instead of a copy.
  root._allocateGetBuffer(recordBytesMax / 2)
  const [backup, close] = [root.backup.bind(root), root.close.bind(root)]
  let closing: Promise<void> | null = null
  return Object.assign(root, {
    openTable: (name: string) => openTable(root, name),
    // Never compact: of lmdb 2.9 such a copy is not to be written to, for it counts some pages twice.
    backup: (target: string) => backup(target, false),
    usedBytes: () => usedBytes(path),
    // A second call of lmdb's own throws.
    close: () => {
      closing ??= close()
      return closing
    },
  })
}

function openTable(root: RootDatabase<Buffer, Buffer>, name: string): Table {
  const table: Database<Buffer, Buffer> = root.openDB({
    name,
    encoding: 'binary',
    keyEncoding: 'binary',
  })
  const appendSync = (key: Buffer, value: Uint8Array): boolean => {
    const stored: unknown = table.putSync(key, asBuffer(value), { append: true })
    return stored === true
  }
  return Object.assign(table, { appendSync })
}

/** Big-endian, so that the order of the bytes is the order of the numbers. */
export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  writeUint64(key, 0, value)
  return key
}

export function keyNumber(key: Uint8Array): number {
  return readUint64(key, 0)
}
