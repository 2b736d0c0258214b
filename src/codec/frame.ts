/**
 * What nodes say to each other, as bytes: the wire version, then one MessagePack array of a type code and
 * the fields of that type, by position. Where a type has variants, a field says which it is, and those behind it
 * are the variant's: no frame has optional fields. Nothing leaves `decodeFrame` that its receiver would have to check again.
 *
 * Who sent a frame, and whether it may, is known from its link (network/), not from here.
 */
import { Packr } from 'msgpackr'
import type { Forward, WireAppend, WireRpc } from '../messages.ts'
import { appendEntriesMax, frameBytesMax, snapshotChunkBytes } from '../options.ts'
import { assert, unreachable } from '../raft/assert.ts'
import { encodeConfiguration } from '../raft/membership.ts'
import type { AppendReply, SnapshotChunk } from '../raft/rpc.ts'
import { changeFields, changeReplyFields, readChange, readChangeReply, readPlan } from './change.ts'
import { checkBatch } from './command.ts'
import { FieldReader, reasonLengthMax } from './fields.ts'
import { demand, MalformedFrame } from './malformed.ts'
import { packTransient } from './msgpack.ts'
import { checkMembership, checkPayload } from './payload.ts'
import { precheck } from './precheck.ts'
import {
  CorruptRecord,
  checkEntries,
  type EntriesContext,
  readPayload,
  recordsOf,
} from './record.ts'

/** Raised whenever a layout below changes; frames of other versions are refused. */
const wireVersion = 1
const versionBytes = 1
/** Of a SHA-256 in hexadecimal. */
const hashLength = 64

type Type = WireRpc['type']
type Read<T extends Type> = (from: FieldReader) => Extract<WireRpc, { readonly type: T }>

/** Numbers on the wire: never reused, never renumbered within a wire version. */
const codes: Readonly<Record<Type, number>> = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  heartbeat: 7,
  heartbeatReply: 8,
  readIndex: 9,
  readIndexReply: 10,
  snapshot: 11,
  snapshotReply: 12,
  timeoutNow: 13,
  timeoutNowDeclined: 14,
  forward: 15,
  forwardRefused: 16,
  change: 17,
  plan: 18,
  changeReply: 19,
  audit: 20,
  auditReply: 21,
  verdict: 22,
  stateWanted: 23,
}
const types = new Map(Object.entries(codes).map(([type, code]) => [code, type as Type]))

// Without extensions: byte strings stay byte strings, and decoded ones are views into the frame.
const packr = new Packr({ useRecords: false })

// ── out ─────────────────────────────────────────────────────────────────────────────────────────

/** The frame, in an ArrayBuffer of its own. */
export function encodeFrame(rpc: WireRpc): Uint8Array<ArrayBuffer> {
  const packed = packTransient(packr, [codes[rpc.type], ...fieldsOf(rpc)])
  const frame = Buffer.allocUnsafeSlow(versionBytes + packed.length)
  assert(frame.length <= frameBytesMax, `${rpc.type} of ${frame.length} bytes`)
  frame[0] = wireVersion
  frame.set(packed, versionBytes)
  return frame
}

function fieldsOf(rpc: WireRpc): unknown[] {
  switch (rpc.type) {
    case 'preVote':
      return [rpc.term, rpc.lastIndex, rpc.lastTerm]
    case 'vote':
      return [rpc.term, rpc.lastIndex, rpc.lastTerm, rpc.isTransfer]
    case 'preVoteReply':
    case 'voteReply':
      return [rpc.term, rpc.granted]
    case 'append': {
      const { term, prevIndex, prevTerm, commitIndex, entryCount, entries } = rpc
      return [term, prevIndex, prevTerm, commitIndex, entryCount, entries]
    }
    case 'appendReply':
      return appendReplyFields(rpc)
    case 'heartbeat':
      return [rpc.term, rpc.commitIndex, rpc.round]
    case 'heartbeatReply':
      return [rpc.term, rpc.round]
    case 'readIndex':
      return [rpc.term, rpc.id]
    case 'readIndexReply':
      return [rpc.term, rpc.id, rpc.index]
    case 'snapshot':
      return snapshotFields(rpc)
    case 'snapshotReply':
      return [rpc.term, rpc.index, rpc.heldBytes]
    case 'timeoutNow':
      return [rpc.term, rpc.lastIndex]
    case 'timeoutNowDeclined':
      return [rpc.term]
    case 'forward':
      return [rpc.batch]
    case 'forwardRefused':
      return [rpc.reason.slice(0, reasonLengthMax)]
    case 'change':
    case 'plan':
      return changeFields(rpc)
    case 'changeReply':
      return changeReplyFields(rpc)
    case 'audit':
      return [rpc.index]
    case 'auditReply':
    case 'verdict':
      return [rpc.index, rpc.digest]
    case 'stateWanted':
      return [rpc.base]
    default:
      return unreachable(rpc)
  }
}

function appendReplyFields(reply: AppendReply): unknown[] {
  const { term, accepted } = reply
  if (accepted) return [term, accepted, reply.matchIndex]
  return [term, accepted, reply.rejectIndex, reply.hintIndex, reply.hintTerm]
}

function snapshotFields({ term, snapshot, offset, chunk }: SnapshotChunk): unknown[] {
  const { index, term: lastTerm, membership, bytes, hash } = snapshot
  const members = encodeConfiguration(membership)
  const mark = [index, lastTerm, membership.index, members, bytes, Buffer.from(hash, 'hex')]
  return [term, ...mark, offset, chunk]
}

// ── in ──────────────────────────────────────────────────────────────────────────────────────────

/**
 * The message in a frame, fully validated. Its byte fields are views into the frame.
 * @throws MalformedFrame whatever is wrong with it
 */
export function decodeFrame(frame: Uint8Array): WireRpc {
  demand(frame.length <= frameBytesMax, `frame of ${frame.length} bytes`)
  demand(frame[0] === wireVersion, `frame of version ${frame[0]}, this node speaks ${wireVersion}`)
  const code = precheck(frame, versionBytes)
  const type = types.get(code)
  demand(type !== undefined, `frame of unknown type ${code}`)
  const [, ...values] = packr.unpack(frame.subarray(versionBytes)) as unknown[]
  const from = new FieldReader(values)
  const rpc = readers[type](from)
  from.end()
  return rpc
}

/** `null`: it is malformed, and `report` hears why. Any other error is ours. */
export function tryDecodeFrame(
  frame: Uint8Array,
  report: (reason: string) => void,
): WireRpc | null {
  try {
    return decodeFrame(frame)
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error
    report(error.message)
    return null
  }
}

/** What it carries as bytes; of a decoded one a view into its frame, which has to come along. `null`: nothing. */
export function bulkOf(rpc: WireRpc): Uint8Array | null {
  switch (rpc.type) {
    case 'append':
      return rpc.entries
    case 'forward':
      return rpc.batch
    case 'snapshot':
      return rpc.chunk
    default:
      return null
  }
}

/** Each takes the fields in the order in which they are encoded. */
const readers: { readonly [T in Type]: Read<T> } = {
  preVote: (from) => ({ type: 'preVote', ...candidacy(from) }),
  preVoteReply: (from) => ({ type: 'preVoteReply', ...ballot(from) }),
  vote: (from) => ({ type: 'vote', ...candidacy(from), isTransfer: from.boolean('isTransfer') }),
  voteReply: (from) => ({ type: 'voteReply', ...ballot(from) }),
  append: readAppend,
  appendReply: readAppendReply,
  heartbeat: (from) => ({
    type: 'heartbeat',
    term: from.integer('term'),
    commitIndex: from.integer('commitIndex'),
    round: from.integer('round'),
  }),
  heartbeatReply: (from) => ({
    type: 'heartbeatReply',
    term: from.integer('term'),
    round: from.integer('round'),
  }),
  readIndex: (from) => ({
    type: 'readIndex',
    term: from.integer('term'),
    id: from.integer('id'),
  }),
  readIndexReply: (from) => ({
    type: 'readIndexReply',
    term: from.integer('term'),
    id: from.integer('id'),
    index: from.integer('index'),
  }),
  snapshot: readSnapshot,
  snapshotReply: (from) => ({
    type: 'snapshotReply',
    term: from.integer('term'),
    index: from.integer('index'),
    heldBytes: from.integer('heldBytes'),
  }),
  timeoutNow: (from) => ({
    type: 'timeoutNow',
    term: from.integer('term'),
    lastIndex: from.integer('lastIndex'),
  }),
  timeoutNowDeclined: (from) => ({ type: 'timeoutNowDeclined', term: from.integer('term') }),
  forward: readForward,
  forwardRefused: (from) => ({ type: 'forwardRefused', reason: from.reason('reason') }),
  change: readChange,
  plan: readPlan,
  changeReply: readChangeReply,
  audit: (from) => ({ type: 'audit', index: from.integer('index') }),
  auditReply: (from) => ({ type: 'auditReply', ...digest(from) }),
  verdict: (from) => ({ type: 'verdict', ...digest(from) }),
  stateWanted: (from) => ({ type: 'stateWanted', base: from.integer('base') }),
}

function candidacy(from: FieldReader): { term: number; lastIndex: number; lastTerm: number } {
  return {
    term: from.integer('term'),
    lastIndex: from.integer('lastIndex'),
    lastTerm: from.integer('lastTerm'),
  }
}

function ballot(from: FieldReader): { term: number; granted: boolean } {
  return { term: from.integer('term'), granted: from.boolean('granted') }
}

function readAppend(from: FieldReader): WireAppend {
  const term = from.integer('term')
  const prevIndex = from.integer('prevIndex')
  const prevTerm = from.integer('prevTerm')
  const commitIndex = from.integer('commitIndex')
  const entryCount = from.integer('entryCount')
  const entries = from.bytes('entries')
  demand(entryCount <= appendEntriesMax, `append of ${entryCount} entries`)
  demandEntries(entries, entryCount, { prevIndex, prevTerm, termMax: term })
  return { type: 'append', term, prevIndex, prevTerm, commitIndex, entryCount, entries }
}

function demandEntries(entries: Uint8Array, count: number, context: EntriesContext): void {
  try {
    checkEntries(entries, count, context)
  } catch (error) {
    if (error instanceof CorruptRecord) throw new MalformedFrame(`append: ${error.message}`)
    throw error
  }
  for (const record of recordsOf(entries)) {
    const { type, payload } = readPayload(record)
    checkPayload(type, payload)
  }
}

function readAppendReply(from: FieldReader): AppendReply {
  const term = from.integer('term')
  const accepted = from.boolean('accepted')
  if (accepted)
    return { type: 'appendReply', term, accepted, matchIndex: from.integer('matchIndex') }
  return {
    type: 'appendReply',
    term,
    accepted,
    rejectIndex: from.integer('rejectIndex'),
    hintIndex: from.integer('hintIndex'),
    hintTerm: from.integer('hintTerm'),
  }
}

function readSnapshot(from: FieldReader): SnapshotChunk {
  const term = from.integer('term')
  const index = from.integer('snapshot.index')
  const lastTerm = from.integer('snapshot.term')
  const membershipIndex = from.integer('snapshot.membership.index')
  const configuration = checkMembership(from.bytes('snapshot.membership'))
  const bytes = from.integer('snapshot.bytes')
  const hash = Buffer.from(from.bytes('snapshot.hash')).toString('hex')
  const offset = from.integer('offset')
  const chunk = from.bytes('chunk')
  demand(lastTerm <= term && membershipIndex <= index, `snapshot ${index} of term ${lastTerm}`)
  demand(hash.length === hashLength, `snapshot with a hash of ${hash.length} digits`)
  demand(chunk.length <= snapshotChunkBytes, `chunk of ${chunk.length} bytes`)
  demand(
    offset + chunk.length <= bytes,
    `chunk that ends behind the ${bytes} bytes of its snapshot`,
  )
  const membership = { index: membershipIndex, ...configuration }
  const snapshot = { index, term: lastTerm, membership, bytes, hash }
  return { type: 'snapshot', term, snapshot, offset, chunk }
}

function digest(from: FieldReader): { index: number; digest: number } {
  return { index: from.integer('index'), digest: from.integer('digest') }
}

function readForward(from: FieldReader): Forward {
  const batch = from.bytes('batch')
  checkBatch(batch)
  return { type: 'forward', batch }
}
