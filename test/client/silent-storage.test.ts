/** Deadlines against a storage thread that does not answer, as when its disk hangs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Load } from '../../src/client/load.ts'
import { Reads } from '../../src/client/reads.ts'
import { ViewBoard } from '../../src/client/view.ts'
import { Writes } from '../../src/client/writes.ts'
import { SkiffError } from '../../src/errors.ts'
import { resolveOptions } from '../../src/options.ts'
import { BoardReader, createBoard } from '../../src/storage/board.ts'
import type { StateReader } from '../../src/storage/reader.ts'
import { nextTurn, openChannel } from '../support/channel.ts'
import { skiff } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const options = resolveOptions({ timeoutMs: 1_000 })

test('a write is cancelled at its deadline, once, and unknown a second later', async (t) => {
  const { port, storage } = openChannel(t)
  const load = new Load(options)
  const writes = new Writes(port, options, load)
  let time = 0
  t.mock.method(performance, 'now', () => time)
  const refused = assert.rejects(
    writes.put('k', 1, { timeoutMs: 500 }),
    skiff('SKIFF_TIMEOUT', 'unknown', /storage thread does not answer/),
  )
  await nextTurn()
  assert.equal(storage.receive()[0]?.type, 'propose')
  const types = () => storage.receive().map(({ type }) => type)
  for (const [now, expected] of [
    [499, []],
    [500, ['cancel']],
    [501, []],
    [1_499, []],
  ] as const) {
    time = now
    writes.sweep()
    assert.deepEqual(types(), expected, `at ${now} ms`)
  }
  assert.equal(load.pending.requests, 1)
  time = 1_500
  writes.sweep()
  await refused
  assert.deepEqual(load.pending, { requests: 0, bytes: 0 })
})

test('a read is cancelled at its deadline, and given up a second later', async (t) => {
  const { port, storage } = openChannel(t)
  const state = { refresh: () => undefined } as unknown as StateReader
  const load = new Load(options)
  const board = new BoardReader(createBoard())
  const reads = new Reads({ port, options, load, board, state })
  let time = 0
  t.mock.method(performance, 'now', () => time)
  const refused = assert.rejects(
    reads.read(undefined, () => 1),
    skiff('SKIFF_TIMEOUT', 'not-applied', /storage thread does not answer/),
  )
  const served = reads.read({ timeoutMs: 5_000 }, () => 'served')
  await nextTurn()
  const questions = storage.receive()
  assert.deepEqual(
    questions.map(({ type }) => type),
    ['read', 'read'],
  )
  time = 1_000
  reads.sweep()
  assert.deepEqual(storage.receive(), [{ type: 'cancelRead', id: 1 }])
  time = 2_000
  reads.sweep()
  await refused
  assert.equal(load.pending.requests, 1)
  reads.readable([1, 2])
  assert.equal(await served, 'served')
  assert.equal(load.pending.requests, 0)
})

test('writes of one turn and one deadline are one batch; another deadline makes another', async (t) => {
  const { port, storage } = openChannel(t)
  const writes = new Writes(port, options, new Load(options))
  const answers = [
    writes.put('a', 1),
    writes.put('b', 1, { timeoutMs: 50 }),
    writes.delete('c'),
    writes.put('d', 1, { timeoutMs: 50 }),
  ]
  const batches = await until(() => {
    const waiting = storage.receive()
    return waiting.length > 0 && waiting
  }, 'the turn is flushed')
  assert.equal(batches.length, 2)
  writes.applied(1, Float64Array.of(1, 0))
  writes.applied(2, Float64Array.of(2, 3))
  const [a, b, c, d] = [{ revision: 1 }, { revision: 2 }, false, { revision: 3 }]
  assert.deepEqual(await Promise.all(answers), [a, b, c, d])
})

test('who waits for a view hears of the first that fits, of the deadline, or of the end', async (t) => {
  const views = new ViewBoard(1_000)
  let time = 0
  t.mock.method(performance, 'now', () => time)
  const late = () => new SkiffError('SKIFF_NO_LEADER', 'not-applied', 'too late')
  const wait = (term: number, timeoutMs: number) =>
    views.until((view) => view.term >= term, late, { timeoutMs })
  const [first, second, third] = [wait(2, 100), wait(3, 100), wait(3, 200)]
  const outcomes = Promise.allSettled([first, second, third])
  views.show({ ...views.view, term: 1 })
  views.show({ ...views.view, term: 2 })
  time = 100
  views.sweep()
  views.failAll((outcome) => new SkiffError('SKIFF_CLOSED', outcome, 'the end'))
  const results = await outcomes
  assert.deepEqual(
    results.map((result) =>
      result.status === 'fulfilled' ? result.value.term : result.reason.code,
    ),
    [2, 'SKIFF_NO_LEADER', 'SKIFF_CLOSED'],
  )
})
