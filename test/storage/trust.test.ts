/** When the state environment is believed, and when the log makes it anew. */
import assert from 'node:assert/strict'
import { rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openLogEnvironment, openStateEnvironment } from '../../src/storage/environment.ts'
import { positionKey, writePosition } from '../../src/storage/layout.ts'
import { LogStore, type StateMark } from '../../src/storage/log-store.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { batchEntry } from '../support/batches.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { openCluster } from '../support/cluster.ts'

/** A closed directory whose state holds a key that its log does not, left with this mark. */
async function leftBehind(t: TestContext, change: (mark: StateMark) => StateMark): Promise<string> {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { dir })
  await cluster.put('a/real', 1)
  await cluster.put('gone', 1)
  await cluster.delete('gone')
  await cluster.close()

  const { store } = LogStore.open(openLogEnvironment(join(dir, 'node-1', 'log')), dir)
  assert.equal(store.stateMark?.clean, true)
  store.saveStateMark(change(store.stateMark ?? assert.fail()))
  await store.close()
  const state = new StateMachine(openStateEnvironment(join(dir, 'node-1', 'state-0')))
  const { appliedIndex, revision, hash } = state
  const position = writePosition({ appliedIndex, revision, hash })
  state.apply([batchEntry(state.appliedIndex + 1, [['put', 'b/ghost', 1]], { sequence: 1 })], null)
  state.tables.meta.putSync(positionKey, position)
  await state.close()
  return dir
}

test('a state left by another start of the machine, unclean, is made anew from the log', async (t) => {
  const dir = await leftBehind(t, () => ({
    bootId: 'another',
    clean: false,
    lost: false,
    unproven: 0,
    generation: 0,
  }))
  const cluster = await openCluster(t, { dir })
  assert.deepEqual(await cluster.keys(), ['a/real'])
  assert.deepEqual(await cluster.prefixes(), ['a/'])
  const entry = await cluster.entry('a/real')
  assert.deepEqual([entry?.modRevision, entry?.version], [1, 1])
  assert.equal((await cluster.put('next', 1)).revision, 4)
})

test('a state of this start of the machine is believed, though its process was killed', async (t) => {
  const dir = await leftBehind(t, ({ bootId }) => ({
    bootId,
    clean: false,
    lost: false,
    unproven: 0,
    generation: 0,
  }))
  const cluster = await openCluster(t, { dir })
  assert.deepEqual(await cluster.keys(), ['a/real', 'b/ghost'])
})

test('a state that was closed cleanly is believed after another start of the machine', async (t) => {
  const dir = await leftBehind(t, () => ({
    bootId: 'another',
    clean: true,
    lost: false,
    unproven: 0,
    generation: 0,
  }))
  const cluster = await openCluster(t, { dir })
  assert.deepEqual(await cluster.keys(), ['a/real', 'b/ghost'])
})

test('a state in use is marked unclean, and clean only once it is closed', async (t) => {
  const dir = await temporaryDir(t)
  const mark = async () => {
    const { store } = LogStore.open(openLogEnvironment(join(dir, 'node-1', 'log')), dir)
    const found = store.stateMark
    await store.close()
    return found?.clean
  }
  const killed = await openCluster(t, { dir })
  await killed.put('k', 1)
  await killed.nodes[0]?.kill()
  assert.equal(await mark(), false)
  const closed = await openCluster(t, { dir })
  await closed.close()
  assert.equal(await mark(), true)
})

for (const damage of ['deleted', 'of a lost boot'] as const) {
  test(`a state that is ${damage} is made of the newest snapshot that is whole, and of the log behind it`, async (t) => {
    const dir = await temporaryDir(t)
    const cluster = await openCluster(t, { dir })
    for (let n = 0; n < 3; n++) {
      await cluster.put('k', n)
      await cluster.snapshot()
    }
    await cluster.put('behind', 1)
    const { firstIndex, revision } = cluster.status()
    assert.ok(firstIndex > 1, 'the log alone cannot make it')
    await cluster.close()
    const node = join(dir, 'node-1')
    if (damage === 'deleted') rmSync(join(node, 'state-0'), { recursive: true })
    else {
      const { store } = LogStore.open(openLogEnvironment(join(node, 'log')), dir)
      store.saveStateMark({
        bootId: 'another',
        clean: false,
        lost: false,
        unproven: 0,
        generation: 0,
      })
      const [newest] = store.snapshots
      await store.close()
      truncateSync(join(node, 'snapshots', `${newest?.index}-${newest?.hash}.mdb`), 5_000)
    }
    const again = await openCluster(t, { dir })
    assert.deepEqual([await again.get('k'), await again.get('behind')], [2, 1])
    assert.equal(again.status().revision, revision)
  })
}
