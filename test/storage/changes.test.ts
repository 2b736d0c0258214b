import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemberChange } from '../../src/messages.ts'
import { configurationOf, type Target } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { ChangeOutcome } from '../../src/raft/reconfiguration.ts'
import type { Configuration, Member } from '../../src/raft/types.ts'
import { Changes } from '../../src/storage/changes.ts'

const self: Member = { id: '00000000000000aa', address: '127.0.0.1:1', role: 'voter' }
const other: Member = { id: '00000000000000bb', address: '127.0.0.1:2', role: 'voter' }

/** A leader that would say this to any change; or, where another leads, a follower. */
function leading(
  changed: (members: readonly Member[]) => void,
  outcome: ChangeOutcome | null = { type: 'accepted' },
  leaderId = self.id,
  membership: Partial<Configuration> = {},
): Changes {
  const raft = {
    id: self.id,
    isLeader: leaderId === self.id,
    status: { leaderId },
    membership: { ...configurationOf([self, other]), ...membership },
    considerMembers: () => outcome,
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

test('what would come of a change is told, and nothing is changed', () => {
  const changes = leading(() => assert.fail('the members were changed'))
  const remove: MemberChange = { type: 'remove', member: other.id }
  const before = [self, other]
  assert.deepEqual(changes.forecast(remove), {
    type: 'planned',
    forecast: { before, after: [self], refused: null },
  })
  const stranger = changes.forecast({ type: 'remove', member: '00000000000000cc' })
  assert.deepEqual(stranger, {
    type: 'planned',
    forecast: { before, after: before, refused: null },
  })
  const taken = changes.forecast({
    type: 'replace',
    old: other.id,
    member: self.id,
    address: 'x:1',
  })
  assert.ok(taken.type === 'planned')
  assert.match(taken.forecast.refused ?? '', /is a member already/)
  assert.deepEqual(taken.forecast.after, before)
  changes.plan(7, remove)
  const [result] = changes.pump(() => assert.fail('a leader asks nobody'))
  assert.ok(result?.type === 'changePlanned' && result.id === 7)
  assert.deepEqual(
    changes.pump(() => undefined),
    [],
    'it is told once',
  )
})

test('a plan says what the leader would say: no, not now, or ask another', () => {
  const remove: MemberChange = { type: 'remove', member: other.id }
  for (const [outcome, answer] of [
    [
      { type: 'busy', reason: 'wait' },
      { type: 'busy', reason: 'wait' },
    ],
    [null, { type: 'redirected', leader: { id: self.id, address: self.address } }],
    [
      { type: 'refused', reason: 'no' },
      { type: 'planned', forecast: { before: [self, other], after: [self, other], refused: 'no' } },
    ],
  ] as const) {
    const changes = leading(() => assert.fail('the members were changed'), outcome)
    assert.deepEqual(changes.forecast(remove), answer)
  }
})

test('a plan is asked of the leader, again and again, and told when it answers', () => {
  const changes = leading(() => undefined, { type: 'accepted' }, other.id)
  const remove: MemberChange = { type: 'remove', member: other.id }
  changes.plan(7, remove)
  const asked: unknown[] = []
  const pump = () => changes.pump((to, request) => asked.push([to, request]))
  pump()
  changes.tick()
  pump()
  assert.deepEqual(asked, Array(2).fill([other.id, { type: 'plan', id: 7, change: remove }]))
  assert.equal(changes.answered(7, { type: 'busy', reason: 'wait' }), null)
  const forecast = { before: [self, other], after: [self], refused: null }
  const told = changes.answered(7, { type: 'planned', forecast })
  assert.deepEqual(told, { type: 'changePlanned', id: 7, forecast })
  assert.equal(changes.answered(7, { type: 'planned', forecast }), null)
})

test('a plan of what is on its way tells what it comes to', () => {
  const newcomer: Member = { id: '00000000000000cc', address: '127.0.0.1:3', role: 'learner' }
  const before = [self, other, newcomer]
  const promotions = [{ id: newcomer.id, inPlaceOf: other.id }]
  const none = () => assert.fail('the members were changed')
  const changes = leading(none, { type: 'accepted' }, self.id, { members: before, promotions })
  const { id: member, address } = newcomer
  const answer = changes.forecast({ type: 'replace', old: other.id, member, address })
  const after = [self, { ...newcomer, role: 'voter' }]
  assert.deepEqual(answer, { type: 'planned', forecast: { before, after, refused: null } })
})
