/** Logs that are cut, and members that come back when what they need is gone. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SkiffError } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import {
  collect,
  followersOf,
  isLive,
  leaderOf,
  nodeAt,
  openCluster,
  settled,
} from '../support/cluster.ts'

const small = { snapshotLogBytes: 20_000 }

/** Writes until every live node has cut its log at least once. */
async function writeUntilCut(cluster: Awaited<ReturnType<typeof openCluster>>): Promise<number> {
  let written = 0
  const hasCut = () => cluster.nodes.filter(isLive).every((node) => node.status().firstIndex > 1)
  while (!hasCut()) {
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => cluster.put(`key/${(written + n) % 300}`, written + n)),
    )
    written += 100
  }
  return written
}

test('snapshots are taken and the log is cut while writes go on; a restart begins from there', async (t) => {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { dir, ...small })
  await writeUntilCut(cluster)
  const before = await collect(cluster.scan())
  const { snapshotIndex, revision } = cluster.status()
  assert.ok(snapshotIndex > 0)
  const files = readdirSync(join(nodeAt(cluster, 0).dir, 'snapshots'))
  assert.equal(files.length, 2)
  await cluster.close()
  const again = await openCluster(t, { dir, ...small })
  assert.deepEqual(await collect(again.scan()), before)
  assert.equal(again.status().revision, revision)
})

test('a follower that was away comes back by a snapshot, and has it all', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...small })
  const [away] = await followersOf(cluster)
  assert.ok(away !== undefined)
  await cluster.put('before', 1)
  await settled(cluster)
  await away.close()
  await writeUntilCut(cluster)
  await cluster.put('after', 2)
  const node = await cluster.restart(away.id)
  await settled(cluster)
  const leader = await leaderOf(cluster)
  assert.equal(node.status().revision, leader.status().revision)
  const stale = { consistency: 'stale' } as const
  assert.deepEqual(await collect(node.scan({}, stale)), await collect(leader.scan({}, stale)))
  const { revision } = await node.put('from here', 3)
  assert.equal((await leader.entry('from here'))?.modRevision, revision)
})

test('who waits for a snapshot of a cluster that is closed meanwhile hears of it', async (t) => {
  const cluster = await openCluster(t, small)
  await cluster.put('k', 1)
  const asked = cluster.snapshot().then(
    () => 'taken',
    (error: unknown) => (error as SkiffError).code,
  )
  await cluster.close()
  assert.ok(['taken', 'SKIFF_CLOSED'].includes(await asked))
})

test('a snapshot that is asked for stands for all that was acknowledged, and is as good as another', async (t) => {
  const cluster = await openCluster(t)
  for (let n = 0; n < 3; n++) {
    await cluster.put('k', n)
    const { commitIndex } = cluster.status()
    await cluster.snapshot()
    assert.ok(cluster.status().snapshotIndex >= commitIndex)
  }
  const { firstIndex, snapshotIndex } = cluster.status()
  assert.ok(firstIndex > 1 && firstIndex <= snapshotIndex, 'the log is cut to the one before')
})

test('a leader whose snapshot files are gone takes another, and a follower that needs one gets it', async (t) => {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { nodes: 3, dir, ...small })
  const [away] = await followersOf(cluster)
  assert.ok(away !== undefined)
  await settled(cluster)
  await away.close()
  await writeUntilCut(cluster)
  await cluster.close()
  for (const node of cluster.nodes)
    if (node !== away) rmSync(join(node.dir, 'snapshots'), { recursive: true })
  const again = await openCluster(t, { nodes: 3, dir, ...small })
  await settled(again)
  assert.equal(new Set(again.nodes.map((node) => node.status().revision)).size, 1)
  const back = again.nodes.find(({ id }) => id === away.id)
  assert.ok((back?.status().firstIndex ?? 0) > 1)
})
