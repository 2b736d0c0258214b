/** Limits of a node that is asked for too much, closed, or short of disk. */
import assert from 'node:assert/strict'
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { collect, nodeAt, openCluster, skiff } from '../support/cluster.ts'
import { until } from '../support/until.ts'

test('calls after close are SKIFF_CLOSED and not applied, of the cluster and of its nodes', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const closing = cluster.close()
  for (const store of [cluster, nodeAt(cluster, 1)]) {
    const closed = skiff('SKIFF_CLOSED', 'not-applied')
    for (let round = 0; round < 2; round++) {
      await assert.rejects(store.put('k', 1), closed)
      await assert.rejects(store.delete('k'), closed)
      await assert.rejects(store.get('k'), closed)
      await assert.rejects(store.get('k', { consistency: 'stale' }), closed)
      await assert.rejects(store.entry('k'), closed)
      await assert.rejects(store.keys(), closed)
      await assert.rejects(store.prefixes(), closed)
      await assert.rejects(store.members(), closed)
      await assert.rejects(store.waitForLeader(), closed)
      await assert.rejects(store.addServer('127.0.0.1:1'), closed)
      await assert.rejects(store.removeServer('0123456789abcdef'), closed)
      await assert.rejects(async () => collect(store.scan()), closed)
      assert.throws(() => store.watch(''), closed)
      await closing
    }
    assert.equal(store.status().role, 'stopped')
  }
})

test('close answers every call that waits', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const node = nodeAt(cluster, 0)
  const later = new Promise((resolve) => setImmediate(resolve)).then(() => node.put('k', 2))
  const calls = [node.put('k', 1), node.get('k'), node.delete('k'), node.members(), later]
  const answers = Promise.allSettled(calls)
  await node.close()
  for (const answer of await answers) {
    if (answer.status === 'rejected') assert.equal(answer.reason.code, 'SKIFF_CLOSED')
  }
})

test('over requestsMax calls are SKIFF_OVERLOADED and not applied; those before are answered', async (t) => {
  const cluster = await openCluster(t, { nodes: 2, requestsMax: 10 })
  const puts = Array.from({ length: 15 }, (_, n) => cluster.put(`k${n}`, n))
  assert.equal(cluster.status().pending.requests, 10)
  assert.ok(cluster.status().pending.bytes > 0)
  const refused = (await Promise.allSettled(puts)).filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 5)
  for (const { reason } of refused) skiff('SKIFF_OVERLOADED', 'not-applied', /10/)(reason)
  assert.equal((await cluster.keys()).length, 10)

  const gets = Array.from({ length: 15 }, () => cluster.get('k0'))
  const failed = (await Promise.allSettled(gets)).filter(({ status }) => status === 'rejected')
  assert.equal(failed.length, 5)
  assert.deepEqual(cluster.status().pending, { requests: 0, bytes: 0 })
  await cluster.put('room', 'again')
})

test('writes and reads together are held to requestsMax', async (t) => {
  const cluster = await openCluster(t, { nodes: 2, requestsMax: 10 })
  const calls = Array.from({ length: 7 }, (_, n) => [cluster.put(`k${n}`, n), cluster.get('k')])
  assert.equal(cluster.status().pending.requests, 10)
  const results = await Promise.allSettled(calls.flat())
  const refused = results.filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 4)
  for (const { reason } of refused) skiff('SKIFF_OVERLOADED', 'not-applied')(reason)
})

test('over requestBytesMax writes are SKIFF_OVERLOADED and not applied', async (t) => {
  const cluster = await openCluster(t, { requestBytesMax: 50_000 })
  const value = 'x'.repeat(20_000)
  const puts = Array.from({ length: 5 }, (_, n) => cluster.put(`k${n}`, value))
  const results = await Promise.allSettled(puts)
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 2)
  assert.equal((await cluster.keys()).length, 3)
  await cluster.put('room', value)
})

test('below diskFreeBytesMin writes are SKIFF_STORAGE and not applied, while reads and watches work', async (t) => {
  // The nodes would stop where less than a quarter of it is left.
  const { bavail, bsize } = await statfs(tmpdir())
  const cluster = await openCluster(t, { nodes: 2, diskFreeBytesMin: 2 * bavail * bsize })
  const refused = (error: unknown) =>
    skiff('SKIFF_STORAGE', 'not-applied', /diskFreeBytesMin.*free some space/)(error)
  await until(
    () =>
      cluster.put('k', 1).then(
        () => false,
        (error) => refused(error),
      ),
    'the disk is looked at',
  )
  for (const node of cluster.nodes.filter((one) => one.status().role === 'leader')) {
    await assert.rejects(node.put('new', 1), refused)
    await assert.rejects(node.delete('k'), refused)
    assert.equal(await node.get('new'), undefined)
    assert.deepEqual(await node.keys('new'), [])
    await using watcher = node.watch('')
    await watcher.ready
  }
})
