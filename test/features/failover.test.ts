/** Losing leaders, nodes and the quorum: what goes on, what stops, and what callers are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, Node, SkiffError, Store, Watcher } from '../../src/index.ts'
import {
  collect,
  followersOf,
  isLive,
  leaderOf,
  nodeAt,
  openCluster,
  settled,
  skiff,
  take,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'

/** Puts again as long as it is certain that nothing has happened. */
async function putOnce(stores: () => readonly Store[], key: string, value: unknown) {
  for (let attempt = 0; ; attempt++) {
    const alive = stores()
    const store = alive[attempt % alive.length]
    assert.ok(store !== undefined, 'a store that lives')
    try {
      return await store.put(key, value)
    } catch (error) {
      if ((error as SkiffError).outcome !== 'not-applied') throw error
    }
  }
}

function liveNodes(cluster: Cluster): Node[] {
  return cluster.nodes.filter(isLive)
}

async function killLeader(cluster: Cluster): Promise<Node> {
  const leader = await leaderOf(cluster)
  await leader.kill()
  return leader
}

test('re-election after leader loss: writes go on through the others', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await cluster.put('before', 1)
  const killed = await killLeader(cluster)
  const others = liveNodes(cluster)
  assert.equal(others.length, 2)
  // At once: the nodes wait for the new leader by themselves.
  await Promise.all(others.map((node, n) => node.put(`after/${n}`, n)))
  const leader = await leaderOf(cluster)
  assert.notEqual(leader.id, killed.id)
  for (const node of others) {
    assert.deepEqual(await node.keys(), ['after/0', 'after/1', 'before'])
    assert.ok(node.status().term > killed.status().term)
  }
})

test('the cluster object goes on with the next node when its first is killed', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await cluster.put('k', 1)
  await nodeAt(cluster, 0).kill()
  assert.equal(await cluster.get('k'), 1)
  await cluster.put('k', 2)
  assert.equal(cluster.status().id, nodeAt(cluster, 1).id)
})

test('exactly once: writes in flight while the leader is lost count once, through whom they went', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const followers = await followersOf(cluster)
  const puts = Array.from({ length: 200 }, (_, n) => followers[n % 2]?.put('counted', n))
  await new Promise((resolve) => setImmediate(resolve))
  const more = Array.from({ length: 200 }, (_, n) => followers[n % 2]?.put(`k/${n}`, n))
  await killLeader(cluster)
  await Promise.all([...puts, ...more])
  for (const node of followers) {
    assert.equal((await node.entry('counted'))?.version, 400 - 200)
    const entries = await collect(node.scan({ prefix: 'k/' }))
    assert.equal(entries.length, 200)
    assert.ok(entries.every(({ version }) => version === 1))
  }
})

test('exactly once: writers that retry only what was not applied never write twice, kill after kill', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const writers = 4
  let running = true
  const written: string[] = []
  const unknown = new Set<string>()

  const write = async (writer: number) => {
    for (let n = 0; running; n++) {
      const key = `w${writer}/${String(n).padStart(5, '0')}`
      try {
        await putOnce(() => liveNodes(cluster), key, n)
        written.push(key)
      } catch (error) {
        // Its own node was the one that was killed.
        skiff('SKIFF_CLOSED', 'unknown')(error)
        unknown.add(key)
      }
    }
  }
  const writing = Promise.all(Array.from({ length: writers }, (_, n) => write(n)))
  for (let round = 0; round < 3; round++) {
    const enough = written.length + 100
    await until(() => written.length >= enough, 'writes go on')
    const killed = await killLeader(cluster)
    await cluster.restart(killed.id)
  }
  running = false
  await writing
  const entries = await collect(cluster.scan({ prefix: 'w' }))
  const found = new Map(entries.map((entry) => [entry.key, entry]))
  for (const key of written) assert.ok(found.has(key), `acknowledged and lost: ${key}`)
  for (const { key, version } of entries) assert.equal(version, 1, `${key} was written twice`)
  for (const key of found.keys()) assert.ok(unknown.has(key) || written.includes(key))
})

// ── watches ─────────────────────────────────────────────────────────────────────────────────────

/** Values 0, 1, 2 … in the order in which they were acknowledged, one writer. */
async function countUp(cluster: Cluster, key: string, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await putOnce(() => liveNodes(cluster), key, n)
}

async function valuesOf(watcher: Watcher<number>, count: number): Promise<number[]> {
  const events = await take(watcher, count)
  const revisions = events.map(({ revision }) => revision)
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  )
  return events.map((event) => (event.type === 'put' ? event.value : -1))
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

test('watch across replication and leader loss: nothing missed, nothing twice, in order', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const leader = await leaderOf(cluster)
  const survivors = cluster.nodes.filter((node) => node !== leader)
  const watchers = survivors.map((node) => node.watch<number>('counter'))
  await Promise.all(watchers.map(({ ready }) => ready))
  await countUp(cluster, 'counter', 0, 50)
  await leader.kill()
  await countUp(cluster, 'counter', 50, 100)
  for (const watcher of watchers) assert.deepEqual(await valuesOf(watcher, 100), upTo(100))
})

test('a watch of the cluster moves to another node when its own is lost, again and again', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const watcher = cluster.watch<number>('counter')
  await watcher.ready
  const seen = valuesOf(watcher, 150)
  for (let round = 0; round < 3; round++) {
    await countUp(cluster, 'counter', round * 50, round * 50 + 25)
    const serving = cluster.nodes.find(isLive)
    await serving?.kill()
    await countUp(cluster, 'counter', round * 50 + 25, round * 50 + 50)
    await cluster.restart(serving?.id ?? '')
  }
  assert.deepEqual(await seen, upTo(150))
})

test('a watch that is moved before it began shows nothing of the past', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await countUp(cluster, 'counter', 0, 10)
  // What a node that lags behind applies later, it may show.
  await settled(cluster)
  const watcher = cluster.watch<number>('counter')
  const killing = nodeAt(cluster, 0).kill()
  await watcher.ready
  await killing
  const next = watcher.next()
  await cluster.put('counter', 10)
  const { value } = await next
  assert.equal(value?.type === 'put' && value.value, 10)
})

test('several takers move with their watch', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const watcher = cluster.watch<number>('counter')
  await watcher.ready
  const takers = [watcher.next(), watcher.next(), watcher.next()]
  await nodeAt(cluster, 0).kill()
  await countUp(cluster, 'counter', 0, 3)
  const values = (await Promise.all(takers)).map(
    ({ value }) => value?.type === 'put' && value.value,
  )
  assert.deepEqual(values, [0, 1, 2])
})

test('a watch that gives previous values ends with its node, for it could not go on without a gap', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const watcher = cluster.watch<number>('counter', { previous: true })
  await watcher.ready
  const pending = watcher.next()
  await Promise.all([
    assert.rejects(pending, skiff('SKIFF_CLOSED', 'not-applied')),
    nodeAt(cluster, 0).kill(),
  ])
})

// ── without a quorum ────────────────────────────────────────────────────────────────────────────

test('error when the quorum is lost: writes say whether they may have happened, reads never lie', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await cluster.put('k', 'kept')
  const leader = await leaderOf(cluster)
  for (const node of await followersOf(cluster)) await node.kill()

  // It still believes it leads, so it has sent the write: nobody knows what becomes of it.
  await assert.rejects(
    leader.put('k', 'lost?', { timeoutMs: 100 }),
    skiff('SKIFF_TIMEOUT', 'unknown'),
  )
  await assert.rejects(leader.get('k', { timeoutMs: 100 }), (error: SkiffError) => {
    assert.equal(error.outcome, 'not-applied')
    assert.match(error.code, /^SKIFF_(TIMEOUT|NO_LEADER)$/)
    return true
  })
  await until(() => leader.status().leaderId === null, 'check-quorum deposes the leader')
  await assert.rejects(
    leader.put('new', 1, { timeoutMs: 100 }),
    skiff('SKIFF_NO_LEADER', 'not-applied'),
  )
  await assert.rejects(leader.get('k', { timeoutMs: 100 }), skiff('SKIFF_NO_LEADER', 'not-applied'))
  await assert.rejects(
    leader.waitForLeader({ timeoutMs: 100 }),
    skiff('SKIFF_NO_LEADER', 'not-applied'),
  )
  assert.equal(await leader.get('k', { consistency: 'stale' }), 'kept')
})

test('with the quorum back, a write of unknown outcome happened once or not at all, and all goes on', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const leader = await leaderOf(cluster)
  const followers = await followersOf(cluster)
  for (const node of followers) await node.kill()
  await assert.rejects(
    leader.put('maybe', 1, { timeoutMs: 100 }),
    skiff('SKIFF_TIMEOUT', 'unknown'),
  )
  for (const node of followers) await cluster.restart(node.id)
  await cluster.put('after', 1)
  for (const node of cluster.nodes) {
    assert.ok(((await node.entry('maybe'))?.version ?? 1) === 1)
    assert.equal(await node.get('after'), 1)
  }
})

test('two nodes: losing one stops writes, and its return lets those that wait go through', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const [stays, goes] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  await cluster.put('k', 1)
  await goes.kill()
  await assert.rejects(stays.put('k', 2, { timeoutMs: 100 }), (error: SkiffError) =>
    ['SKIFF_TIMEOUT', 'SKIFF_NO_LEADER'].includes(error.code),
  )
  const waiting = stays.put('waited', 1)
  await cluster.restart(goes.id)
  await waiting
  assert.equal(await nodeAt(cluster, 1).get('waited'), 1)
})
