/** Frames about changes, of the members and of the leader, and their answers. */
import type { ChangeAnswer, MembershipChange, PeerAddress, WireRpc } from '../messages.ts'
import { unreachable } from '../raft/assert.ts'
import type { MemberRole } from '../raft/types.ts'
import { codes, type Reader } from './codes.ts'
import { type FieldReader, reasonLengthMax } from './fields.ts'

const addCodes = { voter: codes.changeAdd, learner: codes.changeAddLearner }

export function changeElements(id: number, change: MembershipChange): unknown[] {
  switch (change.type) {
    case 'add':
      return [addCodes[change.role], id, change.member, change.address]
    case 'move':
      return [codes.changeMove, id, change.member, change.address]
    case 'remove':
      return [codes.changeRemove, id, change.member]
    case 'transfer':
      return [codes.changeTransfer, id, change.member]
    case 'relieve':
      return [codes.changeRelieve, id, change.member]
    case 'replace':
      return [codes.changeReplace, id, change.old, change.member, change.address]
    default:
      return unreachable(change)
  }
}

export function changeReplyElements(id: number, answer: ChangeAnswer): unknown[] {
  switch (answer.type) {
    case 'accepted':
      return [codes.changeAccepted, id]
    case 'redirected':
      return [codes.changeRedirected, id, answer.leader?.id ?? null, answer.leader?.address ?? null]
    case 'busy':
      return [codes.changeBusy, id, answer.reason.slice(0, reasonLengthMax)]
    case 'refused':
      return [codes.changeRefused, id, answer.reason.slice(0, reasonLengthMax)]
    default:
      return unreachable(answer)
  }
}

export const changeReaders: readonly (readonly [code: number, reader: Reader])[] = [
  [codes.changeAdd, { fields: 3, read: (from) => readChangeAdd(from, 'voter') }],
  [codes.changeAddLearner, { fields: 3, read: (from) => readChangeAdd(from, 'learner') }],
  [codes.changeReplace, { fields: 4, read: readChangeReplace }],
  [codes.changeMove, { fields: 3, read: readChangeMove }],
  [codes.changeRemove, { fields: 2, read: changeReader('remove') }],
  [codes.changeTransfer, { fields: 2, read: changeReader('transfer') }],
  [codes.changeRelieve, { fields: 2, read: changeReader('relieve') }],
  [codes.changeAccepted, { fields: 1, read: answerReader(() => ({ type: 'accepted' })) }],
  [codes.changeRedirected, { fields: 3, read: answerReader(readRedirected) }],
  [codes.changeBusy, { fields: 2, read: answerReader(readBusy) }],
  [codes.changeRefused, { fields: 2, read: answerReader(readRefused) }],
]

function readChangeAdd(from: FieldReader, role: MemberRole): WireRpc {
  const id = from.integer('id')
  const member = from.nodeId('member')
  const address = from.address('address')
  return { type: 'change', id, change: { type: 'add', member, address, role } }
}

function readChangeReplace(from: FieldReader): WireRpc {
  const id = from.integer('id')
  const old = from.nodeId('old')
  const member = from.nodeId('member')
  const address = from.address('address')
  return { type: 'change', id, change: { type: 'replace', old, member, address } }
}

function readChangeMove(from: FieldReader): WireRpc {
  const id = from.integer('id')
  const member = from.nodeId('member')
  return { type: 'change', id, change: { type: 'move', member, address: from.address('address') } }
}

function changeReader(type: 'remove' | 'transfer' | 'relieve'): Reader['read'] {
  return (from) => {
    const id = from.integer('id')
    return { type: 'change', id, change: { type, member: from.nodeId('member') } }
  }
}

function answerReader(readAnswer: (from: FieldReader) => ChangeAnswer): Reader['read'] {
  return (from) => ({ type: 'changeReply', id: from.integer('id'), answer: readAnswer(from) })
}

function readRedirected(from: FieldReader): ChangeAnswer {
  return { type: 'redirected', leader: from.absent('leader', 2) ? null : readPeer(from) }
}

function readPeer(from: FieldReader): PeerAddress {
  return { id: from.nodeId('leader.id'), address: from.address('leader.address') }
}

function readBusy(from: FieldReader): ChangeAnswer {
  return { type: 'busy', reason: from.reason('reason') }
}

function readRefused(from: FieldReader): ChangeAnswer {
  return { type: 'refused', reason: from.reason('reason') }
}
