/** What skiff-rs could do with servers: start, election, joining, coming back. Members: membership.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cluster, createCluster, type Node } from '../../src/index.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import {
  brief,
  followerOf,
  isLive,
  leaderOf,
  nodeAt,
  openCluster,
  quick,
  settled,
  skiff,
  take,
} from '../support/cluster.ts'

const secret = 'open sesame'

function idsOf(members: readonly { id: string }[]): string[] {
  return members.map(({ id }) => id).toSorted()
}

for (const nodes of [1, 2, 3]) {
  test(`start and election with ${nodes} node(s): one leader, known to all, and every node votes`, async (t) => {
    const cluster = await openCluster(t, { nodes })
    const leader = await leaderOf(cluster)
    assert.equal(await cluster.waitForLeader(), leader.id)
    for (const node of cluster.nodes) {
      assert.equal(await node.waitForLeader(), leader.id)
      assert.equal(node.status().role, node === leader ? 'leader' : 'follower')
      const members = await node.members()
      assert.deepEqual(
        members,
        cluster.nodes
          .map(({ id, address }) => ({ id, address, role: 'voter' }))
          .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      )
    }
    assert.equal(cluster.status().toleratedFailures, nodes === 3 ? 1 : 0)
    assert.equal(cluster.status().nodes.length, nodes)
  })
}

test('two-node join: a second cluster object enters the first by its address and secret', async (t) => {
  const first = await openCluster(t, { secret })
  await first.put('before', 'the join')
  const second = await openCluster(t, { secret, join: [first.status().address] })
  assert.equal(await second.get('before'), 'the join')
  await second.put('after', 'it')
  assert.equal(await first.get('after'), 'it')
  const ids = [first.status().id, second.status().id].toSorted()
  assert.deepEqual(idsOf(await first.members()), ids)
  assert.deepEqual(idsOf(await second.members()), ids)
})

test('three cluster objects in one process form one cluster, joining through any member', async (t) => {
  const first = await openCluster(t, { secret })
  const second = await openCluster(t, { secret, join: [first.status().address] })
  // The first address does not answer, the second is no leader.
  const join = ['127.0.0.1:1', second.status().address]
  const third = await openCluster(t, { secret, join })
  const clusters = [first, second, third]
  await Promise.all(clusters.map((cluster, n) => cluster.put(`by/${n}`, n)))
  for (const cluster of clusters) {
    assert.deepEqual(await cluster.keys('by/'), ['by/0', 'by/1', 'by/2'])
    assert.equal((await cluster.members()).length, 3)
  }
})

// ── restarts ────────────────────────────────────────────────────────────────────────────────────

async function fill(cluster: Cluster, prefix: string): Promise<void> {
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => {
      const node = cluster.nodes[n % cluster.nodes.length]
      return node?.put(`${prefix}/${n}`, { n })
    }),
  )
}

async function assertFilled(node: Node | Cluster, prefix: string): Promise<void> {
  assert.equal((await node.keys(`${prefix}/`)).length, 100)
  for (const n of [0, 50, 99]) assert.deepEqual(await node.get(`${prefix}/${n}`), { n })
}

for (const nodes of [1, 3]) {
  for (const end of ['close', 'kill'] as const) {
    test(`restart persistence: ${nodes} node(s), all stopped at once by ${end}`, async (t) => {
      const dir = await temporaryDir(t)
      const before = await openCluster(t, { dir, nodes })
      const identity = before.nodes.map(({ id, address }) => ({ id, address }))
      await fill(before, 'a')
      await before.delete('a/7')
      await before.put('a/7', { n: 'changed' })
      await Promise.all(before.nodes.map((node) => node[end]()))
      await before.close()

      const after = await openCluster(t, { dir, nodes })
      assert.deepEqual(
        after.nodes.map(({ id, address }) => ({ id, address })),
        identity,
      )
      assert.equal((await after.members()).length, nodes)
      for (const node of after.nodes) {
        await assertFilled(node, 'a')
        assert.deepEqual((await node.entry('a/7'))?.value, { n: 'changed' })
      }
      const { revision } = await after.put('b', 1)
      assert.equal(revision, 103, 'revisions go on where they were')
      await after.close()
    })
  }
}

test('crash and rejoin: the leader comes back as a follower with its id and address', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await fill(cluster, 'before')
  const { id, address } = await leaderOf(cluster)
  await (await leaderOf(cluster)).kill()
  await leaderOf(cluster)
  await fill(cluster, 'between').catch(() => undefined)
  await Promise.all(Array.from({ length: 100 }, (_, n) => cluster.put(`between/${n}`, { n })))

  const back = await cluster.restart(id)
  assert.deepEqual([back.id, back.address], [id, address])
  assert.ok(cluster.nodes.includes(back))
  await assertFilled(back, 'before')
  await assertFilled(back, 'between')
  await back.put('through', 'it')
  assert.equal(await cluster.get('through'), 'it')
  assert.equal((await cluster.members()).length, 3)
})

test('a node that was down catches up', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const down = await followerOf(cluster)
  await down.close()
  for (let n = 0; n < 10; n++) await fill(cluster, `round${n}`).catch(() => undefined)
  for (let n = 0; n < 100; n++) await cluster.put(`late/${n}`, { n })
  const back = await cluster.restart(down.id)
  await settled(cluster)
  assert.deepEqual(
    await back.keys('', { consistency: 'stale' }),
    await (await leaderOf(cluster)).keys(),
  )
  await assertFilled(back, 'late')
})

test('restart of what runs, of a stranger, or after close is refused', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const { id } = nodeAt(cluster, 0)
  await assert.rejects(cluster.restart(id), skiff('SKIFF_CONFIG', 'not-applied', /running/))
  await assert.rejects(cluster.restart('0123456789abcdef'), TypeError)
  await cluster.close()
  await assert.rejects(cluster.restart(id), skiff('SKIFF_CLOSED', 'not-applied'))
})

test('close while a node is being started again leaves nothing running', async (t) => {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { dir, nodes: 2 })
  const node = nodeAt(cluster, 1)
  await node.kill()
  const restarted = cluster.restart(node.id)
  await new Promise((resolve) => setImmediate(resolve))
  await cluster.close()
  assert.equal(isLive(await restarted), false)
  // Neither the directories nor the ports are held.
  const again = await openCluster(t, { dir, nodes: 2 })
  await again.put('k', 1)
})

// ── several clusters ────────────────────────────────────────────────────────────────────────────

test('several clusters in one process do not disturb each other', async (t) => {
  const clusters = await Promise.all([
    openCluster(t, { nodes: 3 }),
    openCluster(t, { nodes: 1, workers: 1 }),
    openCluster(t, { nodes: 2, secret }),
  ])
  await Promise.all(clusters.map((cluster, n) => cluster.put('same', n)))
  const watchers = clusters.map((cluster) => cluster.watch('same', { fromRevision: 1 }))
  await clusters[1]?.close()
  for (const n of [0, 2]) {
    const cluster = clusters[n]
    assert.equal(await cluster?.get('same'), n)
    assert.deepEqual(await cluster?.keys(), ['same'])
    assert.deepEqual((await take(watchers[n] ?? assert.fail(), 1)).map(brief), [`1 put same ${n}`])
  }
})

for (const workers of [1, 3]) {
  test(`workers: ${workers} serves one node and three`, async (t) => {
    for (const nodes of [1, 3]) {
      const cluster = await openCluster(t, { workers, nodes })
      assert.equal(cluster.status().workers, workers)
      const watcher = cluster.watch('w/')
      await watcher.ready
      await Promise.all(cluster.nodes.map((node, n) => node.put(`w/${n}`, n)))
      assert.equal((await take(watcher, nodes)).length, nodes)
      for (const node of cluster.nodes) assert.equal((await node.keys('w/')).length, nodes)
      await cluster.close()
    }
  })
}

test('nodes that listen with uWebSockets.js and with ws form one cluster', async (t) => {
  const uws = await openCluster(t, { transport: 'uws', secret })
  const join = [uws.status().address]
  const ws = await openCluster(t, { transport: 'ws', secret, join })
  const auto = await openCluster(t, { transport: 'auto', secret, join, workers: 3 })
  const clusters = [uws, ws, auto]
  assert.deepEqual(
    clusters.map((cluster) => cluster.status().transport),
    ['uws', 'ws', 'uws'],
  )
  const value = Buffer.alloc(300_000, 1)
  await Promise.all(clusters.map((cluster, n) => cluster.put(`t/${n}`, value)))
  for (const cluster of clusters) {
    assert.equal((await cluster.keys('t/')).length, 3)
    assert.deepEqual(await cluster.get('t/1'), value)
  }
})

test('await using closes a cluster', async (t) => {
  const dir = await temporaryDir(t)
  let left: Cluster
  {
    await using cluster = await createCluster({ ...quick, dir })
    await cluster.put('k', 1)
    left = cluster
  }
  await assert.rejects(left.get('k'), skiff('SKIFF_CLOSED', 'not-applied'))
  await using again = await createCluster({ ...quick, dir })
  assert.equal(await again.get('k'), 1)
})

test('close is idempotent, of nodes and of clusters, also at the same time', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const [first, second] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  await Promise.all([first.close(), first.kill(), cluster.close(), second.close()])
  await cluster.close()
  defer(t, () => cluster.close())
  assert.deepEqual(
    cluster.status().nodes.map(({ role, failure }) => ({ role, failure })),
    [
      { role: 'stopped', failure: null },
      { role: 'stopped', failure: null },
    ],
  )
})
