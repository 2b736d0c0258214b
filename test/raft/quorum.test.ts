/** The arithmetic of majorities. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { majority, majorityIndex, Quorum } from '../../src/raft/quorum.ts'

test('a majority is more than half', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4])
})

const cases: readonly [readonly number[], number][] = [
  [[5], 5],
  [[5, 3], 3],
  [[0, 9, 4], 4],
  [[9, 9, 1, 2], 2],
  [[1, 2, 3, 4, 5], 3],
  [[7, 0, 0, 7, 7, 0], 0],
  [[], 0],
]
for (const [held, index] of cases) {
  test(`a majority of [${held}] has reached ${index}`, () => {
    assert.equal(majorityIndex(held), index)
  })
}

test('more than half have reached the index, and not more than half the next', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 7 }), (held) => {
      const index = majorityIndex(held)
      const reached = (at: number) => held.filter((each) => each >= at).length * 2 > held.length
      assert.ok(reached(index) && !reached(index + 1))
    }),
  )
})

const among = (ids: string) => (id: string) => ids.includes(id)

test('paper §6: while two majorities count, neither decides alone', () => {
  const quorum = new Quorum(['a', 'b', 'd'], ['a', 'b', 'c'])
  assert.deepEqual(quorum.voters, ['a', 'b', 'd', 'c'])
  for (const [agreed, isQuorum] of [
    ['ab', true],
    ['acd', true],
    ['ad', false],
    ['ac', false],
    ['cd', false],
    ['', false],
  ] as const)
    assert.equal(quorum.isQuorum(among(agreed)), isQuorum, agreed)
})

test('paper §6: a vote is lost as soon as one of the two majorities cannot be had', () => {
  const quorum = new Quorum(['a', 'b', 'd'], ['a', 'c', 'e'])
  assert.equal(quorum.isLost(among('cd')), false)
  assert.equal(quorum.isLost(among('bd')), true)
  assert.equal(quorum.isLost(among('ce')), true)
})

test('paper §6: committed is what both majorities hold', () => {
  const held = new Map([
    ['a', 9],
    ['b', 3],
    ['c', 9],
    ['d', 5],
  ])
  const index = (voters: string[], outgoing: string[]) =>
    new Quorum(voters, outgoing).committedIndex((id) => held.get(id) ?? 0)
  assert.equal(index(['a', 'b', 'c'], []), 9)
  assert.equal(index(['a', 'b', 'd'], []), 5)
  assert.equal(index(['a', 'b', 'd'], ['a', 'b', 'c']), 5)
  assert.equal(index(['a', 'b', 'c'], ['a', 'b', 'd']), 5)
})

test('more are those that are more, and where two majorities count, fewer in neither', () => {
  const plain = new Quorum(['a', 'b', 'c', 'd', 'e'], [])
  const joint = new Quorum(['a', 'b', 'd'], ['a', 'b', 'c'])
  for (const [quorum, these, others, isMore] of [
    [plain, 'ab', 'c', true],
    [plain, 'ab', 'cd', false],
    [plain, 'abx', 'cde', false],
    [joint, 'ab', 'cd', true],
    [joint, 'b', 'd', true],
    [joint, 'c', 'd', false],
    [joint, 'd', 'c', false],
    [joint, 'd', '', true],
  ] as const)
    assert.equal(quorum.outweighs(among(these), among(others)), isMore, `${these} ${others}`)
})

test('nobody is no quorum', () => {
  const nobody = new Quorum([], [])
  assert.equal(
    nobody.isQuorum(() => true),
    false,
  )
  assert.equal(
    nobody.committedIndex(() => 9),
    0,
  )
})

test('two quorums of one configuration share a voter, and a joint one shares one with each of its sides', () => {
  const some = fc.subarray(['a', 'b', 'c', 'd', 'e', 'f', 'g'], { minLength: 1 })
  fc.assert(
    fc.property(some, some, some, some, (before, after, these, those) => {
      const joint = new Quorum(after, before)
      const inBoth = these.some((id) => those.includes(id))
      const agree = (ids: string[]) => (id: string) => ids.includes(id)
      for (const side of [joint, new Quorum(before, []), new Quorum(after, [])]) {
        const both = joint.isQuorum(agree(these)) && side.isQuorum(agree(those))
        assert.ok(!both || inBoth)
      }
    }),
  )
})
