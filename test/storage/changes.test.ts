import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Change, MemberChange, Plan } from '../../src/messages.ts'
import { configurationOf, type Target } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { ChangeOutcome } from '../../src/raft/reconfiguration.ts'
import type { Configuration, Member, NodeId } from '../../src/raft/types.ts'
import { Changes } from '../../src/storage/changes.ts'

const self: Member = { id: '00000000000000aa', address: '127.0.0.1:1', role: 'voter' }
const other: Member = { id: '00000000000000bb', address: '127.0.0.1:2', role: 'voter' }

interface Situation {
  /** What it would say to any change, as far as it leads. */
  readonly outcome?: ChangeOutcome | null
  readonly leaderId?: NodeId
  /** Where it is. */
  readonly address?: string
  readonly membership?: Partial<Configuration>
}

/** A leader; or, where another leads, a follower. */
function leading(
  changed: (members: readonly Member[]) => void,
  situation: Situation = {},
): Changes {
  const { outcome = { type: 'accepted' }, leaderId = self.id, address = self.address } = situation
  const raft = {
    id: self.id,
    isLeader: leaderId === self.id,
    status: { leaderId },
    membership: { ...configurationOf([self, other]), ...situation.membership },
    considerMembers: () => outcome,
    changeMembership: ({ members }: Target) => {
      changed(members)
      return { type: 'accepted' }
    },
  }
  return new Changes(raft as unknown as Raft, 2, address)
}

test('another server is not added under the address of a member, and told what to do', () => {
  const changes = leading(() => assert.fail('the members were changed'))
  const ask = (member: string, address: string) =>
    changes.asked(self.id, { type: 'add', member, address, role: 'voter' })
  assert.deepEqual(ask(other.id, other.address), { type: 'accepted' })
  const taken = ask('00000000000000cc', other.address)
  assert.ok(taken.type === 'refused')
  assert.match(taken.reason, /127\.0\.0\.1:2 is the address of member 00000000000000bb, .*cc/)
  assert.match(taken.reason, /removeServer\('00000000000000bb'\)/)
})

test('a member moves, as it is; nobody moves who is none, nor to where another one is', () => {
  const seen: (readonly Member[])[] = []
  const changes = leading((members) => seen.push(members))
  const moved = { ...other, address: '127.0.0.1:3' }
  const { id: member, address } = moved
  for (const change of [
    { type: 'move', member, address } as const,
    { type: 'add', member, address, role: 'voter' } as const,
  ]) {
    assert.deepEqual(changes.asked(other.id, change), { type: 'accepted' })
    assert.deepEqual(seen.pop(), [self, moved])
    const taken = changes.asked(other.id, { ...change, address: self.address })
    assert.equal(taken.type, 'refused')
  }
  const stranger = { type: 'move', member: '00000000000000cc', address: '127.0.0.1:4' } as const
  assert.deepEqual(changes.asked(stranger.member, stranger), {
    ...{ type: 'refused', reason: '00000000000000cc is no member' },
  })
  assert.deepEqual(seen, [])
})

test('a member that is elsewhere asks its leader to say so, again and again', () => {
  const asked: (readonly [NodeId, Change | Plan])[] = []
  const changes = leading(() => assert.fail('a follower changes nothing'), {
    ...{ leaderId: other.id, address: '127.0.0.1:9' },
  })
  const pump = () => {
    changes.pump((to, request) => {
      asked.push([to, request])
    })
  }
  const change = { type: 'move', member: self.id, address: '127.0.0.1:9' } as const
  const question = [other.id, { type: 'change', id: 0, change }] as const
  pump()
  pump()
  assert.deepEqual(asked, [question])
  assert.equal(changes.answered(0, { type: 'refused', reason: 'taken' }), null)
  for (let n = 0; n < 2; n++) changes.tick()
  pump()
  assert.deepEqual(asked, [question, question])
})

test('a leader that is elsewhere moves itself, and one that is where it should be does nothing', () => {
  const seen: (readonly Member[])[] = []
  const ask = () => assert.fail('a leader asks nobody')
  leading((members) => seen.push(members), { address: '127.0.0.1:9' }).pump(ask)
  assert.deepEqual(seen, [[{ ...self, address: '127.0.0.1:9' }, other]])
  leading(() => assert.fail('nothing to change')).pump(ask)
})

test('a link is kept to a server that asks for admission, until it has not asked for long', () => {
  const changes = leading(() => undefined)
  const applicant = { id: '00000000000000cc', address: '127.0.0.1:3' }
  const { id: member, address } = applicant
  const asks = () => changes.asked(member, { type: 'add', member, address, role: 'voter' })
  const contacts = () => changes.contacts.map(({ id }) => id)
  asks()
  for (let n = 0; n < 39; n++) changes.tick()
  asks()
  for (let n = 0; n < 39; n++) changes.tick()
  assert.deepEqual(contacts(), [member])
  changes.tick()
  assert.deepEqual(contacts(), [])
})

test('what our own callers ask and a leader refuses is told once, and asked no more', () => {
  const changes = leading(() => assert.fail('the members were changed'))
  const taken = { type: 'add', member: '00000000000000cc', role: 'voter' } as const
  changes.add(7, { ...taken, address: other.address }, null)
  const ask = () => assert.fail('a leader asks nobody')
  const [result] = changes.pump(ask)
  assert.ok(result?.type === 'changeRefused')
  assert.equal(result.id, 7)
  assert.match(result.reason, /is the address of member/)
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
    const changes = leading(() => assert.fail('the members were changed'), { outcome })
    assert.deepEqual(changes.forecast(remove), answer)
  }
})

test('a plan is asked of the leader, again and again, and told when it answers', () => {
  const changes = leading(() => undefined, { leaderId: other.id })
  const remove: MemberChange = { type: 'remove', member: other.id }
  changes.plan(7, remove)
  const asked: unknown[] = []
  const pump = () => changes.pump((to, request) => asked.push([to, request]))
  pump()
  for (let n = 0; n < 2; n++) changes.tick()
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
  const changes = leading(none, { membership: { members: before, promotions } })
  const { id: member, address } = newcomer
  const answer = changes.forecast({ type: 'replace', old: other.id, member, address })
  const after = [self, { ...newcomer, role: 'voter' }]
  assert.deepEqual(answer, { type: 'planned', forecast: { before, after, refused: null } })
})
