/** The fields of frames about changes, of the members and of the leader, and of their answers. */
import type {
  Change,
  ChangeAnswer,
  ChangeReply,
  MemberChange,
  MembershipChange,
  Plan,
} from '../messages.ts'
import { unreachable } from '../raft/assert.ts'
import { configurationOf, encodeConfiguration } from '../raft/membership.ts'
import { type FieldReader, reasonLengthMax } from './fields.ts'
import { checkMembership } from './payload.ts'

const memberChanges = ['add', 'remove', 'replace'] as const
const changes = [...memberChanges, 'move', 'transfer', 'relieve'] as const
const answers = ['accepted', 'redirected', 'busy', 'refused', 'planned'] as const
const roles = ['voter', 'learner'] as const

// ── out ─────────────────────────────────────────────────────────────────────────────────────────

export function changeFields({ id, change }: Change | Plan): unknown[] {
  return [id, change.type, ...fieldsOf(change)]
}

function fieldsOf(change: MembershipChange): unknown[] {
  switch (change.type) {
    case 'add':
      return [change.member, change.address, change.role]
    case 'remove':
    case 'transfer':
    case 'relieve':
      return [change.member]
    case 'replace':
      return [change.old, change.member, change.address]
    case 'move':
      return [change.member, change.address]
    default:
      return unreachable(change)
  }
}

export function changeReplyFields({ id, answer }: ChangeReply): unknown[] {
  return [id, answer.type, ...fieldsOfAnswer(answer)]
}

function fieldsOfAnswer(answer: ChangeAnswer): unknown[] {
  switch (answer.type) {
    case 'accepted':
      return []
    case 'redirected':
      return answer.leader === null ? [null] : [answer.leader.id, answer.leader.address]
    case 'busy':
    case 'refused':
      return [answer.reason.slice(0, reasonLengthMax)]
    case 'planned': {
      const { before, after, refused } = answer.forecast
      const members = [before, after].map((each) => encodeConfiguration(configurationOf(each)))
      return [...members, refused?.slice(0, reasonLengthMax) ?? null]
    }
    default:
      return unreachable(answer)
  }
}

// ── in ──────────────────────────────────────────────────────────────────────────────────────────

export function readChange(from: FieldReader): Change {
  const id = from.integer('id')
  const kind = from.oneOf('kind', changes)
  return { type: 'change', id, change: readMembershipChange(from, kind) }
}

export function readPlan(from: FieldReader): Plan {
  const id = from.integer('id')
  const kind = from.oneOf('kind', memberChanges)
  return { type: 'plan', id, change: readMemberChange(from, kind) }
}

function readMembershipChange(from: FieldReader, type: MembershipChange['type']): MembershipChange {
  switch (type) {
    case 'move':
      return { type, member: from.nodeId('member'), address: from.address('address') }
    case 'transfer':
    case 'relieve':
      return { type, member: from.nodeId('member') }
    default:
      return readMemberChange(from, type)
  }
}

function readMemberChange(from: FieldReader, type: MemberChange['type']): MemberChange {
  switch (type) {
    case 'add': {
      const [member, address] = [from.nodeId('member'), from.address('address')]
      return { type, member, address, role: from.oneOf('role', roles) }
    }
    case 'remove':
      return { type, member: from.nodeId('member') }
    case 'replace': {
      const [old, member] = [from.nodeId('old'), from.nodeId('member')]
      return { type, old, member, address: from.address('address') }
    }
    default:
      return unreachable(type)
  }
}

export function readChangeReply(from: FieldReader): ChangeReply {
  const id = from.integer('id')
  const kind = from.oneOf('kind', answers)
  return { type: 'changeReply', id, answer: readAnswer(from, kind) }
}

function readAnswer(from: FieldReader, type: ChangeAnswer['type']): ChangeAnswer {
  switch (type) {
    case 'accepted':
      return { type }
    case 'redirected': {
      if (from.isAbsent()) return { type, leader: null }
      return {
        type,
        leader: { id: from.nodeId('leader.id'), address: from.address('leader.address') },
      }
    }
    case 'busy':
    case 'refused':
      return { type, reason: from.reason('reason') }
    case 'planned': {
      const { members: before } = checkMembership(from.bytes('before'))
      const { members: after } = checkMembership(from.bytes('after'))
      const refused = from.isAbsent() ? null : from.reason('reason')
      return { type, forecast: { before, after, refused } }
    }
    default:
      return unreachable(type)
  }
}
