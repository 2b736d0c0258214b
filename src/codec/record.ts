/**
 * A log entry as bytes: the same on disk and on the wire, so that a follower writes what it received as it
 * is. The checksum covers all that follows it, and is verified by whoever takes records from a wire or disk.
 *
 *     record  crc u32 │ index u64 │ term u64 │ type u8 │ payload
 *     block   length u32 │ record │ length u32 │ record │ …
 */
import { crc32 } from 'node:zlib'
import type { Entry, EntryType, Index, Term } from '../raft/types.ts'
import { readUint32, readUint64, writeUint32, writeUint64 } from './bytes.ts'

/** Of a record, before its payload. */
const recordHeaderBytes = 21
const indexAt = 4
const termAt = 12
const typeAt = 20
/** Before each record of a block. */
const lengthBytes = 4

const typeCodes: Readonly<Record<EntryType, number>> = { noop: 1, membership: 2, batch: 3 }
const types: readonly (EntryType | undefined)[] = [undefined, 'noop', 'membership', 'batch']

/** A record that is not what was written: a failing disk, or a peer that makes things up. */
export class CorruptRecord extends Error {
  override readonly name = 'CorruptRecord'
}

// ── one record ──────────────────────────────────────────────────────────────────────────────────

/** @throws CorruptRecord */
export function decodeRecord(record: Uint8Array): Entry {
  checkRecord(record)
  return {
    index: readUint64(record, indexAt),
    term: readUint64(record, termAt),
    type: typeOf(record),
    bytes: record.subarray(recordHeaderBytes),
  }
}

/** Of a record that was checked: a view. */
export function readPayload(record: Uint8Array): { type: EntryType; payload: Uint8Array } {
  return { type: typeOf(record), payload: record.subarray(recordHeaderBytes) }
}

function writeRecord(record: Uint8Array, { index, term, type, bytes }: Entry): void {
  writeUint64(record, indexAt, index)
  writeUint64(record, termAt, term)
  record[typeAt] = typeCodes[type]
  record.set(bytes, recordHeaderBytes)
  writeUint32(record, 0, checksum(record))
}

// Once per record: conditions first, so that no message is put together while all is well.
function checkRecord(record: Uint8Array): void {
  if (record.length < recordHeaderBytes) {
    throw new CorruptRecord(`log record of ${record.length} bytes: too short`)
  }
  const sum = checksum(record)
  const recorded = readUint32(record, 0)
  if (sum !== recorded) throw corrupt(record, `checksum ${hex(sum)}, recorded as ${hex(recorded)}`)
  if (!Number.isSafeInteger(readUint64(record, indexAt))) throw corrupt(record, 'index beyond 2^53')
  if (!Number.isSafeInteger(readUint64(record, termAt))) throw corrupt(record, 'term beyond 2^53')
  typeOf(record)
}

function typeOf(record: Uint8Array): EntryType {
  const code = record[typeAt] ?? 0
  const type = types[code]
  if (type === undefined) throw corrupt(record, `unknown type ${code}`)
  return type
}

/** Names the record by the index it claims, which may be what is wrong with it. */
function corrupt(record: Uint8Array, reason: string): CorruptRecord {
  return new CorruptRecord(`log record ${readUint64(record, indexAt)}: ${reason}`)
}

function checksum(record: Uint8Array): number {
  return crc32(record.subarray(indexAt))
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0')
}

/** What it takes in the log. */
export function recordBytes({ bytes }: Entry): number {
  return recordHeaderBytes + bytes.length
}

// ── blocks of records ───────────────────────────────────────────────────────────────────────────

/** In an ArrayBuffer of its own. */
export function packEntries(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  let size = 0
  for (const { bytes } of entries) size += lengthBytes + recordHeaderBytes + bytes.length
  const block = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const entry of entries) {
    const length = recordHeaderBytes + entry.bytes.length
    writeUint32(block, at, length)
    at += lengthBytes
    writeRecord(block.subarray(at, at + length), entry)
    at += length
  }
  return block
}

/**
 * All entries of a block, verified: their checksums, consecutive indexes, terms that never go back.
 * @throws CorruptRecord
 */
export function unpackEntries(block: Uint8Array, count: number): Entry[] {
  const entries: Entry[] = []
  for (const record of announcedRecords(block, count)) {
    const entry = decodeRecord(record)
    const last = entries.at(-1)
    if (last !== undefined) checkSuccession(last.index, last.term, entry.index, entry.term)
    entries.push(entry)
  }
  return entries
}

/** What a block of entries must continue, and the term none of them may exceed. */
export interface EntriesContext {
  readonly prevIndex: Index
  readonly prevTerm: Term
  readonly termMax: Term
}

/**
 * Verifies a block as {@link unpackEntries} does, and that it continues `prevIndex`, without building entries.
 * @throws CorruptRecord
 */
export function checkEntries(
  block: Uint8Array,
  count: number,
  { prevIndex, prevTerm, termMax }: EntriesContext,
): void {
  let index = prevIndex
  let term = prevTerm
  for (const record of announcedRecords(block, count)) {
    checkRecord(record)
    checkSuccession(index, term, readUint64(record, indexAt), readUint64(record, termAt))
    index = readUint64(record, indexAt)
    term = readUint64(record, termAt)
  }
  if (term > termMax) {
    throw new CorruptRecord(`log record ${index}: term ${term} in an append of term ${termMax}`)
  }
}

function checkSuccession(index: Index, term: Term, nextIndex: Index, nextTerm: Term): void {
  if (nextIndex !== index + 1) throw new CorruptRecord(`log record ${nextIndex}: follows ${index}`)
  if (nextTerm < term) {
    throw new CorruptRecord(`log record ${nextIndex}: term ${nextTerm} follows term ${term}`)
  }
}

/**
 * The records of a block as they are, unverified: views.
 * @throws CorruptRecord where the lengths do not add up
 */
export function recordsOf(block: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = []
  let at = 0
  while (at < block.length) {
    const start = at + lengthBytes
    if (start > block.length) throw new CorruptRecord('block of log records ends within a length')
    at = start + readUint32(block, start - lengthBytes)
    if (at > block.length) throw new CorruptRecord('block of log records ends within one')
    records.push(block.subarray(start, at))
  }
  return records
}

/** The same of a block from a peer: what it announces bounds the work, not the empty records it may hold. */
function announcedRecords(block: Uint8Array, count: number): Uint8Array[] {
  let at = 0
  for (let n = 0; n < count; n++) at += lengthBytes + readUint32(block, at)
  if (at !== block.length) {
    throw new CorruptRecord(`block of ${block.length} bytes, its ${count} log records take ${at}`)
  }
  return recordsOf(block)
}
