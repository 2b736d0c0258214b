/** Limits of a node that is asked for too much, closed, or short of disk. */
import assert from 'node:assert/strict'
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { createCluster, type Node } from '../../src/index.ts'
import { nextTurn } from '../support/channel.ts'
import { collect, nodeAt, openCluster, quick, skiff } from '../support/cluster.ts'
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
      await assert.rejects(store.snapshot(), closed)
      await assert.rejects(store.addServer('127.0.0.1:1'), closed)
      await assert.rejects(store.removeServer('0123456789abcdef'), closed)
      await assert.rejects(async () => collect(store.scan()), closed)
      assert.throws(() => store.watch(''), closed)
      await closing
    }
    assert.equal(store.status().role, 'stopped')
  }
})

test('close answers every call that waits, and says of each whether it may have happened', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const node = nodeAt(cluster, 0)
  const other = nodeAt(cluster, 1)
  // More than a scan reads at a time.
  await Promise.all(Array.from({ length: 300 }, (_, n) => node.put(`k${n}`, n)))
  const begun = node.scan()
  assert.equal((await begun.next()).value?.key, 'k0')
  // Of two voters one decides nothing: whatever is asked from here on waits.
  await other.kill()
  const asked = callsOf(node)
  await nextTurn()
  const inItsTurn = callsOf(node)
  const closing = node.close()
  const meanwhile = callsOf(node)
  await closing
  const afterwards = callsOf(node)
  const maybe = { write: 'unknown', other: 'not-applied' }
  const never = { write: 'not-applied', other: 'not-applied' }
  assert.deepEqual(await fatesOf(asked), maybe)
  for (const calls of [inItsTurn, meanwhile, afterwards])
    assert.deepEqual(await fatesOf(calls), never)
  await assert.rejects(collect(begun), skiff('SKIFF_CLOSED', 'not-applied'))
})

interface Calls {
  readonly write: readonly Promise<unknown>[]
  readonly other: readonly Promise<unknown>[]
}

/** One of each that needs a majority, or an answer of somebody. */
function callsOf(node: Node): Calls {
  const write = [node.put('k', 1), node.delete('k')]
  const other = [
    node.get('k'),
    node.entry('k'),
    node.keys(),
    node.prefixes(),
    (async () => collect(node.scan()))(),
    node.members(),
    node.addServer(node.address),
    node.removeServer(node.id),
  ]
  // Looked at later; until then they are nobody's.
  for (const call of [...write, ...other]) call.catch(() => undefined)
  return { write, other }
}

/** What each says of itself, which must be the same for all of a kind. */
async function fatesOf({ write, other }: Calls): Promise<{ write: string; other: string }> {
  return { write: await fateOf(write), other: await fateOf(other) }
}

async function fateOf(calls: readonly Promise<unknown>[]): Promise<string> {
  const fates = new Set<string>()
  for (const result of await Promise.allSettled(calls)) {
    assert.ok(result.status === 'rejected', 'answered by nobody')
    assert.equal(result.reason.code, 'SKIFF_CLOSED')
    fates.add(result.reason.outcome)
  }
  return [...fates].join(' or ')
}

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

test('far below diskFreeBytesMin no cluster opens: SKIFF_STORAGE, for there was nothing asked yet', async () => {
  const refused = skiff('SKIFF_STORAGE', 'not-applied', /the disk is full/)
  await assert.rejects(createCluster({ ...quick, diskFreeBytesMin: 2 ** 50 }), refused)
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
