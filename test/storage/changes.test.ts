import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configurationOf, type Target } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { Member } from '../../src/raft/types.ts'
import { Changes } from '../../src/storage/changes.ts'

const self: Member = { id: '00000000000000aa', address: '127.0.0.1:1', role: 'voter' }
const other: Member = { id: '00000000000000bb', address: '127.0.0.1:2', role: 'voter' }

/** A leader that would take any change. */
function leading(changed: (members: readonly Member[]) => void): Changes {
  const raft = {
    id: self.id,
    isLeader: true,
    status: { leaderId: self.id },
    membership: configurationOf([self, other]),
    considerMembers: () => ({ type: 'accepted' }),
    changeMembership: ({ members }: Target) => {
      changed(members)
      return { type: 'accepted' }
    },
  }
  return new Changes(raft as unknown as Raft, 1)
}

test('a member is not added again under another address, nor another one under its address', () => {
  const changes = leading(() => assert.fail('the members were changed'))
  const ask = (member: string, address: string) =>
    changes.asked(self.id, { type: 'add', member, address, role: 'voter' })
  assert.deepEqual(ask(other.id, other.address), { type: 'accepted' })
  const moved = ask(other.id, '127.0.0.1:3')
  assert.ok(moved.type === 'refused')
  assert.match(moved.reason, /bb is a member at 127\.0\.0\.1:2; .*cannot change/)
  const taken = ask('00000000000000cc', other.address)
  assert.ok(taken.type === 'refused')
  assert.match(taken.reason, /127\.0\.0\.1:2 is the address of member 00000000000000bb/)
})

test('a link is kept to a server that asks for admission, until it has not asked for long', () => {
  const changes = leading(() => undefined)
  const applicant = { id: '00000000000000cc', address: '127.0.0.1:3' }
  const { id: member, address } = applicant
  const asks = () => changes.asked(member, { type: 'add', member, address, role: 'voter' })
  const contacts = () => changes.contacts.map(({ id }) => id)
  asks()
  for (let n = 0; n < 19; n++) changes.tick()
  asks()
  for (let n = 0; n < 19; n++) changes.tick()
  assert.deepEqual(contacts(), [member])
  changes.tick()
  assert.deepEqual(contacts(), [])
})

test('what our own callers ask and a leader refuses is told once, and asked no more', () => {
  const changes = leading(() => assert.fail('the members were changed'))
  changes.add(7, { type: 'add', member: other.id, address: '127.0.0.1:3', role: 'voter' }, null)
  const ask = () => assert.fail('a leader asks nobody')
  const [result] = changes.pump(ask)
  assert.ok(result?.type === 'changeRefused')
  assert.equal(result.id, 7)
  assert.match(result.reason, /is a member at/)
  changes.tick()
  assert.deepEqual(changes.pump(ask), [])
})
