import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reads } from '../../src/storage/reads.ts'

const term = 4

/** Reads that wait, and the questions that went to the leader. */
function readsOf(...ids: number[]) {
  const reads = new Reads(2, 100)
  for (const id of ids) reads.add(id)
  const questions: number[] = []
  const pump = (at = term, hasLeader = true) =>
    reads.pump(at, (id) => {
      if (hasLeader) questions.push(id)
      return hasLeader
    })
  return { reads, questions, pump }
}

test('all that wait share one question; those that come meanwhile share the next', () => {
  const { reads, questions, pump } = readsOf(1, 2)
  pump()
  reads.add(3)
  pump()
  assert.deepEqual(questions, [101])
  reads.confirm({ id: 101, index: 7 })
  pump()
  assert.deepEqual(questions, [101, 102])
  assert.deepEqual(reads.release(7), [1, 2])
  reads.confirm({ id: 102, index: 7 })
  assert.deepEqual(reads.release(7), [3])
})

test('a confirmed read waits until its index is applied', () => {
  const { reads, pump } = readsOf(1)
  pump()
  reads.confirm({ id: 101, index: 9 })
  assert.deepEqual(reads.release(8), [])
  assert.deepEqual(reads.release(9), [1])
  assert.deepEqual(reads.release(10), [])
})

test('an answer to another question confirms nothing', () => {
  const { reads, pump } = readsOf(1)
  pump()
  reads.confirm({ id: 100, index: 1 })
  reads.confirm({ id: 102, index: 1 })
  assert.deepEqual(reads.release(100), [])
})

test('after silence, and in another term, it is asked again under another number', () => {
  const { reads, questions, pump } = readsOf(1)
  pump()
  reads.tick()
  pump()
  reads.tick()
  pump()
  assert.deepEqual(questions, [101, 102])
  pump(term + 1)
  assert.deepEqual(questions, [101, 102, 103])
  reads.confirm({ id: 102, index: 1 })
  assert.deepEqual(reads.release(1), [], 'the answer of the old term is too old')
  reads.confirm({ id: 103, index: 1 })
  assert.deepEqual(reads.release(1), [1])
})

test('cancelling says how far a read had come', () => {
  const { reads, pump } = readsOf(1, 2, 3)
  pump(term, false)
  assert.equal(reads.cancel(1), 'waiting')
  pump()
  assert.equal(reads.cancel(2), 'asked')
  reads.confirm({ id: 101, index: 5 })
  assert.equal(reads.cancel(3), 'asked')
  assert.deepEqual(reads.release(5), [])
  assert.equal(reads.cancel(3), 'done')
})
