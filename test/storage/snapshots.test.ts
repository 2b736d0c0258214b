/** When snapshots are taken, which are kept, how far the log is cut for them, and what becomes of those that come in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchEntry } from '../support/batches.ts'

import { chunk, entryBytes, markOf, nothing, Stage } from './snapshots-stage.ts'

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

// ── one from the leader ───────────────────────────────────────────────────────────────────────────

test('chunks are counted until all are there; then there is an answer once it was checked', () => {
  const { snapshots, files } = new Stage()
  const snapshot = markOf(50, 100)
  assert.equal(snapshots.receive(chunk(snapshot, 0, 60)), 60)
  assert.equal(snapshots.receive(chunk(snapshot, 0, 60)), 60, 'once more')
  assert.equal(snapshots.receive(chunk(snapshot, 60, 40)), null)
  assert.equal(snapshots.takeReceived(), null)
  assert.equal(snapshots.receive(chunk(snapshot, 60, 40)), null, 'while it is checked')
  files.completed?.(true)
  assert.deepEqual(snapshots.takeReceived(), { from: 'b', snapshot, isWhole: true })
  assert.equal(snapshots.takeReceived(), null, 'only once')
})

test('one that is damaged is said to be, and can come again', () => {
  const { snapshots, files } = new Stage()
  const snapshot = markOf(50, 10)
  snapshots.receive(chunk(snapshot, 0, 10))
  files.completed?.(false)
  assert.equal(snapshots.takeReceived()?.isWhole, false)
  files.held = 0
  assert.equal(snapshots.receive(chunk(snapshot, 0, 5)), 5)
})

test('a disk that fails while one is checked stops the node', () => {
  const { snapshots, files } = new Stage()
  snapshots.receive(chunk(markOf(50, 10), 0, 10))
  files.completed?.(new Error('EIO'))
  assert.throws(() => snapshots.takeReceived(), /EIO/)
})

test('what there is no room for, as a file and as a state, is not taken in', () => {
  const { snapshots, files } = new Stage()
  files.freeBytes = 199
  assert.equal(snapshots.receive(chunk(markOf(50, 100), 0, 50)), null)
  assert.equal(files.held, 0)
  files.freeBytes = 201
  assert.equal(snapshots.receive(chunk(markOf(50, 100), 0, 50)), 50)
  const absurd = markOf(60, Number.MAX_SAFE_INTEGER)
  assert.equal(snapshots.receive(chunk(absurd, 0, 10)), null)
})

test('one that waits to be installed is not thrown away by another that is finished', () => {
  const stage = new Stage()
  stage.write(11)
  stage.pump()
  stage.snapshots.receive(chunk(markOf(50, 10), 0, 10))
  stage.files.completed?.(true)
  stage.finish()
  assert.ok(stage.files.kept.includes(50))
  assert.equal(stage.snapshots.takeReceived()?.isWhole, true)
})

test('the state is not replaced while it is copied, nor copied while it waits to be replaced', () => {
  const stage = new Stage()
  stage.write(11)
  stage.pump()
  stage.snapshots.receive(chunk(markOf(50, 10), 0, 10))
  stage.files.completed?.(true)
  assert.equal(stage.snapshots.takeReceived(), null)
  stage.snapshots.ask(nothing)
  stage.finish()
  assert.equal(stage.isTaking, false)
  assert.equal(stage.snapshots.takeReceived()?.isWhole, true)
})

test('after an install nothing is due, and only what was installed is kept', () => {
  const stage = new Stage()
  stage.takeAnother()
  stage.write(10)
  const snapshot = markOf(50)
  const mark = { bootId: 'b', clean: false, lost: false, unproven: 0, generation: 1 }
  stage.log.install(snapshot, mark)
  stage.snapshots.installed(snapshot)
  stage.pump()
  assert.deepEqual([stage.isTaking, stage.files.kept], [false, [50]])
  assert.throws(() => stage.snapshots.installed(markOf(51)), /another was installed/)
})
