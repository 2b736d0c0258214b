/** Keys and values that cannot be stored are refused at the call, and take nothing else with them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster } from '../../src/index.ts'
import { collect, openCluster, skiff } from '../support/cluster.ts'

const wrongKeys: readonly [unknown, RegExp][] = [
  ['', /key: must not be empty/],
  [undefined, /key: expected a string, got undefined/],
  [null, /key: expected a string/],
  [5, /key: expected a string, got number/],
  [{}, /key: expected a string/],
  ['a\ud800b', /key: lone surrogates/],
  ['\udfff', /key: lone surrogates/],
]

const operations: readonly [string, (cluster: Cluster, key: string) => Promise<unknown>][] = [
  ['put', (cluster, key) => cluster.put(key, 1)],
  ['delete', (cluster, key) => cluster.delete(key)],
  ['get', (cluster, key) => cluster.get(key)],
  ['entry', (cluster, key) => cluster.entry(key)],
]

test('keys that are none are TypeErrors, over-long ones SKIFF_TOO_LARGE, in every operation', async (t) => {
  const cluster = await openCluster(t)
  for (const [name, call] of operations) {
    for (const [key, message] of wrongKeys) {
      await assert.rejects(call(cluster, key as string), { name: 'TypeError', message }, name)
    }
    for (const key of ['x'.repeat(1_025), 'ü'.repeat(513), `${'😀'.repeat(256)}x`]) {
      await assert.rejects(
        call(cluster, key),
        skiff('SKIFF_TOO_LARGE', 'not-applied', /key: 1,02\d bytes, at most 1,024/),
      )
    }
  }
})

test('prefixes that are none are TypeErrors', async (t) => {
  const cluster = await openCluster(t)
  for (const prefix of [5, null, {}, '\ud800'] as unknown as string[]) {
    await assert.rejects(cluster.keys(prefix), { name: 'TypeError', message: /^prefix: / })
    assert.throws(() => cluster.watch(prefix), { name: 'TypeError', message: /^prefix: / })
  }
})

test('values that cannot be stored are TypeErrors that name the path to what is wrong', async (t) => {
  const cluster = await openCluster(t)
  const cycle: { name: string; self?: unknown } = { name: 'a' }
  cycle.self = [cycle]
  const wrong: readonly [unknown, RegExp][] = [
    [undefined, /^value: undefined/],
    [() => 1, /^value: functions/],
    [Symbol('s'), /^value: symbols/],
    [{ a: [1, { b: () => 1 }] }, /^value\.a\[1\]\.b: functions/],
    [{ list: [Symbol.iterator] }, /^value\.list\[0\]: symbols/],
    [cycle, /^value\.self\[0\].*: cycles/],
    [{ map: new Map([[1, 2]]) }, /^value\.map: .*Map/],
    [{ text: 'a\ud800' }, /^value\.text: lone surrogates/],
    [Promise.resolve(1), /^value: /],
  ]
  for (const [value, message] of wrong) {
    await assert.rejects(cluster.put('k', value), { name: 'TypeError', message })
  }
  assert.equal(await cluster.get('k'), undefined)
  assert.equal(cluster.status().revision, 0)
})

test('a refused write takes no other of the same turn with it', async (t) => {
  const cluster = await openCluster(t)
  const results = await Promise.allSettled([
    cluster.put('a', 1),
    cluster.put('', 1),
    cluster.put('b', () => 1),
    cluster.put('c', 'x'.repeat(2 ** 20)),
    cluster.put('d', 2),
    cluster.delete('\ud800'),
    cluster.put('e', 3),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
  )
  const entries = await collect(cluster.scan())
  assert.deepEqual(
    entries.map(({ key, value }) => [key, value]),
    [
      ['a', 1],
      ['d', 2],
      ['e', 3],
    ],
  )
})

test('a value over valueBytesMax is SKIFF_TOO_LARGE; one of exactly that size is stored', async (t) => {
  const cluster = await openCluster(t, { valueBytesMax: 1_000 })
  // Three bytes say how long the string is.
  await cluster.put('fits', 'x'.repeat(997))
  await assert.rejects(
    cluster.put('k', 'x'.repeat(998)),
    skiff('SKIFF_TOO_LARGE', 'not-applied', /value: 1,001 bytes, at most 1,000/),
  )
  assert.equal((await cluster.get<string>('fits'))?.length, 997)
  assert.deepEqual(await cluster.keys(), ['fits'])
})

test('values of 4 MiB, the most there may be, cross three nodes, several at once', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, valueBytesMax: 4 * 2 ** 20 })
  const value = Buffer.alloc(4 * 2 ** 20 - 5, 'skiff')
  await Promise.all(cluster.nodes.map((node, n) => node.put(`big/${n}`, value)))
  for (const [n, node] of cluster.nodes.entries()) {
    assert.deepEqual(await node.get(`big/${(n + 1) % 3}`), value)
  }
})

test('a watch of large values gets them all', async (t) => {
  const cluster = await openCluster(t, { nodes: 2, watcherBytesMax: 16 * 2 ** 20 })
  const value = Buffer.alloc(900_000, 1)
  const watcher = cluster.nodes[1]?.watch('big/', { fromRevision: 1 }) ?? assert.fail()
  await Promise.all(Array.from({ length: 8 }, (_, n) => cluster.put(`big/${n}`, value)))
  for (let n = 0; n < 8; n++) {
    const { value: event } = await watcher.next()
    assert.equal(event?.key, `big/${n}`)
    assert.deepEqual(event?.type === 'put' && event.value, value)
  }
})
