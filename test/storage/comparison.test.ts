/** What the answers of members add up to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Quorum } from '../../src/raft/quorum.ts'
import { Comparison } from '../../src/storage/comparison.ts'

/** What each has as of entry 7, as one letter; `a` leads. */
function compare(answers: Record<string, string>): Comparison {
  const { a = '', ...others } = answers
  const comparison = new Comparison('a', { index: 7, digest: digest(a) })
  for (const [id, letter] of Object.entries(others)) comparison.record(id, digest(letter))
  return comparison
}

function digest(letter: string): number {
  return letter.charCodeAt(0)
}

const five = new Quorum([...'abcde'], [])

test('right is what a majority has, be it not the leader', () => {
  assert.equal(compare({ a: 'x', b: 'x' }).right(five), null)
  assert.deepEqual(compare({ a: 'x', b: 'x', c: 'y', d: 'x' }).right(five), {
    index: 7,
    digest: digest('x'),
  })
  const outnumbered = compare({ a: 'x', b: 'y', c: 'y', d: 'y' })
  assert.equal(outnumbered.right(five)?.digest, digest('y'))
  assert.deepEqual(outnumbered.othersThan(digest('y')), ['a'])
  const joint = new Quorum([...'abc'], [...'ade'])
  assert.equal(compare({ a: 'x', b: 'x', d: 'y', e: 'y' }).right(joint), null)
})

test('rivals are those that are of one mind and more than are of the leader’s', () => {
  for (const [answers, rivals] of [
    [{ a: 'x' }, []],
    [{ a: 'x', b: 'y' }, []],
    [{ a: 'x', b: 'y', c: 'z' }, []],
    [{ a: 'x', b: 'z', c: 'y', d: 'y' }, ['c', 'd']],
    [{ a: 'x', b: 'x', c: 'y', d: 'y' }, []],
  ] as const)
    assert.deepEqual(compare(answers).rivals(five), rivals)
  const joint = new Quorum([...'abc'], [...'ade'])
  assert.deepEqual(
    compare({ a: 'x', b: 'y', c: 'y' }).rivals(joint),
    [],
    'fewer among the outgoing',
  )
  assert.deepEqual(compare({ a: 'x', b: 'y', c: 'y', d: 'y' }).rivals(joint), ['b', 'c', 'd'])
})

test('it is complete when every voter has answered; who answers again says nothing new', () => {
  const comparison = compare({ a: 'x', b: 'x', c: 'x', d: 'x' })
  assert.equal(comparison.isComplete(five), false)
  assert.equal(comparison.record('d', digest('x')), false)
  assert.equal(comparison.record('e', digest('y')), true)
  assert.ok(comparison.isComplete(five))
})
