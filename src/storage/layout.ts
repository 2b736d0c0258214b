/** How the state environment is laid out: the one place where its bytes have a meaning. */
import { decodeConfiguration, encodeConfiguration, noMembership } from '../raft/membership.ts'
import type { Index, MembershipAt } from '../raft/types.ts'
import type { Environment, Table } from './environment.ts'

export interface StateTables {
  /** Key → {@link KeyRecord}. */
  readonly kv: Table
  /** Namespace (behind one `/`, for LMDB has no empty keys) → number of keys directly in it, float64. */
  readonly prefixes: Table
  /** Node id, 8 bytes → incarnation and sequence of its last applied batch, float64 each. */
  readonly sessions: Table
  /** First revision a batch made → {@link RevisionRecord}; where a watch from the past finds its entry. */
  readonly revisions: Table
  readonly meta: Table
}

export function openStateTables(environment: Environment): StateTables {
  return {
    kv: environment.openTable('kv'),
    prefixes: environment.openTable('prefixes'),
    sessions: environment.openTable('sessions'),
    revisions: environment.openTable('revisions'),
    meta: environment.openTable('meta'),
  }
}

export interface KeyRecord {
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  readonly value: Uint8Array
}

/** Two float64 revisions and a uint32 version in front of the value. */
export const keyRecordHeaderBytes: number = 20

export function readKeyRecord(bytes: Buffer): KeyRecord {
  return {
    createRevision: bytes.readDoubleBE(0),
    modRevision: bytes.readDoubleBE(8),
    version: bytes.readUInt32BE(16),
    // lmdb's reused buffer reports its filled part as `length`; `subarray` alone would go beyond it.
    value: bytes.subarray(keyRecordHeaderBytes, bytes.length),
  }
}

/** Into `target`, which must be large enough; returns the bytes written. */
export function writeKeyRecord(
  target: Buffer,
  history: Omit<KeyRecord, 'value'>,
  value: Uint8Array,
): number {
  target.writeDoubleBE(history.createRevision, 0)
  target.writeDoubleBE(history.modRevision, 8)
  target.writeUInt32BE(history.version, 16)
  target.set(value, keyRecordHeaderBytes)
  return keyRecordHeaderBytes + value.length
}

/** Which entry made a run of revisions, and which of its commands made none (deletes of nothing). */
export interface RevisionRecord {
  readonly index: Index
  readonly isIdle: (command: number) => boolean
}

export function revisionRecord(index: Index, idle: readonly number[]): Buffer {
  const bitmapBytes = idle.length === 0 ? 0 : Math.floor((idle.at(-1) ?? 0) / 8) + 1
  const record = Buffer.alloc(8 + bitmapBytes)
  record.writeDoubleBE(index, 0)
  for (const command of idle) {
    const at = 8 + Math.floor(command / 8)
    record.writeUInt8(record.readUInt8(at) | (1 << (command % 8)), at)
  }
  return record
}

export function readRevisionRecord(record: Buffer): RevisionRecord {
  const isIdle = (command: number): boolean => {
    const bits = record[8 + Math.floor(command / 8)] ?? 0
    return (bits & (1 << (command % 8))) !== 0
  }
  return { index: record.readDoubleBE(0), isIdle }
}

const slash = 0x2f

/** `a/b/c` is directly in `a/b/`; `c` in ''. */
export function namespaceLength(key: Uint8Array): number {
  return key.lastIndexOf(slash) + 1
}

export function namespaceKey(namespace: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(namespace.length + 1)
  key[0] = slash
  key.set(namespace, 1)
  return key
}

/** Position of the state in the log: applied index and revision. */
export const positionKey: Buffer = Buffer.from('position')

export interface Position {
  readonly appliedIndex: Index
  /** Changes applied so far; the newest has this number. */
  readonly revision: number
}

export function writePosition({ appliedIndex, revision }: Position): Buffer {
  const bytes = Buffer.allocUnsafe(16)
  bytes.writeDoubleBE(appliedIndex, 0)
  bytes.writeDoubleBE(revision, 8)
  return bytes
}

export function readPosition(bytes: Buffer | undefined): Position {
  if (bytes === undefined) return { appliedIndex: 0, revision: 0 }
  return { appliedIndex: bytes.readDoubleBE(0), revision: bytes.readDoubleBE(8) }
}

/** The newest members applied: as of which entry, and who. */
export const membershipKey: Buffer = Buffer.from('membership')

export function writeMembership({ index, ...configuration }: MembershipAt): Buffer {
  const encoded = encodeConfiguration(configuration)
  const bytes = Buffer.allocUnsafe(8 + encoded.length)
  bytes.writeDoubleBE(index, 0)
  bytes.set(encoded, 8)
  return bytes
}

export function readMembership(bytes: Buffer | undefined): MembershipAt {
  if (bytes === undefined) return noMembership
  return { index: bytes.readDoubleBE(0), ...decodeConfiguration(bytes.subarray(8)) }
}

/** The first key above all that begin with `prefix`; `null` if there is none. */
export function prefixEnd(prefix: Uint8Array): Buffer | null {
  const end = Buffer.from(prefix)
  for (let length = end.length; length > 0; length--) {
    const last = end[length - 1] ?? 0
    if (last === 0xff) continue
    end[length - 1] = last + 1
    return end.subarray(0, length)
  }
  return null
}
