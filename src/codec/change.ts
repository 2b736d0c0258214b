/** Frames about changes, of the members and of the leader, and their answers. */
import type {
  Change,
  ChangeAnswer,
  LeaderChange,
  MemberChange,
  MembershipChange,
  PeerAddress,
  Plan,
} from '../messages.ts'
import { unreachable } from '../raft/assert.ts'
import { configurationOf, encodeConfiguration } from '../raft/membership.ts'
import type { MemberRole } from '../raft/types.ts'
import { codes, type Reader } from './codes.ts'
import { type FieldReader, reasonLengthMax } from './fields.ts'
import { checkMembership } from './payload.ts'

const changeCodes = {
  add: { voter: codes.changeAdd, learner: codes.changeAddLearner },
  remove: codes.changeRemove,
  replace: codes.changeReplace,
}
const planCodes = {
  add: { voter: codes.planAdd, learner: codes.planAddLearner },
  remove: codes.planRemove,
  replace: codes.planReplace,
}

export function changeElements({ type, id, change }: Change | Plan): unknown[] {
  const numbers = type === 'change' ? changeCodes : planCodes
  switch (change.type) {
    case 'add':
      return [numbers.add[change.role], id, change.member, change.address]
    case 'move':
      return [codes.changeMove, id, change.member, change.address]
    case 'remove':
      return [numbers.remove, id, change.member]
    case 'transfer':
      return [codes.changeTransfer, id, change.member]
    case 'relieve':
      return [codes.changeRelieve, id, change.member]
    case 'replace':
      return [numbers.replace, id, change.old, change.member, change.address]
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
    case 'planned': {
      const { before, after, refused } = answer.forecast
      const members = [before, after].map((each) => encodeConfiguration(configurationOf(each)))
      return [codes.changePlanned, id, ...members, refused?.slice(0, reasonLengthMax) ?? null]
    }
    default:
      return unreachable(answer)
  }
}

export const changeReaders: readonly (readonly [code: number, reader: Reader])[] = [
  [codes.changeAdd, { fields: 3, read: changeReader(readAdd('voter')) }],
  [codes.changeAddLearner, { fields: 3, read: changeReader(readAdd('learner')) }],
  [codes.changeReplace, { fields: 4, read: changeReader(readReplace) }],
  [codes.changeMove, { fields: 3, read: changeReader(readMove) }],
  [codes.changeRemove, { fields: 2, read: changeReader(readRemove) }],
  [codes.changeTransfer, { fields: 2, read: changeReader(readLeader('transfer')) }],
  [codes.changeRelieve, { fields: 2, read: changeReader(readLeader('relieve')) }],
  [codes.planAdd, { fields: 3, read: planReader(readAdd('voter')) }],
  [codes.planAddLearner, { fields: 3, read: planReader(readAdd('learner')) }],
  [codes.planRemove, { fields: 2, read: planReader(readRemove) }],
  [codes.planReplace, { fields: 4, read: planReader(readReplace) }],
  [codes.changePlanned, { fields: 4, read: answerReader(readPlanned) }],
  [codes.changeAccepted, { fields: 1, read: answerReader(() => ({ type: 'accepted' })) }],
  [codes.changeRedirected, { fields: 3, read: answerReader(readRedirected) }],
  [codes.changeBusy, { fields: 2, read: answerReader(readBusy) }],
  [codes.changeRefused, { fields: 2, read: answerReader(readRefused) }],
]

function changeReader(readChange: (from: FieldReader) => MembershipChange): Reader['read'] {
  return (from) => ({ type: 'change', id: from.integer('id'), change: readChange(from) })
}

function planReader(readChange: (from: FieldReader) => MemberChange): Reader['read'] {
  return (from) => ({ type: 'plan', id: from.integer('id'), change: readChange(from) })
}

function readAdd(role: MemberRole): (from: FieldReader) => MemberChange {
  return (from) => {
    const member = from.nodeId('member')
    return { type: 'add', member, address: from.address('address'), role }
  }
}

function readRemove(from: FieldReader): MemberChange {
  return { type: 'remove', member: from.nodeId('member') }
}

function readReplace(from: FieldReader): MemberChange {
  const old = from.nodeId('old')
  const member = from.nodeId('member')
  return { type: 'replace', old, member, address: from.address('address') }
}

function readMove(from: FieldReader): MembershipChange {
  const member = from.nodeId('member')
  return { type: 'move', member, address: from.address('address') }
}

function readLeader(type: LeaderChange['type']): (from: FieldReader) => LeaderChange {
  return (from) => ({ type, member: from.nodeId('member') })
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

function readPlanned(from: FieldReader): ChangeAnswer {
  const { members: before } = checkMembership(from.bytes('before'))
  const { members: after } = checkMembership(from.bytes('after'))
  const refused = from.absent('reason', 1) ? null : from.reason('reason')
  return { type: 'planned', forecast: { before, after, refused } }
}

function readRefused(from: FieldReader): ChangeAnswer {
  return { type: 'refused', reason: from.reason('reason') }
}
