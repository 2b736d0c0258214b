/** When snapshots are taken, which are kept, and how far the log is cut for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchEntry } from '../support/batches.ts'
import { entryBytes, SnapshotStage as Stage } from './snapshot-stage.ts'

test('a snapshot is due once more was applied than the limit, and none is before', () => {
  const stage = new Stage()
  stage.write(10)
  stage.pump()
  assert.equal(stage.isTaking, false)
  stage.write(1)
  stage.pump()
  assert.equal(stage.isTaking, true)
})

test('after one that is larger than the limit, its own size is the limit', () => {
  const stage = new Stage()
  stage.takeAnother(20 * entryBytes)
  stage.write(19)
  stage.pump()
  assert.equal(stage.isTaking, false)
  stage.write(2)
  stage.pump()
  assert.equal(stage.isTaking, true)
})

test('while one is taken another waits, and what is applied meanwhile counts for it', () => {
  const stage = new Stage()
  stage.write(11)
  stage.pump()
  stage.write(11)
  stage.pump()
  stage.finish()
  assert.equal(stage.isTaking, true)
})

test('a start counts what is behind the newest snapshot', () => {
  const stage = new Stage()
  stage.takeAnother()
  stage.write(11)
  stage.open()
  stage.pump()
  assert.equal(stage.isTaking, true)
})

test('the newest two are kept, and the log back to the older one', () => {
  const stage = new Stage()
  stage.takeAnother()
  assert.deepEqual([stage.indexes, stage.log.base.index], [[11], 0], 'one alone cuts nothing')
  stage.takeAnother()
  assert.deepEqual([stage.indexes, stage.log.base.index], [[22, 11], 11])
  stage.takeAnother()
  assert.deepEqual([stage.indexes, stage.log.base.index], [[33, 22], 22])
  assert.deepEqual(stage.files.kept, [33, 22])
})

test('the newest as of an entry may be the older one', () => {
  const stage = new Stage()
  for (let n = 0; n < 2; n++) stage.takeAnother()
  const upTo = (index: number) => stage.snapshots.newestUpTo(index)?.index
  assert.deepEqual([10, 11, 21, 22].map(upTo), [undefined, 11, 11, 22])
})

test('those that lead to a wrong state are gone; where all do, their files stay until another has come', () => {
  const stage = new Stage()
  for (let n = 0; n < 2; n++) stage.takeAnother()
  stage.log.recordSnapshots(stage.log.snapshots.slice(1), stage.log.base)
  stage.snapshots.forgetWrong(false)
  assert.deepEqual(stage.files.kept, [11])
  stage.snapshots.forgetWrong(true)
  assert.equal(stage.snapshots.newest, null)
  assert.deepEqual(stage.files.kept, [11])
})

test('one that others still need is kept, and the log behind it, until they have it', () => {
  const stage = new Stage()
  stage.takeAnother()
  stage.inUse = stage.log.snapshots
  for (let n = 0; n < 3; n++) stage.takeAnother()
  assert.deepEqual([stage.indexes, stage.log.base.index], [[44, 33], 11])
  assert.deepEqual(stage.files.kept, [44, 33, 11])
  stage.inUse = []
  stage.takeAnother()
  assert.deepEqual([stage.log.base.index, stage.files.kept], [44, [55, 44]])
})

test('a copy that fails costs nothing but time', () => {
  const stage = new Stage()
  stage.write(11)
  stage.pump()
  stage.finish(new Error('no space left'))
  stage.pump()
  assert.equal(stage.isTaking, false, 'not again at once')
  for (let n = 0; n < 2_000; n++) stage.snapshots.tick()
  stage.pump()
  assert.equal(stage.isTaking, true)
  stage.finish()
  assert.deepEqual(stage.indexes, [11])
})

test('where there is no room for another, none is begun', () => {
  const stage = new Stage()
  stage.takeAnother(5_000)
  stage.files.freeBytes = 5_000
  const outcomes: unknown[] = []
  stage.snapshots.ask((outcome) => outcomes.push(outcome))
  stage.pump()
  assert.equal(stage.isTaking, false)
  assert.match(String(outcomes[0]), /no room/)
})

test('who asks gets one that was begun afterwards, however little there is', () => {
  const stage = new Stage()
  const outcomes: unknown[] = []
  const ask = () =>
    stage.snapshots.ask((outcome) => outcomes.push(outcome instanceof Error ? -1 : outcome.index))
  stage.write(1)
  ask()
  stage.pump()
  ask()
  stage.write(1)
  stage.finish()
  assert.deepEqual(outcomes, [2])
  assert.equal(stage.isTaking, true, 'the second asker needs another')
  stage.write(1)
  stage.finish()
  assert.deepEqual(outcomes, [2, 3])
})

test('who asks where nothing is new gets the newest there is', () => {
  const stage = new Stage()
  stage.takeAnother()
  const outcomes: number[] = []
  stage.snapshots.ask((outcome) => outcomes.push(outcome instanceof Error ? -1 : outcome.index))
  stage.pump()
  stage.finish({ bytes: 77 })
  assert.deepEqual([outcomes, stage.indexes], [[11], [11]])
  assert.equal(stage.log.snapshots[0]?.bytes, 100)
})

test('who waits when the node stops is told', () => {
  const stage = new Stage()
  stage.write(1)
  const outcomes: unknown[] = []
  for (const begins of [true, false]) {
    stage.snapshots.ask((outcome) => outcomes.push(outcome))
    if (begins) stage.pump()
  }
  stage.snapshots.close()
  assert.equal(outcomes.length, 2)
  assert.match(String(outcomes[0]), /closed/)
})

test('a file that is gone at a start counts as no snapshot, and another is taken at once', () => {
  const stage = new Stage()
  stage.takeAnother()
  stage.takeAnother()
  stage.files.lost.add(22)
  stage.open()
  assert.equal(stage.snapshots.newest?.index, 11)
  stage.pump()
  assert.equal(stage.isTaking, true)
  stage.write(1)
  stage.finish()
  assert.deepEqual([stage.indexes, stage.log.base.index], [[23, 11], 11])
  stage.pump()
  assert.equal(stage.isTaking, false)
})

test('with no file left none is sent, until another is taken', () => {
  const stage = new Stage()
  stage.takeAnother()
  stage.takeAnother()
  for (const index of [11, 22]) stage.files.lost.add(index)
  stage.open()
  assert.equal(stage.snapshots.newest, null)
  stage.files.lost.clear()
  stage.pump()
  stage.finish()
  assert.deepEqual([stage.indexes, stage.log.base.index], [[22], 11])
})

test('with nothing to replace a damaged one by, none is taken', () => {
  const stage = new Stage()
  stage.takeAnother()
  stage.takeAnother()
  const again = stage.again()
  stage.files.lost.add(22)
  const { state } = again
  const entries = Array.from({ length: 11 }, (_, n) => batchEntry(n + 1, [['put', 'k', n]]))
  state.apply(entries, null, 1)
  again.open()
  again.pump()
  assert.equal(again.isTaking, false, 'the state is no newer than the older one')
})

test('one that a receiver found damaged is looked at: whole, it stays; damaged, another is taken', () => {
  for (const isWhole of [true, false]) {
    const stage = new Stage()
    stage.takeAnother()
    stage.takeAnother()
    const { newest } = stage.snapshots
    assert.ok(newest !== null)
    stage.snapshots.suspect(newest)
    stage.files.checked?.(isWhole)
    assert.equal(stage.snapshots.newest?.index, isWhole ? 22 : 11)
    stage.pump()
    assert.equal(stage.isTaking, !isWhole)
  }
})

test('of one whose file is gone nothing is sent', () => {
  const stage = new Stage()
  stage.takeAnother()
  const { newest } = stage.snapshots
  assert.ok(newest !== null && stage.snapshots.chunk(newest, 0) !== null)
  stage.files.lost.add(newest.index)
  assert.equal(stage.snapshots.chunk(newest, 0), null)
})

test('a copy of a state that was replaced meanwhile is no snapshot; another is taken when asked for', () => {
  const stage = new Stage()
  stage.write(11)
  stage.pump()
  stage.snapshots.stateReplaced()
  stage.finish()
  assert.deepEqual(stage.indexes, [])
  stage.snapshots.ask(() => undefined)
  stage.pump()
  assert.equal(stage.isTaking, false, 'the state is still the one that is to be replaced')
  stage.snapshots.forgetWrong(false)
  stage.pump()
  stage.finish()
  assert.deepEqual(stage.indexes, [11])
})

test('who asks a node that holds nothing is told so, and does not wait for what may never come', () => {
  const stage = new Stage()
  const outcomes: unknown[] = []
  stage.snapshots.ask((outcome) => outcomes.push(outcome))
  stage.pump()
  assert.match(String(outcomes[0]), /nothing here yet/)
  stage.write(1)
  stage.pump()
  assert.deepEqual([outcomes.length, stage.isTaking], [1, false])
})
