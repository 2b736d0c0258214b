/** What becomes of a snapshot that comes from the leader, until it is installed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SnapshotMark } from '../../src/raft/types.ts'
import { markOf, nothing, SnapshotStage as Stage } from './snapshot-stage.ts'

function chunk(snapshot: SnapshotMark, offset: number, length: number) {
  return { from: 'b', snapshot, offset, chunk: new Uint8Array(length) }
}

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
  stage.log.install(snapshot, {
    bootId: 'b',
    clean: false,
    lost: false,
    unproven: 0,
    generation: 1,
  })
  stage.snapshots.installed(snapshot)
  stage.pump()
  assert.deepEqual([stage.isTaking, stage.files.kept], [false, [50]])
  assert.throws(() => stage.snapshots.installed(markOf(51)), /another was installed/)
})
