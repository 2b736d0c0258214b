import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SkiffError } from '../../src/errors.ts'
import type { Store } from '../../src/store.ts'
import { Recorder } from './recorder.ts'

/** A store that answers what the test says. */
function storeOf(answers: Partial<Store>): () => Store {
  return () => answers as Store
}

function failing(error: unknown): Partial<Store> {
  const fail = () => Promise.reject(error)
  return { put: fail, get: fail, delete: fail }
}

const refusal = new SkiffError('SKIFF_NO_LEADER', 'not-applied', 'no leader')
const timeout = new SkiffError('SKIFF_TIMEOUT', 'unknown', 'too late')

test('answers are recorded as they were given, between call and return', async () => {
  const recorder = new Recorder()
  const client = recorder.client(
    storeOf({
      put: async () => ({ revision: 4 }),
      get: async () => undefined,
      delete: async () => true,
    }),
  )
  const before = performance.now()
  assert.deepEqual(await client.put('k', 'v'), { revision: 4 })
  assert.equal(await client.get('k'), undefined)
  assert.equal(await client.delete('k'), true)
  const after = performance.now()
  const history = recorder.history()
  assert.deepEqual(
    history.map(({ client, op, key, value, outcome, result }) => [
      client,
      op,
      key,
      value,
      outcome,
      result,
    ]),
    [
      [1, 'put', 'k', 'v', 'ok', { revision: 4 }],
      [1, 'get', 'k', null, 'ok', null],
      [1, 'delete', 'k', null, 'ok', true],
    ],
  )
  const times = [before, ...history.flatMap((one) => [one.call, one.return ?? -1]), after]
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
})

test('a refused write has not happened, the client goes on', async () => {
  const recorder = new Recorder()
  const client = recorder.client(storeOf(failing(refusal)))
  await assert.rejects(client.put('k', 1), refusal)
  await assert.rejects(client.delete('k'), refusal)
  const [put, deletion] = recorder.history()
  assert.deepEqual([put?.outcome, put?.result, deletion?.client], ['not-applied', null, 1])
  assert.ok(Number(put?.return) >= Number(put?.call))
})

test('a write that may have happened never returns, and its client is a new one', async () => {
  const recorder = new Recorder()
  const client = recorder.client(storeOf(failing(timeout)))
  await assert.rejects(client.put('k', 1), timeout)
  await assert.rejects(client.put('k', 2), timeout)
  const history = recorder.history()
  assert.deepEqual(
    history.map((one) => [one.client, one.outcome, one.return, one.result]),
    [
      [1, 'unknown', null, null],
      [2, 'unknown', null, null],
    ],
  )
})

test('an error that says nothing of the outcome leaves it unknown', async () => {
  const recorder = new Recorder()
  const client = recorder.client(storeOf(failing(new Error('aborted'))))
  await assert.rejects(client.put('k', 1), /aborted/)
  assert.equal(recorder.history()[0]?.outcome, 'unknown')
})

test('what is under way when the history is taken is unknown', async () => {
  const recorder = new Recorder()
  let answer: (result: { revision: number }) => void = () => undefined
  const client = recorder.client(
    storeOf({
      put: () =>
        new Promise((resolve) => {
          answer = resolve
        }),
    }),
  )
  const putting = client.put('k', 1)
  assert.deepEqual(
    recorder.history().map(({ outcome, return: returned }) => [outcome, returned]),
    [['unknown', null]],
  )
  answer({ revision: 1 })
  await putting
  assert.deepEqual(
    recorder.history().map(({ outcome }) => outcome),
    ['ok'],
  )
})

test('a client has one operation under way, and values a file can hold', async () => {
  const recorder = new Recorder()
  const client = recorder.client(storeOf({ get: () => new Promise(() => undefined) }))
  void client.get('k')
  await assert.rejects(client.get('k'), /has an operation under way/)
  assert.throws(() => client.put('k', Number.NaN), /cannot hold NaN/)
  assert.equal(recorder.history().length, 1)
})
