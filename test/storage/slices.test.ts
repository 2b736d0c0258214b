/** What of a turn is applied together. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchCommandsMax } from '../../src/options.ts'
import type { Entry } from '../../src/raft/types.ts'
import { slicesOf } from '../../src/storage/slices.ts'
import { batchEntry, noop } from '../support/batches.ts'

/** Entries of so many commands; 0: one that is no batch. */
function entriesOf(counts: readonly number[]): Entry[] {
  return counts.map((count, n) =>
    count === 0
      ? noop(n + 1)
      : batchEntry(
          n + 1,
          Array.from({ length: count }, (_, k) => ['put', `k${k}`, n] as const),
        ),
  )
}

test('small batches share a slice, a full one has its own, and all of them are applied in order', () => {
  const full = batchCommandsMax
  const counts = [full, 1, 0, full - 2, full, 3, 4, 5]
  const slices = slicesOf(entriesOf(counts))
  assert.deepEqual(
    slices.map((slice) => slice.map(({ index }) => index)),
    [[1], [2, 3, 4], [5], [6, 7, 8]],
  )
})

test('of nothing there is no slice', () => {
  assert.deepEqual(slicesOf([]), [])
})
