/** What waits for an answer is counted once, in and out, and nobody is served who has gone. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Load } from '../../src/client/load.ts'
import { Reads } from '../../src/client/reads.ts'
import { Writes } from '../../src/client/writes.ts'
import { errorToData, SkiffError } from '../../src/errors.ts'
import { type ClusterOptions, resolveOptions } from '../../src/options.ts'
import { type Board, BoardReader, BoardWriter, createBoard } from '../../src/storage/board.ts'
import type { StateReader } from '../../src/storage/reader.ts'
import { nextTurn, openChannel } from '../support/channel.ts'
import { skiff } from '../support/cluster.ts'

function openClient(t: TestContext, given: ClusterOptions = {}, leadsAlone = 0) {
  const { port, storage } = openChannel(t)
  const options = resolveOptions(given)
  let nowMs = 1_000
  const load = new Load(options, () => nowMs)
  const passMs = (ms: number) => {
    nowMs += ms
  }
  const done: string[] = []
  const state = { refresh: () => done.push('refresh') } as unknown as StateReader
  const memory = createBoard()
  const board = new BoardReader(memory)
  const show = (numbers: Partial<Board>) =>
    new BoardWriter(memory).write({ ...board.read(), leadsAlone, stateBad: 0, ...numbers })
  show({})
  const reads = new Reads({ port, options, load, board, state })
  const writes = new Writes(port, options, load)
  return { storage, board, show, load, passMs, reads, done, writes }
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

test('a refusal takes off exactly what was refused', async (t) => {
  const { writes, reads, load } = openClient(t)
  const kept = writes.put('a', 1)
  await nextTurn()
  const before = load.pending
  const refused = [writes.put('b', 1), writes.delete('c'), reads.read(undefined, () => 1)]
  const outcomes = Promise.allSettled(refused)
  await nextTurn()
  assert.equal(load.pending.requests, 4)
  const error = errorToData(new SkiffError('SKIFF_NO_LEADER', 'not-applied', 'nobody leads'))
  writes.refused(2, error)
  reads.refused(1, error)
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === 'rejected')
    skiff('SKIFF_NO_LEADER', 'not-applied', /nobody leads/)(outcome.reason)
  }
  assert.deepEqual(load.pending, before)
  writes.applied(1, Float64Array.of(1))
  assert.deepEqual(await kept, { revision: 1 })
  assert.deepEqual(load.pending, { requests: 0, bytes: 0 })
})

test('a read that was confirmed sees the state as it is then, not as it was when it was last read', async (t) => {
  const { reads, done } = openClient(t)
  const all = [
    reads.read(undefined, () => done.push('a')),
    reads.read(undefined, () => done.push('b')),
  ]
  await nextTurn()
  reads.readable([1])
  await Promise.all(all)
  assert.deepEqual(done, ['refresh', 'a', 'b'])
})

test('a read that was confirmed of a state that is wrong, or another, by now is asked again', async (t) => {
  const { reads, storage, board, show, done } = openClient(t)
  const read = reads.read(undefined, () => done.push('read'))
  await nextTurn()
  storage.receive()
  for (const bad of [{ stateBad: 1 }, { stateGeneration: 1 }]) {
    show(bad)
    reads.readable([1, 2])
    assert.deepEqual([storage.receive(), done], [[{ type: 'read', id: 1 }], []])
  }
  board.reads(1)
  reads.readable([1])
  await read
  assert.deepEqual(done, ['refresh', 'read'])
})

test('a sole voter reads at once; but what storage has told it must still arrive, so catching up asks', async (t) => {
  const { reads, storage, load } = openClient(t, {}, 1)
  assert.equal(await reads.read(undefined, () => 'read'), 'read')
  let caughtUp = false
  const catchUp = reads.catchUp().then(() => {
    caughtUp = true
  })
  await nextTurn()
  assert.deepEqual(storage.receive(), [{ type: 'read', id: 1 }])
  assert.deepEqual([caughtUp, load.pending.requests], [false, 1])
  reads.readable([1])
  await catchUp
})

test('writes and reads share one limit', async (t) => {
  const { writes, reads, load } = openClient(t, { requestsMax: 3 })
  const waiting = [writes.put('a', 1), reads.read(undefined, () => 'read'), writes.delete('b')]
  await nextTurn()
  const full = skiff('SKIFF_OVERLOADED', 'not-applied', /3 requests.*`requestsMax` is 3/)
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
  assert.deepEqual(await Promise.all([...waiting, late]), [
    { revision: 1 },
    'read',
    false,
    { revision: 2 },
  ])
})

test('one turn may ask for as much as it likes, and the next must see what waits', async (t) => {
  const { writes, load, passMs } = openClient(t, { backlogMsMax: 1 })
  const all = (count: number) =>
    Promise.allSettled(Array.from({ length: count }, (_, n) => writes.put(`${n}`, n)))
  const settled: unknown[] = []
  const keep = (results: readonly PromiseSettledResult<unknown>[]) => settled.push(...results)
  void all(10_000).then(keep)
  await nextTurn()
  // One probe more, so that the pace is being measured; then answers come, far too slowly.
  void all(1).then(keep)
  await nextTurn()
  for (const batch of [1, 2]) {
    passMs(60)
    writes.applied(batch, new Float64Array(256).fill(1))
  }
  await assert.rejects(
    writes.put('late', 1),
    skiff('SKIFF_OVERLOADED', 'not-applied', /9489 requests.*`backlogMsMax` is 1/),
  )
  assert.equal(settled.length, 0, 'nobody before was refused')
  assert.equal(load.pending.requests, 9_489)
  for (let batch = 3; load.pending.requests > 0; batch++)
    writes.applied(batch, new Float64Array(256).fill(1))
  await nextTurn()
  void all(10_000).then(keep)
  await nextTurn()
  assert.equal(load.pending.requests, 10_000, 'though the pace is still known')
})

test('too many bytes of writes keep no read away', async (t) => {
  const { writes, reads } = openClient(t, { requestBytesMax: 100 })
  const put = writes.put('a', 'x'.repeat(200))
  await assert.rejects(writes.put('b', 1), skiff('SKIFF_OVERLOADED', 'not-applied'))
  const read = reads.read(undefined, () => 'read')
  await nextTurn()
  writes.applied(1, Float64Array.of(1))
  reads.readable([1])
  assert.deepEqual(await Promise.all([put, read]), [{ revision: 1 }, 'read'])
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
