/** The arithmetic of majorities. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { majority, majorityIndex } from '../../src/raft/quorum.ts'

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
