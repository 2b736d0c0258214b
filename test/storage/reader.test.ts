/** Reads of the main thread, while another state takes the place of the one that is read. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openStateEnvironment } from '../../src/storage/environment.ts'
import { StateReader } from '../../src/storage/reader.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { batchEntry } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'

const all = { from: Buffer.from([0]), to: null, reverse: false }

/** A state with these keys, and where it is. */
async function openState(test: TestContext, keys: readonly string[]): Promise<string> {
  const path = join(await temporaryDir(test), 'state-0')
  const state = new StateMachine(openStateEnvironment(path))
  defer(test, () => state.close())
  state.apply(
    [
      batchEntry(
        1,
        keys.map((key) => ['put', key, key] as const),
      ),
    ],
    null,
  )
  return path
}

test('after the state was replaced every read is of the new one', async (t) => {
  const [before, after] = [await openState(t, ['a', 'b']), await openState(t, ['c'])]
  const reader = new StateReader(before)
  defer(t, () => reader.close())
  assert.deepEqual(reader.keys(Buffer.from('')), ['a', 'b'])
  reader.replace(after)
  assert.deepEqual(reader.keys(Buffer.from('')), ['c'])
  assert.equal(reader.get(Buffer.from('a')), null)
  const scan = reader.snapshot()
  assert.equal(scan.page(all, 10, 1_000).records.length, 1)
  scan.close()
})

test('a scan under way goes on in the state it began in, until it is closed', async (t) => {
  const [before, after] = [await openState(t, ['a', 'b', 'c']), await openState(t, ['d'])]
  const reader = new StateReader(before)
  const scan = reader.snapshot()
  assert.deepEqual(
    scan.page(all, 1, 1_000).records.map(({ key }) => key),
    ['a'],
  )
  reader.replace(after)
  const rest = scan.page({ ...all, from: Buffer.from('b') }, 10, 1_000)
  assert.deepEqual(
    rest.records.map(({ key }) => key),
    ['b', 'c'],
  )
  scan.close()
  scan.close()
  await reader.close()
})

test('a state that is gone again, for another has taken its place, is not opened; nor any behind the end', async (t) => {
  const [before, after] = [await openState(t, ['a']), await openState(t, ['b'])]
  const reader = new StateReader(before)
  const gone = join(await temporaryDir(t), 'state-1')
  assert.equal(reader.replace(gone), false)
  assert.equal(existsSync(gone), false)
  assert.deepEqual(reader.keys(Buffer.from('')), ['a'])
  await reader.close()
  assert.equal(reader.replace(after), false)
})
