import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { planScan, Scans, scan } from '../../src/client/scan.ts'
import { scanAgeMsMax } from '../../src/options.ts'
import { openStateEnvironment } from '../../src/storage/environment.ts'
import { type Page, prefixBounds, type Snapshot, StateReader } from '../../src/storage/reader.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { batchEntry } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import { skiff } from '../support/cluster.ts'

/** A state of 300 keys, and whether its snapshots are open. */
function fakeState() {
  const value = Uint8Array.of(1)
  const record = { createRevision: 1, modRevision: 1, version: 1, value }
  const page = (_: unknown, limit: number): Page => ({
    records: Array.from({ length: Math.min(limit, 300) }, (_, n) => ({ ...record, key: `k${n}` })),
    isLast: limit >= 300,
  })
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
  await assert.rejects(
    abandoned.next(),
    skiff('SKIFF_TIMEOUT', 'not-applied', /behind the last key/),
  )
  await young.return()
  assert.deepEqual(closed, [true, true])
})

test('a page ends at its entries, at its bytes, or with the range, and says which', async (t) => {
  const path = join(await temporaryDir(t), 'state')
  const machine = new StateMachine(openStateEnvironment(path))
  const value = 'x'.repeat(1_000)
  machine.apply(
    [
      batchEntry(
        1,
        ['a', 'b', 'c', 'd', 'e'].map((key) => ['put', key, value]),
      ),
    ],
    null,
  )
  const state = new StateReader(path)
  const snapshot = state.snapshot()
  defer(t, () => machine.close())
  defer(t, () => state.close())
  defer(t, () => snapshot.close())
  const page = (prefix: string, limit: number, bytesMax: number) => {
    const bounds = { ...prefixBounds(Buffer.from(prefix)), reverse: false }
    const { records, isLast } = snapshot.page(bounds, limit, bytesMax)
    return [records.map(({ key }) => key).join(''), isLast]
  }
  assert.deepEqual(page('', 10, 1e6), ['abcde', true])
  assert.deepEqual(page('', 3, 1e6), ['abc', false])
  assert.deepEqual(page('', 10, 3_000), ['abc', false])
  assert.deepEqual(page('', 10, 1), ['a', false])
  assert.deepEqual(page('e', 10, 1e6), ['e', true])
  assert.deepEqual(page('x', 10, 1), ['', true])
})
