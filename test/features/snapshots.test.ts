/** Logs that are cut, and members that come back when what they need is gone. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
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
