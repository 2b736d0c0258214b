import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planScan, Scans, scan } from '../../src/client/scan.ts'
import { scanAgeMsMax } from '../../src/options.ts'
import type { ReadRecord, Snapshot, StateReader } from '../../src/storage/reader.ts'
import { skiff } from '../support/cluster.ts'

/** A state of 300 keys, and whether its snapshots are open. */
function fakeState() {
  const value = Uint8Array.of(1)
  const record = { createRevision: 1, modRevision: 1, version: 1, value }
  const page = (_: unknown, limit: number): ReadRecord[] =>
    Array.from({ length: Math.min(limit, 300) }, (_, n) => ({ ...record, key: `k${n}` }))
  const closed: boolean[] = []
  const snapshot = () => {
    const at = closed.push(false) - 1
    const close = () => {
      closed[at] = true
    }
    return { page, close } as unknown as Snapshot
  }
  return { state: { snapshot } as unknown as StateReader, closed }
}

test('a scan that nobody goes on with is ended when it is too old, and pins its pages no longer', async (t) => {
  const { state, closed } = fakeState()
  const scans = new Scans(state)
  const open = async () => ({ scans, scan: scans.open() })
  let time = 1_000
  t.mock.method(performance, 'now', () => time)
  const abandoned = scan(planScan(), open, undefined)
  await abandoned.next()
  time += scanAgeMsMax - 1
  scans.sweep()
  assert.deepEqual(closed, [false])
  const young = scan(planScan(), open, undefined)
  await young.next()
  time += 1
  scans.sweep()
  assert.deepEqual(closed, [true, false])
  // What was read is still given; the next page is not.
  for (let n = 1; n < 256; n++) assert.equal((await abandoned.next()).value?.key, `k${n}`)
  await assert.rejects(abandoned.next(), skiff('SKIFF_TIMEOUT', 'not-applied', /go on with from/))
  await young.return()
  assert.deepEqual(closed, [true, true])
})
