/** What waits for an answer is counted once, in and out, and nobody is served who has gone. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Load } from '../../src/client/load.ts'
import { Reads } from '../../src/client/reads.ts'
import { Writes } from '../../src/client/writes.ts'
import { SkiffError } from '../../src/errors.ts'
import { type ClusterOptions, resolveOptions } from '../../src/options.ts'
import { BoardReader, createBoard } from '../../src/storage/board.ts'
import type { StateReader } from '../../src/storage/reader.ts'
import { nextTurn, openChannel } from '../support/channel.ts'
import { skiff } from '../support/cluster.ts'

function openClient(t: TestContext, given: ClusterOptions = {}) {
  const { port, storage } = openChannel(t)
  const options = resolveOptions(given)
  const load = new Load(options)
  const state = { refresh: () => undefined } as unknown as StateReader
  const board = new BoardReader(createBoard())
  const reads = new Reads({ port, options, load, board, state })
  return { storage, load, reads, writes: new Writes(port, options, load) }
}

test('an answer takes off exactly what its writes had put on', async (t) => {
  const { writes, load } = openClient(t)
  const first = writes.put('a', 1)
  const { bytes } = load.pending
  await nextTurn()
  const second = [writes.put('b', 1), writes.put('c', 1)]
  await nextTurn()
  assert.deepEqual(load.pending, { requests: 3, bytes: 3 * bytes })
  writes.applied(1, Float64Array.of(1))
  await first
  assert.deepEqual(load.pending, { requests: 2, bytes: 2 * bytes })
  writes.applied(2, Float64Array.of(2, 3))
  await Promise.all(second)
  assert.deepEqual(load.pending, { requests: 0, bytes: 0 })
})

test('the end takes off what was asked and what was not yet, and says which is which', async (t) => {
  const { writes, reads, load } = openClient(t)
  const asked = [writes.put('a', 1), reads.read(undefined, () => 1)]
  await nextTurn()
  const outcomes = Promise.allSettled([...asked, writes.put('b', 1), reads.catchUp()])
  const end = (outcome: 'not-applied' | 'unknown') =>
    new SkiffError('SKIFF_CLOSED', outcome, 'the end')
  writes.failAll(end)
  reads.failAll(end)
  assert.deepEqual(
    (await outcomes).map((result) => result.status === 'rejected' && result.reason.outcome),
    ['unknown', 'not-applied', 'not-applied', 'not-applied'],
  )
  assert.deepEqual(load.pending, { requests: 0, bytes: 0 })
})

test('writes and reads share one limit', async (t) => {
  const { writes, reads, load } = openClient(t, { requestsMax: 3 })
  const waiting = [writes.put('a', 1), reads.read(undefined, () => 'read'), writes.delete('b')]
  await nextTurn()
  const full = skiff('SKIFF_OVERLOADED', 'not-applied', /3 requests.*limits are 3/)
  await assert.rejects(writes.put('c', 1), full)
  await assert.rejects(
    reads.read(undefined, () => 1),
    full,
  )
  reads.readable([1])
  const late = writes.put('c', 1)
  await nextTurn()
  assert.equal(load.pending.requests, 3)
  writes.applied(1, Float64Array.of(1, 0))
  writes.applied(2, Float64Array.of(2))
  assert.deepEqual(await Promise.all([...waiting, late]), [1, 'read', 0, 2])
})

test('too many bytes of writes keep no read away', async (t) => {
  const { writes, reads } = openClient(t, { requestBytesMax: 100 })
  const put = writes.put('a', 'x'.repeat(200))
  await assert.rejects(writes.put('b', 1), skiff('SKIFF_OVERLOADED', 'not-applied'))
  const read = reads.read(undefined, () => 'read')
  await nextTurn()
  writes.applied(1, Float64Array.of(1))
  reads.readable([1])
  assert.deepEqual(await Promise.all([put, read]), [1, 'read'])
})

test('an aborted read is not run any more, though others of its turn are', async (t) => {
  const { reads, load } = openClient(t)
  const controller = new AbortController()
  const ran: string[] = []
  const aborted = reads.read({ signal: controller.signal }, () => ran.push('aborted'))
  const other = reads.read(undefined, () => ran.push('other'))
  await nextTurn()
  const reason = new Error('never mind')
  controller.abort(reason)
  await assert.rejects(aborted, reason)
  reads.readable([1])
  await other
  assert.deepEqual(ran, ['other'])
  assert.equal(load.pending.requests, 0)
})
