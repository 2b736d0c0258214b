import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growthOf, lineThrough, renderGrowth } from '../../bench/report/growth.ts'
import { row } from './rows.ts'

test('growth is told from the first point to the last of what is otherwise alike', () => {
  const rows = [
    row('skiff, 1 node', { suite: 'scale-keys', keys: 1_000_000, p50Ms: [3] }),
    row('skiff, 1 node', { suite: 'scale-keys', keys: 10_000, p50Ms: [1] }),
    row('skiff, 1 node', { suite: 'scale-keys', keys: 10_000, callers: 1 }),
    row('lmdb-js', { suite: 'scale-keys', keys: 10_000 }),
  ]
  const growth = growthOf('scale-keys', rows)
  assert.equal(growth.length, 1)
  const [only] = growth
  assert.deepEqual([only?.from, only?.to], ['10,000 keys', '1,000,000 keys'])
  assert.deepEqual(only?.p50, { first: 1, last: 3 })
  assert.equal(only?.syncs, null)
  assert.match(renderGrowth('scale-keys', rows) ?? '', /1 → 3 \(3 ×\)/)
  assert.equal(renderGrowth('put1', rows), null)
})

test('by the size of the value cost is a part for each put and a part for its bytes', () => {
  const points = [16, 1_024, 65_536].map((bytes) => [bytes, 10 + (2 * bytes) / 1_024] as const)
  const { each, perKibibyte } = lineThrough(points)
  assert.ok(Math.abs(each - 10) < 1e-6 && Math.abs(perKibibyte - 2) < 1e-6)
})
