/**
 * What nodes say to each other, as bytes: the wire version, then one MessagePack array of a type code and
 * the fields of that type, by position. Every variant has a code of its own, so that a frame never has
 * optional fields. Nothing leaves `decodeFrame` that its receiver would have to check again.
 *
 * Who sent a frame, and whether it may, is known from its link (network/), not from here.
 */
import { Packr } from 'msgpackr'
import type { WireRpc } from '../messages.ts'
import { appendEntriesMax, frameBytesMax, snapshotChunkBytes } from '../options.ts'
import { assert, unreachable } from '../raft/assert.ts'
import { encodeConfiguration } from '../raft/membership.ts'
import type { AppendReply, SnapshotChunk } from '../raft/rpc.ts'
import { changeElements, changeReaders, changeReplyElements } from './change.ts'
import { codes, type Reader } from './codes.ts'
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

// Without extensions: byte strings stay byte strings, and decoded ones are views into the frame.
const packr = new Packr({ useRecords: false })

// ── out ─────────────────────────────────────────────────────────────────────────────────────────

/** The frame, in an ArrayBuffer of its own. */
export function encodeFrame(rpc: WireRpc): Uint8Array<ArrayBuffer> {
  const packed = packTransient(packr, elementsOf(rpc))
  const frame = Buffer.allocUnsafeSlow(versionBytes + packed.length)
  assert(frame.length <= frameBytesMax, `${rpc.type} of ${frame.length} bytes`)
  frame[0] = wireVersion
  frame.set(packed, versionBytes)
  return frame
}

function elementsOf(rpc: WireRpc): unknown[] {
  switch (rpc.type) {
    case 'preVote':
      return [codes.preVote, rpc.term, rpc.lastIndex, rpc.lastTerm]
    case 'preVoteReply':
      return [codes.preVoteReply, rpc.term, rpc.granted]
    case 'vote': {
      const code = rpc.isTransfer ? codes.transferVote : codes.vote
      return [code, rpc.term, rpc.lastIndex, rpc.lastTerm]
    }
    case 'voteReply':
      return [codes.voteReply, rpc.term, rpc.granted]
    case 'append': {
      const { term, prevIndex, prevTerm, commitIndex, entryCount, entries } = rpc
      return [codes.append, term, prevIndex, prevTerm, commitIndex, entryCount, entries]
    }
    case 'appendReply':
      return appendReplyElements(rpc)
    case 'heartbeat':
      return [codes.heartbeat, rpc.term, rpc.commitIndex, rpc.round]
    case 'heartbeatReply':
      return [codes.heartbeatReply, rpc.term, rpc.round]
    case 'readIndex':
      return [codes.readIndex, rpc.term, rpc.id]
    case 'readIndexReply':
      return [codes.readIndexReply, rpc.term, rpc.id, rpc.index]
    case 'snapshot':
      return snapshotElements(rpc)
    case 'snapshotReply':
      return [codes.snapshotReply, rpc.term, rpc.index, rpc.heldBytes]
    case 'audit':
      return [codes.audit, rpc.index]
    case 'auditReply':
    case 'verdict':
      return [codes[rpc.type], rpc.index, rpc.digest]
    case 'stateWanted':
      return [codes.stateWanted, rpc.base]
    case 'timeoutNow':
      return [codes.timeoutNow, rpc.term, rpc.lastIndex]
    case 'timeoutNowDeclined':
      return [codes.timeoutNowDeclined, rpc.term]
    case 'forward':
      return [codes.forward, rpc.batch]
    case 'forwardRefused':
      return [codes.forwardRefused, rpc.reason.slice(0, reasonLengthMax)]
    case 'change':
    case 'plan':
      return changeElements(rpc)
    case 'changeReply':
      return changeReplyElements(rpc.id, rpc.answer)
    default:
      return unreachable(rpc)
  }
}

function appendReplyElements(reply: AppendReply): unknown[] {
  if (reply.accepted) return [codes.appendAccepted, reply.term, reply.matchIndex]
  const { term, rejectIndex, hintIndex, hintTerm } = reply
  return [codes.appendRejected, term, rejectIndex, hintIndex, hintTerm]
}

function snapshotElements({ term, snapshot, offset, chunk }: SnapshotChunk): unknown[] {
  const { index, term: lastTerm, membership, bytes, hash } = snapshot
  const members = encodeConfiguration(membership)
  const mark = [index, lastTerm, membership.index, members, bytes, Buffer.from(hash, 'hex')]
  return [codes.snapshot, term, ...mark, offset, chunk]
}

// ── in ──────────────────────────────────────────────────────────────────────────────────────────

/**
 * The message in a frame, fully validated. Its byte fields are views into the frame.
 * @throws MalformedFrame whatever is wrong with it
 */
export function decodeFrame(frame: Uint8Array): WireRpc {
  demand(frame.length <= frameBytesMax, `frame of ${frame.length} bytes`)
  demand(frame[0] === wireVersion, `frame of version ${frame[0]}, this node speaks ${wireVersion}`)
  const { code, fields } = precheck(frame, versionBytes)
  const reader = readers.get(code)
  demand(reader !== undefined, `frame of unknown type ${code}`)
  demand(fields === reader.fields, `frame of type ${code} with ${fields} fields`)
  const [, ...values] = packr.unpack(frame.subarray(versionBytes)) as unknown[]
  return reader.read(new FieldReader(values))
}

const readers: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [codes.preVote, { fields: 3, read: (from) => ({ type: 'preVote', ...candidacy(from) }) }],
  [codes.preVoteReply, { fields: 2, read: (from) => ({ type: 'preVoteReply', ...ballot(from) }) }],
  [codes.vote, { fields: 3, read: voteReader(false) }],
  [codes.transferVote, { fields: 3, read: voteReader(true) }],
  [codes.voteReply, { fields: 2, read: (from) => ({ type: 'voteReply', ...ballot(from) }) }],
  [codes.append, { fields: 6, read: readAppend }],
  [codes.appendAccepted, { fields: 2, read: readAppendAccepted }],
  [codes.appendRejected, { fields: 4, read: readAppendRejected }],
  [codes.heartbeat, { fields: 3, read: readHeartbeat }],
  [codes.heartbeatReply, { fields: 2, read: readHeartbeatReply }],
  [codes.readIndex, { fields: 2, read: readReadIndex }],
  [codes.readIndexReply, { fields: 3, read: readReadIndexReply }],
  [codes.snapshot, { fields: 9, read: readSnapshot }],
  [codes.snapshotReply, { fields: 3, read: readSnapshotReply }],
  [codes.audit, { fields: 1, read: (from) => ({ type: 'audit', index: from.integer('index') }) }],
  [codes.auditReply, { fields: 2, read: (from) => ({ type: 'auditReply', ...digest(from) }) }],
  [codes.verdict, { fields: 2, read: (from) => ({ type: 'verdict', ...digest(from) }) }],
  [codes.stateWanted, { fields: 1, read: readStateWanted }],
  [codes.timeoutNow, { fields: 2, read: readTimeoutNow }],
  [codes.timeoutNowDeclined, { fields: 1, read: readTimeoutNowDeclined }],
  [codes.forward, { fields: 1, read: readForward }],
  [codes.forwardRefused, { fields: 1, read: readForwardRefused }],
  ...changeReaders,
])

function candidacy(from: FieldReader): { term: number; lastIndex: number; lastTerm: number } {
  return {
    term: from.integer('term'),
    lastIndex: from.integer('lastIndex'),
    lastTerm: from.integer('lastTerm'),
  }
}

function voteReader(isTransfer: boolean): Reader['read'] {
  return (from) => ({ type: 'vote', ...candidacy(from), isTransfer })
}

function ballot(from: FieldReader): { term: number; granted: boolean } {
  return { term: from.integer('term'), granted: from.boolean('granted') }
}

function readAppend(from: FieldReader): WireRpc {
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

function readAppendAccepted(from: FieldReader): WireRpc {
  const term = from.integer('term')
  return { type: 'appendReply', term, accepted: true, matchIndex: from.integer('matchIndex') }
}

function readAppendRejected(from: FieldReader): WireRpc {
  return {
    type: 'appendReply',
    term: from.integer('term'),
    accepted: false,
    rejectIndex: from.integer('rejectIndex'),
    hintIndex: from.integer('hintIndex'),
    hintTerm: from.integer('hintTerm'),
  }
}

function readHeartbeat(from: FieldReader): WireRpc {
  return {
    type: 'heartbeat',
    term: from.integer('term'),
    commitIndex: from.integer('commitIndex'),
    round: from.integer('round'),
  }
}

function readHeartbeatReply(from: FieldReader): WireRpc {
  return { type: 'heartbeatReply', term: from.integer('term'), round: from.integer('round') }
}

function readReadIndex(from: FieldReader): WireRpc {
  return { type: 'readIndex', term: from.integer('term'), id: from.integer('id') }
}

function readReadIndexReply(from: FieldReader): WireRpc {
  return {
    type: 'readIndexReply',
    term: from.integer('term'),
    id: from.integer('id'),
    index: from.integer('index'),
  }
}

function readSnapshot(from: FieldReader): WireRpc {
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

function readSnapshotReply(from: FieldReader): WireRpc {
  return {
    type: 'snapshotReply',
    term: from.integer('term'),
    index: from.integer('index'),
    heldBytes: from.integer('heldBytes'),
  }
}

function digest(from: FieldReader): { index: number; digest: number } {
  return { index: from.integer('index'), digest: from.integer('digest') }
}

function readStateWanted(from: FieldReader): WireRpc {
  return { type: 'stateWanted', base: from.integer('base') }
}

function readTimeoutNow(from: FieldReader): WireRpc {
  return { type: 'timeoutNow', term: from.integer('term'), lastIndex: from.integer('lastIndex') }
}

function readTimeoutNowDeclined(from: FieldReader): WireRpc {
  return { type: 'timeoutNowDeclined', term: from.integer('term') }
}

function readForward(from: FieldReader): WireRpc {
  const batch = from.bytes('batch')
  checkBatch(batch)
  return { type: 'forward', batch }
}

function readForwardRefused(from: FieldReader): WireRpc {
  return { type: 'forwardRefused', reason: from.reason('reason') }
}
