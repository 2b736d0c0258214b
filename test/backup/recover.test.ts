/** Clusters that have lost their quorum: what their directories tell, and what becomes of it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import {
  backup,
  type Cluster,
  checkBackup,
  createCluster,
  recover,
  restore,
} from '../../src/index.ts'
import { usedBytes } from '../../src/storage/database-file.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import {
  collect,
  followersOf,
  leaderOf,
  nodeAt,
  openCluster,
  quick,
  settled,
  skiff,
} from '../support/cluster.ts'

/** Three members that have stopped, and what they held. */
async function stop(dir: string, end: 'close' | 'kill') {
  const cluster = await createCluster({ ...quick, dir, nodes: 3 })
  for (let n = 0; n < 10; n++) await cluster.put(`key/${n}`, `needle ${n}`)
  await settled(cluster)
  const entries = await collect(cluster.scan())
  const dirs = cluster.nodes.map((node) => node.dir)
  const ids = cluster.nodes.map((node) => node.id)
  await Promise.all(cluster.nodes.map((node) => node[end]()))
  return { folder: dirname(dir), dir, dirs, ids, entries, cluster }
}

const original = mkdtempSync(join(tmpdir(), 'skiff-recover-'))
after(() => rmSync(original, { recursive: true, force: true }))
let made: ReturnType<typeof stop> | null = null

/** Closed ones. They are made once, and each test gets a copy. */
async function stopped(t: TestContext) {
  made ??= stop(join(original, 'old'), 'close')
  const { dirs: originals, ids, entries } = await made
  const folder = await temporaryDir(t)
  const dir = join(folder, 'old')
  cpSync(join(original, 'old'), dir, { recursive: true })
  return { folder, dir, dirs: originals.map((each) => join(dir, basename(each))), ids, entries }
}

/** Everything about a folder that a write to it would change. The state is a sparse file of 64 GiB. */
function traces(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(dir, name)
      const { size, blocks, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
      const isSmall = statSync(path).isFile() && size < 2 ** 26
      const hash = isSmall ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
      return [name, size, blocks, mtimeNs, ctimeNs, hash].join(' ')
    })
}

/** Spoils an entry of the log, or a row of the state, wherever it stands in the file. */
function spoil(dir: string, name: 'log' | 'state-0'): void {
  const path = join(dir, name, 'data.mdb')
  truncateSync(path, usedBytes(join(dir, name)))
  const bytes = readFileSync(path)
  for (let at = bytes.indexOf('needle 5'); at >= 0; at = bytes.indexOf('needle 5', at + 1))
    bytes.writeUInt8(0x58, at)
  writeFileSync(path, bytes)
}

function at<T>(list: readonly T[], n: number): T {
  const item = list[n]
  assert.ok(item !== undefined, `nothing at ${n}`)
  return item
}

async function holds(t: TestContext, dir: string, entries: unknown): Promise<Cluster> {
  const cluster = await openCluster(t, { dir })
  assert.deepEqual(await collect(cluster.scan()), entries)
  return cluster
}

test('a recovery shows what a directory holds, writes nothing without being told, and touches nothing', async (t) => {
  const { folder, dirs, ids, entries } = await stop(join(await temporaryDir(t), 'old'), 'kill')
  const before = dirs.map(traces)
  const shown = await recover([at(dirs, 1)])
  const survivor = at(shown.survivors, 0)
  assert.equal(survivor.nodeId, ids[1])
  assert.equal(survivor.state, 'trusted')
  assert.equal(survivor.damage, null)
  assert.equal(survivor.members.length, 3)
  assert.ok(survivor.term >= 1 && survivor.lastTerm >= 1 && survivor.lastIndex >= 11)
  assert.equal(survivor.appliedIndex + shown.unconfirmedEntries, survivor.lastIndex)
  assert.equal(shown.best, survivor)
  assert.equal(shown.hasQuorum, false)
  assert.deepEqual(shown.missing.map(({ id }) => id).sort(), [ids[0], ids[2]].sort())
  assert.match(shown.notes.join('\n'), /no majority/)
  assert.equal(shown.written, null)
  assert.deepEqual(readdirSync(folder), ['old'])

  const { written } = await recover([at(dirs, 1)], { write: join(folder, 'new') })
  assert.ok(written !== null)
  assert.deepEqual(dirs.map(traces), before)
  const cluster = await holds(t, join(folder, 'new'), entries)
  assert.ok((await cluster.put('more', 1)).revision > 1_000_000_000)
  assert.equal(cluster.status().toleratedFailures, 0)
})

test('of two survivors of three the better one is taken, and that they are a majority is said', async (t) => {
  const { folder, dirs, entries } = await stopped(t)
  const shown = await recover(dirs.slice(0, 2))
  assert.equal(shown.hasQuorum, true)
  assert.equal(shown.missing.length, 1)
  assert.match(shown.notes.join('\n'), /no need for a new cluster/)
  assert.deepEqual(
    shown.survivors.map(({ state }) => state),
    ['clean', 'clean'],
  )
  await recover(dirs.slice(0, 2), { write: join(folder, 'new') })
  await holds(t, join(folder, 'new'), entries)
})

test('an old copy of a member counts for no majority: what it promised since is not in it', async (t) => {
  const { folder, dir, dirs, ids } = await stopped(t)
  const copy = join(folder, 'copy', 'node-2')
  cpSync(at(dirs, 1), copy, { recursive: true })
  const again = await openCluster(t, { dir, nodes: 3 })
  await again.put('later', 1)
  await settled(again)
  await again.close()
  const shown = await recover([at(dirs, 0), copy])
  assert.equal(shown.hasQuorum, false)
  assert.deepEqual(shown.missing.map(({ id }) => id).sort(), ids.slice(1).sort())
  assert.match(shown.notes.join('\n'), /is a copy of node/)
  assert.equal((await recover([at(dirs, 0), at(dirs, 1)])).hasQuorum, true)
  assert.equal((await recover([at(dirs, 0), copy, at(dirs, 1)])).hasQuorum, true)
})

test('a damaged log is named and not used; where nothing else is left, nothing is written', async (t) => {
  const { folder, dir, dirs, entries } = await stopped(t)
  spoil(at(dirs, 0), 'log')
  const shown = await recover([dir])
  assert.equal(shown.survivors.length, 3)
  assert.match(String(at(shown.survivors, 0).damage), /corrupt/)
  assert.notEqual(at(shown.survivors, 0).nodeId, null)
  assert.notEqual(shown.best?.dir, dirs[0])
  assert.equal(shown.missing.length, 1)
  await recover(dirs.slice(0, 2), { write: join(folder, 'new') })
  await holds(t, join(folder, 'new'), entries)

  const alone = await recover([at(dirs, 0)])
  assert.equal(alone.best, null)
  const write = join(folder, 'never')
  await assert.rejects(recover([at(dirs, 0)], { write }), skiff('SKIFF_STORAGE', 'not-applied'))
  truncateSync(join(at(dirs, 0), 'log', 'data.mdb'), 5_000)
  assert.match(String(at((await recover([at(dirs, 0)])).survivors, 0).damage), /cut short/)
  truncateSync(join(at(dirs, 0), 'log', 'data.mdb'), 0)
  assert.match(String(at((await recover([at(dirs, 0)])).survivors, 0).damage), /is empty/)
  rmSync(join(at(dirs, 0), 'log', 'data.mdb'))
  assert.match(String(at((await recover([at(dirs, 0)])).survivors, 0).damage), /not there/)
  assert.ok(!existsSync(write))
})

test('files that take down whoever reads them are told from good ones', async (t) => {
  const { dir, dirs } = await stopped(t)
  const log = join(at(dirs, 0), 'log', 'data.mdb')
  const bytes = readFileSync(log)
  // Every page but the first two, which LMDB believes.
  for (let page = 2 * 4_096; page < bytes.length; page += 4_096)
    bytes.fill(0xa5, page, page + 4_096)
  writeFileSync(log, bytes)
  const shown = await recover([dir])
  assert.notEqual(at(shown.survivors, 0).damage, null)
  assert.notEqual(shown.best?.dir, dirs[0])
  assert.equal(at(shown.survivors, 1).damage, null)
})

test('what lies behind the last entry known to be committed is kept, and said to be doubtful', async (t) => {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t, { dir: join(folder, 'old'), nodes: 3 })
  await cluster.put('sure', 1)
  await settled(cluster)
  const leader = await leaderOf(cluster)
  const followers = await followersOf(cluster)
  await Promise.all(followers.map((node) => node.kill()))
  const late = leader.put('doubtful', 2, { timeoutMs: 400 })
  await assert.rejects(late, skiff('SKIFF_TIMEOUT', 'unknown'))
  await leader.kill()
  const shown = await recover([leader.dir, at(followers, 0).dir])
  assert.equal(shown.best?.dir, leader.dir)
  assert.ok(shown.unconfirmedEntries >= 1)
  assert.match(shown.notes.join('\n'), /was committed nobody here knows/)
  await recover([leader.dir], { write: join(folder, 'new') })
  const again = await openCluster(t, { dir: join(folder, 'new') })
  assert.equal(await again.get('sure'), 1)
  assert.equal(await again.get('doubtful'), 2)
})

test('a state that cannot be trusted is made of a snapshot and the log', async (t) => {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t, { dir: join(folder, 'old'), snapshotLogBytes: 10_000 })
  const node = nodeAt(cluster, 0)
  while (node.status().firstIndex === 1)
    await Promise.all(Array.from({ length: 50 }, (_, n) => cluster.put(`key/${n}`, n)))
  await cluster.put('last', 1)
  const entries = await collect(cluster.scan())
  await node.close()
  for (const name of readdirSync(node.dir))
    if (name.startsWith('state-')) rmSync(join(node.dir, name), { recursive: true })
  const shown = await recover([node.dir])
  assert.equal(at(shown.survivors, 0).state, 'none')
  assert.equal(shown.best?.appliedIndex, shown.best?.snapshotIndex)
  await recover([node.dir], { write: join(folder, 'new') })
  await holds(t, join(folder, 'new'), entries)

  const snapshots = join(node.dir, 'snapshots')
  for (const name of readdirSync(snapshots)) writeFileSync(join(snapshots, name), 'gone')
  const lost = await recover([node.dir])
  assert.match(String(at(lost.survivors, 0).damage), /none of its snapshots is whole/)
})

test('a directory that is in use, of another cluster, or none at all is refused', async (t) => {
  const { folder, dir, cluster, ids } = await stop(join(await temporaryDir(t), 'old'), 'close')
  defer(t, () => cluster.close())
  const other = await openCluster(t, { dir: join(folder, 'other') })
  await other.put('a', 1)
  await assert.rejects(
    recover([dir, join(folder, 'other')]),
    skiff('SKIFF_CONFIG', 'not-applied', /in use by process/),
  )
  await assert.rejects(
    backup(join(folder, 'other'), join(folder, 'file')),
    skiff('SKIFF_CONFIG', 'not-applied', /in use by process/),
  )
  await other.close()
  await assert.rejects(
    recover([dir, join(folder, 'other')]),
    skiff('SKIFF_CONFIG', 'not-applied', /different clusters/),
  )
  mkdirSync(join(folder, 'empty'))
  for (const none of ['empty', 'no such'])
    await assert.rejects(recover([join(folder, none)]), skiff('SKIFF_CONFIG', 'not-applied'))
  await assert.rejects(recover([]), TypeError)
  await assert.rejects(
    recover([dir], { write: join(folder, 'other') }),
    skiff('SKIFF_CONFIG', 'not-applied', /not empty/),
  )
  // The old ones start as they were.
  for (const id of ids) await cluster.restart(id)
  assert.equal(await cluster.get('key/1'), 'needle 1')
})

test('a stopped cluster is backed up from its directory, which is only read', async (t) => {
  const { folder, dir, dirs, entries } = await stopped(t)
  const before = dirs.map(traces)
  const file = join(folder, 'one.skiff')
  const made = await backup(dir, file)
  assert.deepEqual(await checkBackup(file), made)
  assert.equal(made.keys, 10)
  assert.deepEqual(dirs.map(traces), before)
  await assert.rejects(backup(dir, file), skiff('SKIFF_CONFIG', 'not-applied', /overwrite/))
  await restore(file, { dir: join(folder, 'new') })
  const cluster = await holds(t, join(folder, 'new'), entries)
  // Of one that was never started again there is as much to back up.
  await cluster.close()
  const again = await backup(join(folder, 'new'), join(folder, 'two.skiff'))
  assert.equal(again.keys, 10)
  assert.notEqual(again.clusterId, made.clusterId)
})

test('a state whose rows are not those that were written is not backed up: nobody could restore it', async (t) => {
  const { folder, dirs } = await stopped(t)
  spoil(at(dirs, 0), 'state-0')
  await assert.rejects(
    backup(at(dirs, 0), join(folder, 'one.skiff')),
    skiff('SKIFF_STORAGE', 'not-applied', /its state is damaged/),
  )
  assert.deepEqual(readdirSync(folder), ['old'])
})

test('of a cluster of one all of its log is in a backup, for it was synced before it was answered', async (t) => {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t, { dir: join(folder, 'old') })
  const puts = Array.from({ length: 200 }, (_, n) => cluster.put(`key/${n}`, n))
  await Promise.all(puts)
  await nodeAt(cluster, 0).kill()
  const { keys } = await backup(join(folder, 'old'), join(folder, 'one.skiff'))
  assert.equal(keys, 200)
})
