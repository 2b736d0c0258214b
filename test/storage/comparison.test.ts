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

test('a rival is one of those that are of one mind and more than are of the leader’s', () => {
  for (const [answers, rival] of [
    [{ a: 'x' }, null],
    [{ a: 'x', b: 'y' }, null],
    [{ a: 'x', b: 'y', c: 'z' }, null],
    [{ a: 'x', b: 'z', c: 'y', d: 'y' }, 'c'],
    [{ a: 'x', b: 'x', c: 'y', d: 'y' }, null],
  ] as const)
    assert.equal(compare(answers).rival(five), rival)
  const joint = new Quorum([...'abc'], [...'ade'])
  assert.equal(compare({ a: 'x', b: 'y', c: 'y' }).rival(joint), null, 'fewer among the outgoing')
  assert.equal(compare({ a: 'x', b: 'y', c: 'y', d: 'y' }).rival(joint), 'b')
})

test('it is complete when every voter has answered; who answers again says nothing new', () => {
  const comparison = compare({ a: 'x', b: 'x', c: 'x', d: 'x' })
  assert.equal(comparison.isComplete(five), false)
  assert.equal(comparison.record('d', digest('x')), false)
  assert.equal(comparison.record('e', digest('y')), true)
  assert.ok(comparison.isComplete(five))
})
