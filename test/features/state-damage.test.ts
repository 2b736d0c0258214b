/** States that are not what they should be, on real disks: found by their node or by the others, and mended. */
import assert from 'node:assert/strict'
import {
  closeSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Cluster, Node } from '../../src/index.ts'
import { openStateEnvironment } from '../../src/storage/environment.ts'
import {
  openStateTables,
  positionKey,
  readPosition,
  writePosition,
} from '../../src/storage/layout.ts'
import { StateHash } from '../../src/storage/state-hash.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { collect, followerOf, leaderOf, openCluster, settled } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const stale = { consistency: 'stale' } as const

/** A follower that was closed, whose log was cut if `snapshotLogBytes` is small; and the cluster it left. */
async function leave(t: TestContext, snapshotLogBytes: number): Promise<[Cluster, Node]> {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { nodes: 3, dir, snapshotLogBytes })
  const isCut = () => cluster.nodes.every((node) => node.status().firstIndex > 1)
  for (let round = 0; round < 3 || (snapshotLogBytes < 2 ** 20 && !isCut()); round++)
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => cluster.put(`key/${n}`, `${round} ${n}`)),
    )
  await settled(cluster)
  const follower = await followerOf(cluster)
  await follower.close()
  return [cluster, follower]
}

function stateOf({ dir }: Node): string {
  const [name, ...others] = readdirSync(dir).filter((each) => each.startsWith('state-'))
  assert.ok(name !== undefined && others.length === 0)
  return join(dir, name)
}

/** One bit of one value; `admitted`: with a hash as if it had been written so. */
async function flip(node: Node, admitted: boolean): Promise<void> {
  const environment = openStateEnvironment(stateOf(node))
  const { kv, meta } = openStateTables(environment)
  const key = Buffer.from('key/7')
  environment.transactionSync(() => {
    const row = Buffer.from(kv.get(key) ?? assert.fail('no row'))
    const position = readPosition(meta.get(positionKey))
    const hash = new StateHash(position.hash)
    hash.remove('kv', key, row)
    row[row.length - 1] = (row[row.length - 1] ?? 0) ^ 1
    hash.add('kv', key, row)
    kv.putSync(key, row)
    if (admitted) meta.putSync(positionKey, writePosition({ ...position, hash: hash.lanes }))
  })
  await environment.close()
}

async function assertEqual(cluster: Cluster, node: Node): Promise<void> {
  await settled(cluster)
  const expected = await collect(node.scan({}, stale))
  for (const other of cluster.nodes.filter(({ id }) => id !== node.id))
    assert.deepEqual(await collect(other.scan({}, stale)), expected)
}

test('a row that changed while its node was stopped is found by the node itself', async (t) => {
  const [cluster, { id }] = await leave(t, 2 ** 30)
  await flip(cluster.nodes.find((each) => each.id === id) ?? assert.fail(), false)
  const node = await cluster.restart(id)
  await until(() => node.status().state.repairs === 1, 'the damage is found')
  const reason = await until(() => node.status().state.reason, 'and said')
  assert.match(reason, /its rows are not those that were written/)
  assert.equal(node.status().state.lost, false)
  await assertEqual(cluster, node)
  assert.equal(await node.get('key/7'), '2 7')
})

test('a state that was written otherwise is found by the others', async (t) => {
  const [cluster, left] = await leave(t, 2 ** 30)
  await flip(left, true)
  const node = await cluster.restart(left.id)
  const reason = await until(() => node.status().state.reason, 'the difference is found')
  assert.match(reason, /it differs from the others as of entry \d+/)
  await assertEqual(cluster, node)
  for (const each of cluster.nodes)
    assert.equal(each.status().state.repairs, each.id === left.id ? 1 : 0)
})

test('where neither snapshot nor log leads to another, the state comes from the leader', async (t) => {
  const [cluster, left] = await leave(t, 20_000)
  await flip(left, true)
  rmSync(join(left.dir, 'snapshots'), { recursive: true })
  const { firstIndex, lastIndex } = left.status()
  const node = await cluster.restart(left.id)
  await until(() => node.status().state.repairs > 0, 'the difference is found')
  await until(() => !node.status().state.lost, 'a snapshot has come')
  await assertEqual(cluster, node)
  assert.ok(node.status().firstIndex >= firstIndex && node.status().lastIndex >= lastIndex)
  const { revision } = await node.put('key/7', 'after')
  assert.equal((await (await leaderOf(cluster)).entry('key/7'))?.modRevision, revision)
})

/** What may become of the file, and what LMDB would not survive. */
const damages: Readonly<Record<string, (state: string) => void>> = {
  'the folder is deleted': (state) => rmSync(state, { recursive: true }),
  'the file is empty': (state) => truncateSync(join(state, 'data.mdb'), 0),
  'the file is cut short': (state) => cut(join(state, 'data.mdb'), 5 * 4_096),
  'its first pages are rubbish': (state) => scribble(state, 0, 2),
  'all pages but the first are rubbish': (state) => scribble(state, 2, 50),
}

function cut(file: string, bytes: number): void {
  assert.ok(statSync(file).size > bytes)
  truncateSync(file, bytes)
}

function scribble(state: string, from: number, pages: number): void {
  const file = openSync(join(state, 'data.mdb'), 'r+')
  writeSync(file, Buffer.alloc(pages * 4_096, 0xff), 0, pages * 4_096, from * 4_096)
  closeSync(file)
}

test('a node starts without its state, and agrees with the others', async (t) => {
  const [cluster, left] = await leave(t, 20_000)
  let node = left
  for (const [what, damage] of Object.entries(damages))
    await t.test(what, async () => {
      await node.close()
      damage(stateOf(node))
      node = await cluster.restart(node.id)
      await assertEqual(cluster, node)
      assert.equal(await node.get('key/7'), await cluster.get('key/7'))
    })
})
