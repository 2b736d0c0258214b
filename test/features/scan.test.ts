import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, ScanRange } from '../../src/index.ts'
import { collect, followerOf, openCluster, skiff } from '../support/cluster.ts'

const keys = Array.from({ length: 700 }, (_, n) => `k/${String(n).padStart(4, '0')}`)

async function fill(cluster: Cluster): Promise<void> {
  const others = ['a', 'j/1', 'l/1', 'k', 'k0']
  await Promise.all([...keys, ...others].map((key) => cluster.put(key, { of: key })))
}

async function keysOf(cluster: Cluster, range?: ScanRange): Promise<string[]> {
  return (await collect(cluster.scan(range))).map(({ key }) => key)
}

test('a scan gives the entries of a range, page by page, forwards and backwards', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster)
  const [from, to] = ['k/0100', 'k/0650']
  const middle = keys.slice(100, 650)
  const all = ['a', 'j/1', 'k', ...keys, 'k0', 'l/1']

  assert.deepEqual(await keysOf(cluster), all)
  assert.deepEqual(await keysOf(cluster, { reverse: true }), all.toReversed())
  assert.deepEqual(await keysOf(cluster, { prefix: 'k/' }), keys)
  assert.deepEqual(await keysOf(cluster, { prefix: 'k/', reverse: true }), keys.toReversed())
  assert.deepEqual(await keysOf(cluster, { from, to }), middle)
  assert.deepEqual(await keysOf(cluster, { from, to, reverse: true }), middle.toReversed())
  assert.deepEqual(await keysOf(cluster, { prefix: 'k/', from: 'k/0690' }), keys.slice(690))
  assert.deepEqual(await keysOf(cluster, { prefix: 'k/', to: 'k/0003' }), keys.slice(0, 3))
  assert.deepEqual(await keysOf(cluster, { prefix: 'k/', from: 'a', to: 'z' }), keys)
  assert.deepEqual(await keysOf(cluster, { from: 'k/0650', to: 'k/0100' }), [])
  assert.deepEqual(await keysOf(cluster, { from, to: from }), [])
  assert.deepEqual(await keysOf(cluster, { from: 'zz' }), [])
})

test('limit ends a scan, within a page, at its end and beyond', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster)
  for (const limit of [1, 255, 256, 257, 512, 699, 700, 701]) {
    assert.deepEqual(await keysOf(cluster, { prefix: 'k/', limit }), keys.slice(0, limit))
    const reverse = await keysOf(cluster, { prefix: 'k/', limit, reverse: true })
    assert.deepEqual(reverse, keys.toReversed().slice(0, limit))
  }
})

test('a prefix longer than any key holds nothing, and may be watched all the same', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  await cluster.put('x'.repeat(1_024), 1)
  for (const bytes of [1_025, 1_978, 1_979, 100_000]) {
    const prefix = 'x'.repeat(bytes)
    assert.deepEqual(await cluster.keys(prefix), [])
    for (const reverse of [false, true]) {
      assert.deepEqual(await keysOf(cluster, { prefix, reverse }), [])
      assert.deepEqual(await keysOf(cluster, { prefix, reverse, from: 'x' }), [])
      assert.deepEqual(await keysOf(cluster, { prefix, reverse, from: 'z', to: 'zz' }), [])
      assert.deepEqual(await keysOf(cluster, { prefix, reverse, from: 'a', to: 'b' }), [])
    }
  }
  await using never = cluster.watch('x'.repeat(100_000), { fromRevision: 1 })
  await using watcher = cluster.watch('x'.repeat(1_024))
  await Promise.all([never.ready, watcher.ready])
  const next = never.next()
  await cluster.delete('x'.repeat(1_024))
  assert.equal((await watcher.next()).value?.type, 'delete')
  await never.close()
  assert.equal((await next).done, true)
})

test('a scan of large values gives all of them, forwards, backwards and up to a limit', async (t) => {
  const cluster = await openCluster(t)
  const large = Array.from({ length: 12 }, (_, n) => `big/${String(n).padStart(2, '0')}`)
  const value = Buffer.alloc(400_000, 1)
  for (const key of large) await cluster.put(key, value)
  assert.deepEqual(await keysOf(cluster), large)
  assert.deepEqual(await keysOf(cluster, { reverse: true }), large.toReversed())
  assert.deepEqual(await keysOf(cluster, { limit: 7 }), large.slice(0, 7))
  for await (const entry of cluster.scan()) assert.deepEqual(entry.value, value)
})

test('the order is that of UTF-8 bytes: an emoji comes behind U+FF5E', async (t) => {
  const cluster = await openCluster(t)
  const sorted = [
    '\u0000',
    '\u0000a',
    'A',
    'a',
    'a\u0000',
    'é',
    '中',
    '～',
    '\uffff',
    '😀',
    '\u{10ffff}',
  ]
  await Promise.all(sorted.toReversed().map((key) => cluster.put(key, key)))
  assert.deepEqual(await keysOf(cluster), sorted)
  assert.deepEqual(await keysOf(cluster, { reverse: true }), sorted.toReversed())
  assert.deepEqual(await keysOf(cluster, { from: '～', to: '\u{10ffff}' }), ['～', '\uffff', '😀'])
  assert.deepEqual(await keysOf(cluster, { prefix: '\u{10ffff}' }), ['\u{10ffff}'])
})

test('the entries of a scan are whole: value, revisions and version', async (t) => {
  const cluster = await openCluster(t)
  await cluster.put('x', 'old')
  await cluster.put('x', { n: 1 })
  assert.deepEqual(await collect(cluster.scan()), [
    { key: 'x', value: { n: 1 }, createRevision: 1, modRevision: 2, version: 2 },
  ])
})

test('a scan sees one snapshot, whatever is written while it goes on', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await fill(cluster)
  const node = await followerOf(cluster)
  const seen: unknown[] = []
  for await (const { key, value } of node.scan({ prefix: 'k/' })) {
    seen.push(value)
    // Of each page, something behind and something ahead is changed.
    if (seen.length % 200 === 0) {
      await Promise.all([node.delete(key), node.put('k/0699', 'new'), node.delete('k/0698')])
      await node.put(`k/0698${seen.length}`, 'inserted')
    }
  }
  assert.deepEqual(
    seen,
    keys.map((key) => ({ of: key })),
  )
  assert.equal(await node.get('k/0699'), 'new')
})

test('a linearizable scan on a follower sees every write acknowledged before', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const follower = await followerOf(cluster)
  for (let n = 1; n <= 20; n++) {
    await cluster.put(`n/${String(n).padStart(2, '0')}`, n)
    assert.equal((await collect(follower.scan({ prefix: 'n/' }))).length, n)
  }
})

test('break gives the snapshot back: any number of scans in a row may be left early', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster)
  for (let n = 0; n < 100; n++) {
    for await (const { key } of cluster.scan({ prefix: 'k/' })) {
      assert.equal(key, keys[0])
      break
    }
  }
})

test('64 scans may be open at once; one more is refused, and closing one makes room', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster)
  const scans = Array.from({ length: 64 }, () => cluster.scan())
  for (const scan of scans) assert.equal((await scan.next()).value?.key, 'a')
  await assert.rejects(cluster.scan().next(), skiff('SKIFF_OVERLOADED', 'not-applied', /64/))
  await scans[0]?.return?.()
  assert.equal((await cluster.scan().next()).value?.key, 'a')
  for (const scan of scans) await scan.return?.()
})

test('an aborted scan throws the reason of its signal, before and between its pages', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster)
  const reason = new Error('enough')
  await assert.rejects(collect(cluster.scan({}, { signal: AbortSignal.abort(reason) })), reason)

  const controller = new AbortController()
  const scan = cluster.scan({ prefix: 'k/' }, { signal: controller.signal })
  await scan.next()
  controller.abort(reason)
  await assert.rejects(collect(scan), reason)
})

test('close ends the scans under way with SKIFF_CLOSED', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster)
  const scan = cluster.scan({ prefix: 'k/' })
  await scan.next()
  await cluster.close()
  await assert.rejects(collect(scan), skiff('SKIFF_CLOSED', 'not-applied'))
})

test('a range that is none is a TypeError at the call', async (t) => {
  const cluster = await openCluster(t)
  const wrong = [{ limit: 0 }, { limit: -1 }, { limit: 1.5 }, { limit: '3' }, { prefix: 1 }]
  for (const range of [
    ...wrong,
    { from: '' },
    { to: 5 },
    { from: '\ud800' },
    { prefix: '\ud800' },
  ]) {
    assert.throws(() => cluster.scan(range as ScanRange), TypeError, JSON.stringify(range))
  }
})
