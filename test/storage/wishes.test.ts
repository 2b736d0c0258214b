/** What a change of the members comes to: what is asked of the core first, and what follows by itself. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MemberChange } from '../../src/messages.ts'
import { configurationOf } from '../../src/raft/membership.ts'
import type { Configuration, Member } from '../../src/raft/types.ts'
import { judge, type Wish } from '../../src/storage/wishes.ts'

const member = (id: string, role: Member['role'] = 'voter'): Member => ({
  id,
  address: `${id}:1`,
  role,
})
const trio = configurationOf([member('a'), member('b'), member('c')])
const withLearner = (promotions: Configuration['promotions']): Configuration => ({
  ...trio,
  members: [...trio.members, member('d', 'learner')],
  promotions,
})

const add = (id: string, role: Member['role'] = 'voter', address = `${id}:1`): MemberChange => ({
  type: 'add',
  member: id,
  address,
  role,
})
const replace = (old: string, id: string, address = `${id}:1`): MemberChange => ({
  type: 'replace',
  old,
  member: id,
  address,
})

function wishOf(from: Configuration, change: MemberChange): Wish {
  const wish = judge(from, change)
  assert.ok(wish !== null && typeof wish !== 'string', `${wish}`)
  return wish
}

/** Each with its role, in a few words; what a learner is to become behind it. */
function brief({ members, promotions }: Wish['first']): string {
  const futures = new Map(promotions.map(({ id, inPlaceOf }) => [id, inPlaceOf ?? 'votes']))
  return members
    .map(({ id, role }) => (role === 'voter' ? id : `(${id} ${futures.get(id) ?? 'stays'})`))
    .join(' ')
}

const cases: readonly [string, Configuration, MemberChange, string, string][] = [
  ['a voter enters as a learner', trio, add('d'), 'a b c (d votes)', 'a b c d'],
  [
    'a learner enters and stays one',
    trio,
    add('d', 'learner'),
    'a b c (d stays)',
    'a b c (d stays)',
  ],
  ['a learner is to vote', withLearner([]), add('d'), 'a b c (d votes)', 'a b c d'],
  [
    'a newcomer is to stay a learner after all',
    withLearner([{ id: 'd', inPlaceOf: null }]),
    add('d', 'learner'),
    'a b c (d stays)',
    'a b c (d stays)',
  ],
  ['a member is elsewhere', trio, add('a', 'voter', 'x:1'), 'a b c', 'a b c'],
  ['a voter becomes a learner', trio, add('c', 'learner'), 'a b (c stays)', 'a b (c stays)'],
  [
    'a voter goes that was to be replaced: who was to take its place comes in nobody’s',
    withLearner([{ id: 'd', inPlaceOf: 'b' }]),
    { type: 'remove', member: 'b' },
    'a c (d votes)',
    'a c (d votes)',
  ],
  ['a voter goes', trio, { type: 'remove', member: 'b' }, 'a c', 'a c'],
  [
    'a learner goes',
    withLearner([{ id: 'd', inPlaceOf: null }]),
    { type: 'remove', member: 'd' },
    'a b c',
    'a b c',
  ],
  ['a voter is replaced', trio, replace('c', 'd'), 'a b c (d c)', 'a b d'],
  ['also at the same address', trio, replace('c', 'd', 'c:1'), 'a b c (d c)', 'a b d'],
  [
    'a learner is replaced at once',
    withLearner([]),
    replace('d', 'e'),
    'a b c (e stays)',
    'a b c (e stays)',
  ],
]

describe('a change', () => {
  for (const [what, from, change, first, after] of cases)
    test(`${what}: ${first}, then ${after}`, () => {
      const wish = wishOf(from, change)
      assert.deepEqual([brief(wish.first), brief(wish.after)], [first, after])
    })

  test('of what is so already, or on its way, is none', () => {
    const entering = withLearner([{ id: 'd', inPlaceOf: null }])
    const replacing = withLearner([{ id: 'd', inPlaceOf: 'c' }])
    const replaced = configurationOf([member('a'), member('b'), member('d')])
    for (const [from, change] of [
      [trio, add('a')],
      [trio, { type: 'remove', member: 'x' }],
      [entering, add('d')],
      [withLearner([]), add('d', 'learner')],
      [replacing, replace('c', 'd')],
      [replaced, replace('c', 'd')],
    ] as const)
      assert.equal(judge(from, change), null)
  })

  test('that cannot be says why', () => {
    const replacing = withLearner([{ id: 'd', inPlaceOf: 'c' }])
    const seven = configurationOf([...'abcdefg'].map((id) => member(id)))
    for (const [from, change, reason] of [
      [trio, add('a', 'voter', 'b:1'), /b:1 is the address of member b/],
      [trio, add('d', 'voter', 'a:1'), /a:1 is the address of member a/],
      [trio, replace('c', 'd', 'a:1'), /a:1 is the address of member a/],
      [trio, replace('x', 'd'), /x is no member/],
      [trio, replace('c', 'a'), /a is a member already/],
      [trio, replace('c', 'c'), /its own place/],
      [replacing, replace('c', 'e'), /c is being replaced by d/],
      [seven, add('h'), /at most 7 members/],
      [seven, add('h', 'learner'), /at most 7 members/],
    ] as const) {
      const answer = judge(from, change)
      assert.ok(typeof answer === 'string')
      assert.match(answer, reason)
    }
    assert.equal(brief(wishOf(seven, replace('g', 'h')).after), 'a b c d e f h')
  })

  test('of one learner leaves the others what they are to be', () => {
    const first = wishOf(trio, add('d')).first
    const second = wishOf({ ...first, outgoing: [] }, replace('c', 'e')).first
    assert.equal(brief(second), 'a b c (d votes) (e c)')
    const third = wishOf({ ...second, outgoing: [] }, { type: 'remove', member: 'a' }).first
    assert.equal(brief(third), 'b c (d votes) (e c)')
  })
})
