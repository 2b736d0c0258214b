/** Backups of clusters that serve, and new clusters made of them. */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Backup, checkBackup, restore } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import {
  brief,
  collect,
  followerOf,
  leaderOf,
  nodeAt,
  openCluster,
  settled,
  skiff,
  take,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'

/** A small cluster, its backup, and what was in it. */
async function backedUp(t: TestContext) {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t)
  for (let n = 0; n < 20; n++) await cluster.put(`key/${n}`, { n })
  await cluster.delete('key/3')
  const file = join(folder, 'one.skiff')
  const backup = await cluster.backup(file)
  return { folder, file, cluster, backup, entries: await collect(cluster.scan()) }
}

test('a backup says of itself what is in it, and opens as a cluster of one with the same entries', async (t) => {
  const { folder, file, cluster, backup, entries } = await backedUp(t)
  assert.deepEqual(await checkBackup(file), backup)
  assert.deepEqual(readdirSync(folder), ['one.skiff'])
  assert.equal(backup.keys, 19)
  assert.equal(backup.revision, 21)
  assert.equal(backup.nodeId, nodeAt(cluster, 0).id)
  assert.deepEqual(backup.members, await cluster.members())
  const restored = await restore(file, { dir: join(folder, 'new'), revisionBump: 0 })
  assert.equal(restored.index, backup.index)
  const again = await openCluster(t, { dir: join(folder, 'new') })
  assert.deepEqual(await collect(again.scan()), entries)
  assert.deepEqual(await again.prefixes(), await cluster.prefixes())
  assert.equal((await again.put('more', 1)).revision, 22)
  const { members } = again.status()
  assert.deepEqual(
    members.map(({ id, role }) => [id, role]),
    [[restored.nodeId, 'voter']],
  )
  assert.notEqual(restored.nodeId, backup.nodeId)
})

test('everything acknowledged before the call is in a backup, on any node, while writes go on', async (t) => {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t, { nodes: 3, snapshotLogBytes: 20_000 })
  const acknowledged: number[] = []
  let written = 0
  let writing = true
  const write = async (): Promise<void> => {
    while (writing) {
      const n = written++
      const { revision } = await cluster.put(`key/${n}`, n)
      acknowledged[n] = revision
    }
  }
  const writers = Array.from({ length: 20 }, write)
  const backups: { backup: Backup; file: string; before: number[] }[] = []
  for (let round = 0; round < 4; round++) {
    const enough = acknowledged.length + 100
    await until(() => acknowledged.length >= enough, 'more writes')
    const node = round % 2 === 0 ? await leaderOf(cluster) : await followerOf(cluster)
    const file = join(folder, `${round}.skiff`)
    const before = [...acknowledged]
    backups.push({ backup: await node.backup(file), file, before })
  }
  writing = false
  await Promise.all(writers)
  for (const [n, { backup, file, before }] of backups.entries()) {
    const dir = join(folder, `restored-${n}`)
    await restore(file, { dir })
    const again = await openCluster(t, { dir })
    const entries = new Map((await collect(again.scan())).map((entry) => [entry.key, entry]))
    assert.equal(entries.size, backup.keys)
    for (const [key, revision] of before.entries()) {
      if (revision === undefined) continue
      assert.equal(entries.get(`key/${key}`)?.modRevision, revision, `key/${key}`)
    }
    // One moment: all up to its revision, nothing behind it.
    const revisions = [...entries.values()].map(({ modRevision }) => modRevision)
    assert.equal(Math.max(...revisions), backup.revision)
    assert.equal(entries.size, backup.revision)
    await again.close()
  }
})

test('two members join a restored cluster and hold what it holds; it outlives its founder', async (t) => {
  const { folder, file, entries } = await backedUp(t)
  const dir = join(folder, 'new')
  await restore(file, { dir })
  const cluster = await openCluster(t, { dir, nodes: 3 })
  await settled(cluster)
  await cluster.put('after', 1)
  for (const node of cluster.nodes) {
    const held = await collect(node.scan())
    assert.deepEqual(held.slice(1), entries)
    assert.equal(held[0]?.key, 'after')
  }
  await nodeAt(cluster, 0).close()
  await cluster.put('later', 2)
  assert.equal(await cluster.get('later'), 2)
  await cluster.close()
  const again = await openCluster(t, { dir, nodes: 3 })
  assert.equal(await again.get('later'), 2)
  assert.deepEqual((await collect(again.scan({ prefix: 'key/' }))).length, entries.length)
})

test('revisions go on behind a gap, and a watch from the old past is told so', async (t) => {
  const { folder, file, cluster, backup } = await backedUp(t)
  const { revision: seen } = await cluster.put('lost', 'after the backup')
  const dir = join(folder, 'new')
  await restore(file, { dir })
  const again = await openCluster(t, { dir })
  const { revision } = await again.put('first', 1)
  assert.equal(revision, backup.revision + 1_000_000_000 + 1)
  assert.ok(revision > seen)
  for (const fromRevision of [1, backup.revision, seen + 1]) {
    const watcher = again.watch('', { fromRevision })
    await assert.rejects(watcher.next(), (error: unknown) => {
      skiff('SKIFF_COMPACTED', 'not-applied')(error)
      assert.equal((error as { revision: number }).revision, revision)
      return true
    })
  }
  const watcher = again.watch('', { fromRevision: revision })
  const [event] = await take(watcher, 1)
  assert.equal(event && brief(event), `${revision} put first 1`)
})

test('old members and a restored cluster refuse each other by the id of the cluster', async (t) => {
  const { folder, file, cluster } = await backedUp(t)
  const dir = join(folder, 'new')
  await restore(file, { dir })
  const old = nodeAt(cluster, 0).address
  // Who is started with the addresses of the old one founds its own all the same, and is told.
  await assert.rejects(
    openCluster(t, { dir, join: [old] }),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /cluster/),
  )
  const again = await openCluster(t, { dir })
  await assert.rejects(again.addServer(old), skiff('SKIFF_MEMBERSHIP', 'not-applied', /cluster/))
  await assert.rejects(
    cluster.addServer(nodeAt(again, 0).address),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /cluster/),
  )
})

test('what is no backup, was cut short, or has a wrong byte is refused, and nothing is written', async (t) => {
  const { folder, file } = await backedUp(t)
  const whole = readFileSync(file)
  const dir = join(folder, 'new')
  const spoilt = async (name: string, bytes: Buffer, why: RegExp): Promise<void> => {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    await assert.rejects(restore(path, { dir }), skiff('SKIFF_STORAGE', 'not-applied', why))
    assert.ok(!existsSync(dir))
  }
  const flipped = (at: number): Buffer => {
    const bytes = Buffer.from(whole)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at)
    return bytes
  }
  await spoilt('empty', Buffer.alloc(0), /no backup, or was cut short/)
  await spoilt('foreign', readFileSync(process.execPath).subarray(0, 100_000), /no backup/)
  await spoilt('cut', whole.subarray(0, whole.length - 1), /damaged|cut short|bytes/)
  await spoilt('cut more', whole.subarray(0, whole.length / 2), /no backup, or was cut short/)
  await spoilt('middle gone', Buffer.concat([whole.subarray(4_096)]), /bytes, and should have/)
  await spoilt('state', flipped(5_000), /its hash differs/)
  await spoilt('first byte', flipped(0), /its hash differs/)
  await spoilt('description', flipped(whole.indexOf('"revision":') + 12), /description is damaged/)
  await spoilt('format', flipped(whole.lastIndexOf('skiff-backup-1') + 13), /its format is/)
  await assert.rejects(restore(join(folder, 'none'), { dir }), skiff('SKIFF_CONFIG', 'not-applied'))
  await assert.rejects(restore(folder, { dir }), skiff('SKIFF_CONFIG', 'not-applied', /no file/))
})

test('a restore takes no directory that is not empty, is a link, or is used', async (t) => {
  const { folder, file, cluster } = await backedUp(t)
  const into = (dir: string) => restore(file, { dir })
  mkdirSync(join(folder, 'full'))
  writeFileSync(join(folder, 'full', 'something'), '')
  await assert.rejects(into(join(folder, 'full')), skiff('SKIFF_CONFIG', 'not-applied', /empty/))
  assert.deepEqual(readdirSync(join(folder, 'full')), ['something'])
  mkdirSync(join(folder, 'empty'))
  symlinkSync(join(folder, 'empty'), join(folder, 'link'))
  await assert.rejects(into(join(folder, 'link')), skiff('SKIFF_CONFIG', 'not-applied', /no dir/))
  await assert.rejects(into(file), skiff('SKIFF_CONFIG', 'not-applied', /no directory/))
  const used = join(nodeAt(cluster, 0).dir, '..')
  await assert.rejects(into(used), skiff('SKIFF_CONFIG', 'not-applied', /not empty/))
  await into(join(folder, 'empty'))
  await assert.rejects(into(join(folder, 'empty')), skiff('SKIFF_CONFIG', 'not-applied', /node-1/))
})

test('a backup takes the place of no file, unless asked to', async (t) => {
  const { folder, file, cluster } = await backedUp(t)
  await cluster.put('more', 1)
  await assert.rejects(cluster.backup(file), skiff('SKIFF_CONFIG', 'not-applied', /overwrite/))
  const second = await cluster.backup(file, { overwrite: true })
  assert.deepEqual(await checkBackup(file), second)
  assert.equal(second.keys, 20)
  const overwrite = { overwrite: true }
  await assert.rejects(cluster.backup(folder, overwrite), skiff('SKIFF_CONFIG', 'not-applied'))
  const lost = join(folder, 'no/such/folder')
  await assert.rejects(cluster.backup(lost), skiff('SKIFF_CONFIG', 'not-applied', /no such file/))
  await assert.rejects(cluster.backup(''), TypeError)
  // @ts-expect-error there is no such option
  await assert.rejects(cluster.backup(file, { overWrite: true }), TypeError)
  // @ts-expect-error plain JavaScript may leave them out
  await assert.rejects(restore(file), { name: 'TypeError', message: /^dir: / })
  // @ts-expect-error it may leave that out, too
  await assert.rejects(checkBackup(), { name: 'TypeError', message: /^file: / })
  assert.deepEqual(readdirSync(folder), ['one.skiff'])
})

test('a backup is given up by its signal and by the end of its node, and leaves nothing', async (t) => {
  const { folder, cluster } = await backedUp(t)
  const dying = new AbortController()
  const reason = new Error('enough')
  const file = join(folder, 'two.skiff')
  const onProgress = (): void => dying.abort(reason)
  await assert.rejects(cluster.backup(file, { signal: dying.signal, onProgress }), reason)
  const early = cluster.backup(file, { signal: AbortSignal.abort(reason) })
  await assert.rejects(early, reason)
  const ended = cluster.backup(file)
  const asked = nodeAt(cluster, 0).snapshot()
  const closed = cluster.close()
  await assert.rejects(ended, skiff('SKIFF_CLOSED', 'not-applied'))
  await Promise.allSettled([asked])
  await closed
  await assert.rejects(cluster.backup(file), skiff('SKIFF_CLOSED', 'not-applied'))
  assert.deepEqual(readdirSync(folder), ['one.skiff'])
})

test('a node that asks nobody backs up what it has; with the quorum lost, others refuse', async (t) => {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t, { nodes: 3 })
  await cluster.put('a', 1)
  await settled(cluster)
  await nodeAt(cluster, 0).close()
  await nodeAt(cluster, 1).close()
  const last = nodeAt(cluster, 2)
  const file = join(folder, 'last.skiff')
  await assert.rejects(last.backup(file, { timeoutMs: 700 }), (error: { code: string }) =>
    ['SKIFF_NO_LEADER', 'SKIFF_TIMEOUT'].includes(error.code),
  )
  const { keys } = await last.backup(file, { consistency: 'stale' })
  assert.equal(keys, 1)
})

test('the damage of an old snapshot does not get into a backup', async (t) => {
  const { folder, cluster } = await backedUp(t)
  const snapshots = join(nodeAt(cluster, 0).dir, 'snapshots')
  const [name] = readdirSync(snapshots)
  const path = join(snapshots, String(name))
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(5_000) ^ 1, 5_000)
  writeFileSync(path, bytes)
  // Nothing was written since, so it is the same snapshot: made again, or refused.
  const file = join(folder, 'two.skiff')
  const backup = await cluster.backup(file)
  assert.deepEqual(await checkBackup(file), backup)
})

test('what a restore that died has left is no cluster, and does not keep another from it', async (t) => {
  const { folder, file, entries } = await backedUp(t)
  const dir = join(folder, 'new')
  mkdirSync(join(dir, 'node-1.unfinished', 'state-0'), { recursive: true })
  copyFileSync(file, join(dir, 'node-1.unfinished', 'state-0', 'data.mdb'))
  truncateSync(join(dir, 'node-1.unfinished', 'state-0', 'data.mdb'), 10_000)
  await assert.rejects(openCluster(t, { dir }), skiff('SKIFF_CONFIG', 'not-applied', /restore/))
  await restore(file, { dir })
  const cluster = await openCluster(t, { dir })
  assert.deepEqual(await collect(cluster.scan()), entries)
})
