/** Signals, deadlines and consistency of single calls. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CallOptions, Node } from '../../src/index.ts'
import {
  collect,
  followerOf,
  followersOf,
  leaderOf,
  openCluster,
  settled,
  skiff,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'

const operations: readonly [string, (node: Node, options: CallOptions) => Promise<unknown>][] = [
  ['put', (node, options) => node.put('k', 1, options)],
  ['delete', (node, options) => node.delete('k', options)],
  ['get', (node, options) => node.get('k', options)],
  ['entry', (node, options) => node.entry('k', options)],
  ['keys', (node, options) => node.keys('', options)],
  ['prefixes', (node, options) => node.prefixes(options)],
  ['scan', (node, options) => collect(node.scan({}, options))],
  ['members', (node, options) => node.members(options)],
  ['addServer', (node, options) => node.addServer('127.0.0.1:1', options)],
  ['removeServer', (node, options) => node.removeServer('0123456789abcdef', options)],
]

test('every operation gives up with the reason of its signal, before and during the call', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const leader = await leaderOf(cluster)
  await (await followerOf(cluster)).kill()
  for (const [name, call] of [...operations, waitForLeader]) {
    const reason = new Error(`no more ${name}`)
    await assert.rejects(call(leader, { signal: AbortSignal.abort(reason) }), reason, name)
  }
  await until(() => leader.status().leaderId === null, 'the quorum is lost')
  for (const [name, call] of [...operations, waitForLeader]) {
    // Done at once: nobody answers at that address.
    if (name === 'addServer') continue
    const reason = new Error(`no more ${name}`)
    const controller = new AbortController()
    const pending = call(leader, { signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    await assert.rejects(pending, reason, name)
  }
  assert.deepEqual(leader.status().failure, null)
})

const waitForLeader: (typeof operations)[number] = [
  'waitForLeader',
  (node, options) => node.waitForLeader(options),
]

test('a signal that fires after the answer changes nothing and is let go of', async (t) => {
  const cluster = await openCluster(t)
  const controller = new AbortController()
  const { signal } = controller
  await cluster.put('k', 1, { signal })
  assert.equal(await cluster.get('k', { signal }), 1)
  await using watcher = cluster.watch('k', { signal })
  await watcher.ready
  await watcher.close()
  controller.abort()
  assert.equal(await cluster.get('k'), 1)
})

test('an aborted write may still happen, and takes no other of its batch with it', async (t) => {
  const cluster = await openCluster(t)
  const controller = new AbortController()
  const aborted = cluster.put('a', 1, { signal: controller.signal })
  const other = cluster.put('b', 2)
  controller.abort(new Error('never mind'))
  await assert.rejects(aborted, /never mind/)
  assert.equal((await other).revision, 2)
  assert.equal(await cluster.get('a'), 1)
})

describe('deadlines', () => {
  test('each call has its own, and the option of the cluster is the default', async (t) => {
    const cluster = await openCluster(t, { nodes: 2, timeoutMs: 2_000 })
    const leader = await leaderOf(cluster)
    await (await followerOf(cluster)).kill()
    await until(() => leader.status().leaderId === null, 'the quorum is lost')
    const order: string[] = []
    const call = async (name: string, pending: Promise<unknown>) => {
      await assert.rejects(pending, skiff('SKIFF_NO_LEADER', 'not-applied'), name)
      order.push(name)
    }
    await Promise.all([
      call('default', leader.put('a', 1)),
      call('long', leader.put('b', 1, { timeoutMs: 4_000 })),
      call('short', leader.put('c', 1, { timeoutMs: 50 })),
    ])
    assert.deepEqual(order, ['short', 'default', 'long'])
  })

  test('a timeout that is none is a TypeError', async (t) => {
    const cluster = await openCluster(t)
    const node = await leaderOf(cluster)
    for (const timeoutMs of [0, -1, Number.NaN, '100' as unknown as number]) {
      for (const [name, call] of operations) {
        await assert.rejects(call(node, { timeoutMs }), TypeError, `${name} ${timeoutMs}`)
      }
    }
  })

  test('writes that were never sent are dropped: they do not happen later', async (t) => {
    const cluster = await openCluster(t, { nodes: 2 })
    const leader = await leaderOf(cluster)
    const follower = await followerOf(cluster)
    await follower.kill()
    await until(() => leader.status().leaderId === null, 'the quorum is lost')
    await assert.rejects(
      leader.put('dropped', 1, { timeoutMs: 50 }),
      skiff('SKIFF_NO_LEADER', 'not-applied'),
    )
    await cluster.restart(follower.id)
    await leader.put('later', 1)
    assert.equal(await leader.get('dropped'), undefined)
  })
})

describe('consistency', () => {
  test('linearizable reads on followers see every acknowledged write, whoever took it', async (t) => {
    const cluster = await openCluster(t, { nodes: 3 })
    const nodes = cluster.nodes
    const rounds = async (writer: number) => {
      for (let n = 0; n < 60; n++) {
        const node = nodes[(writer + n) % 3]
        const reader = nodes[(writer + n + 1) % 3]
        await node?.put(`w${writer}`, n)
        const [value, keys] = await Promise.all([reader?.get(`w${writer}`), reader?.keys('w')])
        assert.equal(value, n, 'an old value')
        assert.ok(keys?.includes(`w${writer}`))
      }
    }
    await Promise.all([0, 1, 2, 3, 4, 5].map(rounds))
  })

  test('reads of one key never go back, whichever nodes they ask, while it is written', async (t) => {
    const cluster = await openCluster(t, { nodes: 3 })
    await cluster.put('n', 0)
    let writing = true
    const written = (async () => {
      for (let n = 1; n <= 150; n++) await cluster.put('n', n)
      writing = false
    })()
    let last = 0
    for (let turn = 0; writing; turn++) {
      const value = (await cluster.nodes[turn % 3]?.get<number>('n')) ?? -1
      assert.ok(value >= last, `read ${value} after ${last}`)
      last = value
    }
    await written
  })

  test('stale reads of one node never go back, while it is written', async (t) => {
    const cluster = await openCluster(t, { nodes: 3 })
    await cluster.put('n', 0)
    await settled(cluster)
    const last = cluster.nodes.map(() => 0)
    for (let n = 1; n <= 150; n++) {
      const written = cluster.put('n', n)
      for (const [at, node] of cluster.nodes.entries()) {
        const value = (await node.get<number>('n', { consistency: 'stale' })) ?? -1
        assert.ok(value >= (last[at] ?? 0), `node ${at}: read ${value} after ${last[at]}`)
        last[at] = value
      }
      await written
    }
    assert.ok(Math.max(...last) > 100, `they saw ${last}`)
  })

  test('stale reads answer at once on every node, also without a quorum', async (t) => {
    const cluster = await openCluster(t, { nodes: 3 })
    await cluster.put('a/k', 'v')
    for (const node of cluster.nodes) await node.get('a/k')
    const [follower, other] = await followersOf(cluster)
    const leader = await leaderOf(cluster)
    await Promise.all([leader.kill(), other?.kill()])
    const stale = { consistency: 'stale' } as const
    assert.equal(await follower?.get('a/k', stale), 'v')
    assert.equal((await follower?.entry('a/k', stale))?.version, 1)
    assert.deepEqual(await follower?.keys('a/', stale), ['a/k'])
    assert.deepEqual(await follower?.prefixes(stale), ['a/'])
    assert.equal((await collect(follower?.scan({}, stale) ?? assert.fail())).length, 1)
  })

  test('a consistency that does not exist is a TypeError', async (t) => {
    const cluster = await openCluster(t)
    const consistency = 'eventual' as 'stale'
    await assert.rejects(cluster.get('k', { consistency }), TypeError)
  })
})
