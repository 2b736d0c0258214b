/** How a directory is told from a copy of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { descendsFrom, incarnationRandom, lineageMax, withStart } from '../../src/raft/lineage.ts'

/** So many starts, of which the last is the one to be judged. */
function started(starts: number): { incarnation: number; ancestors: number[] } {
  let lineage: readonly number[] = []
  for (let n = 1; n <= starts; n++) lineage = withStart(lineage, n * incarnationRandom + n)
  return { incarnation: lineage.at(-1) ?? 0, ancestors: lineage.slice(0, -1) }
}

test('a start descends from none of another directory that was copied from the same', () => {
  const original = started(3)
  const copy = { incarnation: original.incarnation + 1, ancestors: original.ancestors }
  assert.equal(descendsFrom(copy, original.incarnation), false)
  assert.equal(descendsFrom(original, copy.incarnation), false)
  for (const before of original.ancestors) assert.ok(descendsFrom(copy, before))
  const later = started(4)
  assert.ok(descendsFrom(later, original.incarnation))
  assert.equal(descendsFrom(later, copy.incarnation), false)
})

test('where a lineage is cut, all that is older is taken for an ancestor, and nothing newer', () => {
  const whole = started(lineageMax)
  const cut = started(lineageMax + 1)
  assert.equal(cut.ancestors.length, lineageMax - 1)
  const first = incarnationRandom + 1
  assert.ok(descendsFrom(whole, first))
  assert.ok(!cut.ancestors.includes(first) && descendsFrom(cut, first))
  assert.equal(descendsFrom(whole, first + 1), false)
  const [oldest = 0] = cut.ancestors
  assert.equal(descendsFrom(cut, oldest + 1), false)
  assert.equal(descendsFrom(cut, cut.incarnation + 1), false)
})
