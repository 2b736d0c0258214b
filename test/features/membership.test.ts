/** Who belongs to a cluster: servers added, removed, and back again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SkiffError } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import {
  brief,
  followerOf,
  followersOf,
  isLive,
  leaderOf,
  nodeAt,
  openCluster,
  skiff,
  take,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'

function idsOf(members: readonly { id: string }[]): string[] {
  return members.map(({ id }) => id).toSorted()
}

test('join with an empty list waits to be added by addServer', async (t) => {
  const first = await openCluster(t)
  await first.put('k', 1)
  const waiting = await openCluster(t, { join: [] })
  assert.equal(waiting.status().leaderId, null)
  assert.deepEqual(waiting.status().members, [])
  await assert.rejects(
    waiting.put('k', 2, { timeoutMs: 50 }),
    skiff('SKIFF_NO_LEADER', 'not-applied'),
  )
  const members = await first.addServer(waiting.status().address)
  assert.deepEqual(idsOf(members), [first.status().id, waiting.status().id].toSorted())
  assert.equal(await waiting.get('k'), 1)
})

test('addServer and removeServer through a follower', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const other = await openCluster(t, { join: [] })
  const follower = await followerOf(cluster)
  const added = await follower.addServer(other.status().address)
  assert.equal(added.find(({ id }) => id === other.status().id)?.role, 'voter')
  const removed = await follower.removeServer(other.status().id)
  assert.deepEqual(idsOf(removed), idsOf(cluster.nodes))
  assert.deepEqual(await cluster.members(), removed)
  await cluster.put('goes', 'on')
})

test('adding a member again changes nothing, nor does removing a stranger', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const members = await cluster.members()
  assert.deepEqual(await cluster.addServer(nodeAt(cluster, 1).address), members)
  assert.deepEqual(await cluster.removeServer('0123456789abcdef'), members)
})

test('a removed follower is no member any more, and the others go on', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const leader = await leaderOf(cluster)
  const follower = await followerOf(cluster)
  const members = await leader.removeServer(follower.id)
  assert.ok(!idsOf(members).includes(follower.id))
  await follower.close()
  await leader.put('k', 1)
  for (const node of cluster.nodes.filter(isLive)) {
    assert.equal(await node.get('k'), 1)
    assert.equal((await node.members()).length, 2)
  }
})

test('a follower may ask for its own removal', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const follower = await followerOf(cluster)
  const members = await follower.removeServer(follower.id)
  assert.equal(members.length, 2)
  const leader = await leaderOf(cluster)
  await until(async () => (await leader.members()).length === 2, 'the leader sees two members')
})

test('a removed leader steps down and the others elect a new one', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const leader = await leaderOf(cluster)
  await leader.put('k', 1)
  const members = await leader.removeServer(leader.id)
  assert.ok(!idsOf(members).includes(leader.id))
  await until(() => leader.status().role !== 'leader', 'the removed leader steps down')
  const others = cluster.nodes.filter((node) => node !== leader)
  await until(() => {
    const leaders = others.map((node) => node.status().leaderId)
    return leaders.every((id) => id !== null && id !== leader.id && id === leaders[0])
  }, 'the others have a leader')
  for (const [n, node] of others.entries()) {
    await node.put('k', n)
    assert.equal(await node.get('k'), n)
    assert.deepEqual(idsOf(await node.members()), idsOf(others))
  }
})

test('the last member cannot be removed', async (t) => {
  const cluster = await openCluster(t)
  await assert.rejects(
    cluster.removeServer(cluster.status().id),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /no voter left/),
  )
  await cluster.put('k', 1)
})

test('a cluster grows to three and shrinks to one, and keeps its data', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await cluster.put('k', 'v')
  const keep = await leaderOf(cluster)
  for (const node of await followersOf(cluster)) {
    await keep.removeServer(node.id)
    await node.close()
  }
  assert.deepEqual(await keep.members(), [{ id: keep.id, address: keep.address, role: 'voter' }])
  assert.equal(await keep.get('k'), 'v')
  await keep.put('k', 'alone')
  assert.equal(await keep.get('k'), 'alone')
})

test('the cluster object is served by a member, not by a local node that was removed', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const [first, second] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  await second.removeServer(first.id)
  await until(
    () => !idsOf(first.status().members).includes(first.id),
    'the removed one hears that it was removed',
  )
  await cluster.put('k', 1)
  assert.equal(await cluster.get('k'), 1)
  assert.equal((await cluster.members()).length, 2)
  assert.equal(cluster.status().id, second.id)
  assert.ok(isLive(first))
})

test('a watch of the cluster leaves a local node that is removed; the own watches of that node end', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const first = nodeAt(cluster, 0)
  const [moving, own] = [cluster.watch(''), first.watch('')]
  await Promise.all([moving.ready, own.ready])
  await cluster.put('before', 1)
  assert.deepEqual((await take(moving, 1)).map(brief), ['1 put before 1'])
  const rest = take(moving, 1)
  await nodeAt(cluster, 1).removeServer(first.id)
  await nodeAt(cluster, 1).put('after', 2)
  assert.deepEqual((await rest).map(brief), ['2 put after 2'])
  await moving.close()
  assert.deepEqual((await take(own, 1)).map(brief), ['1 put before 1'])
  await assert.rejects(own.next(), (error: SkiffError) => {
    assert.equal(error.revision, 2)
    return skiff('SKIFF_MEMBERSHIP', 'not-applied', /was removed/)(error)
  })
  await assert.rejects(first.watch('').ready, skiff('SKIFF_MEMBERSHIP', 'not-applied'))
})

test('where no local node is a member any more, a watch of the cluster ends', async (t) => {
  const dir = await temporaryDir(t)
  const other = await openCluster(t)
  const removed = await openCluster(t, { dir, join: [other.status().address] })
  const { id, address } = removed.status()
  const watcher = removed.watch('')
  await watcher.ready
  const next = watcher.next()
  next.catch(() => undefined)
  await other.removeServer(id)
  await assert.rejects(next, skiff('SKIFF_MEMBERSHIP', 'not-applied'))
  await removed.close()
  const again = await openCluster(t, { dir, join: [other.status().address] })
  await assert.rejects(again.watch('').next(), skiff('SKIFF_MEMBERSHIP', 'not-applied'))
  await other.addServer(address)
  await again.watch('').ready
})

test('a removed server stays out when it is started again, until it is added again', async (t) => {
  const dir = await temporaryDir(t)
  const first = await openCluster(t, { nodes: 2 })
  const join = [first.status().address]
  const removed = await openCluster(t, { dir, join })
  const { id, address } = removed.status()
  await removed.put('k', 1)
  await first.removeServer(id)
  await until(() => !idsOf(removed.status().members).includes(id), 'it hears of its removal')
  await removed.close()
  await first.put('k', 2)

  const again = await openCluster(t, { dir, join })
  assert.deepEqual([again.status().id, again.status().address], [id, address])
  assert.ok(!idsOf(await first.members()).includes(id))
  await assert.rejects(
    again.put('k', 3, { timeoutMs: 100 }),
    skiff('SKIFF_NO_LEADER', 'not-applied'),
  )
  const members = await first.addServer(address)
  assert.equal(members.find((member) => member.id === id)?.role, 'voter')
  assert.equal(await again.get('k'), 2)
})

test('without a quorum a change is refused, even where nothing seems to change', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const [stays, goes] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  await goes.kill()
  await until(() => stays.status().leaderId === null, 'the quorum is lost')
  await assert.rejects(
    stays.removeServer('0123456789abcdef', { timeoutMs: 100 }),
    skiff('SKIFF_NO_LEADER', 'not-applied'),
  )
  await assert.rejects(
    stays.addServer(stays.address, { timeoutMs: 100 }),
    skiff('SKIFF_NO_LEADER', 'not-applied'),
  )
})
