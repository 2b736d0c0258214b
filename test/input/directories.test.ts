/** Data directories that cannot be used: the reason is named, and nothing is harmed or left running. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createCluster } from '../../src/index.ts'
import { runChild } from '../support/child.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { nodeAt, openCluster, quick, skiff } from '../support/cluster.ts'
import { freeAddress } from '../support/tcp.ts'
import { until } from '../support/until.ts'

test('a dir in use by another cluster of this process is SKIFF_CONFIG, and the other goes on', async (t) => {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { dir })
  await assert.rejects(
    createCluster({ ...quick, dir }),
    skiff('SKIFF_CONFIG', 'not-applied', new RegExp(`in use by process ${process.pid}`)),
  )
  await cluster.put('k', 1)
  assert.ok((await readdir(nodeAt(cluster, 0).dir)).includes('lock'), 'the lock is still held')
  await cluster.close()
  const again = await openCluster(t, { dir })
  assert.equal(await again.get('k'), 1)
})

test('a dir in use by another process is SKIFF_CONFIG; when that is killed the dir is free', async (t) => {
  const dir = await temporaryDir(t)
  const child = runChild(
    t,
    `
    const cluster = await createCluster({ dir: ${JSON.stringify(dir)} })
    await cluster.put('k', 'theirs')
    console.log('open')
    `,
  )
  assert.equal(await child.line(), 'open')
  await assert.rejects(
    createCluster({ ...quick, dir }),
    skiff('SKIFF_CONFIG', 'not-applied', new RegExp(`in use by process ${child.pid}`)),
  )
  child.signal('SIGKILL')
  await child.ended
  const cluster = await openCluster(t, { dir })
  assert.equal(await cluster.get('k'), 'theirs')
})

test('a dir that cannot be made or written is SKIFF_CONFIG with the reason', async (t) => {
  const dir = await temporaryDir(t)
  const file = join(dir, 'file')
  await writeFile(file, 'precious')
  for (const [path, reason] of [
    [file, /ENOTDIR|EEXIST/],
    [join(file, 'below'), /ENOTDIR/],
  ] as const) {
    await assert.rejects(
      createCluster({ ...quick, dir: path }),
      skiff('SKIFF_CONFIG', 'not-applied', reason),
      path,
    )
  }
  assert.equal(await readFile(file, 'utf8'), 'precious')
})

test('files of something else in place of ours are SKIFF_STORAGE or SKIFF_CONFIG, and stay', async (t) => {
  const dir = await temporaryDir(t)
  const log = join(dir, 'node-1', 'log')
  await mkdir(log, { recursive: true })
  const rubbish = Buffer.alloc(50_000, 'not a database')
  await writeFile(join(log, 'data.mdb'), rubbish)
  await assert.rejects(createCluster({ ...quick, dir }), ({ code, outcome }) => {
    assert.match(code, /^SKIFF_(STORAGE|CONFIG)$/)
    assert.equal(outcome, 'not-applied')
    return true
  })
  assert.deepEqual(await readFile(join(log, 'data.mdb')), rubbish)
  assert.ok(!(await readdir(join(dir, 'node-1'))).includes('lock'))
})

test('a dir of another cluster does not join elsewhere, and still serves its own', async (t) => {
  const dir = await temporaryDir(t)
  const own = await openCluster(t, { dir })
  await own.put('k', 'own')
  const { id } = nodeAt(own, 0)
  await own.close()
  const other = await openCluster(t)
  await other.put('k', 'other')
  await assert.rejects(
    createCluster({ ...quick, dir, join: [other.status().address] }),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /wrong cluster/),
  )
  assert.equal((await other.members()).length, 1)
  const again = await openCluster(t, { dir })
  assert.deepEqual([nodeAt(again, 0).id, await again.get('k')], [id, 'own'])
})

test('a member that is started with join again finds its way by itself, also with nobody there', async (t) => {
  const dir = await temporaryDir(t)
  const first = await openCluster(t)
  const join = [first.status().address]
  const second = await openCluster(t, { dir, join })
  await second.put('k', 1)
  await second.close()
  const again = await openCluster(t, { dir, join })
  assert.equal(await again.get('k'), 1)
  await again.close()
  await first.close()
  const alone = await openCluster(t, { dir, join })
  assert.equal(await alone.get('k', { consistency: 'stale' }), 1)
})

test('a removed member that is elsewhere when it comes back is added where it is', async (t) => {
  const dir = await temporaryDir(t)
  const first = await openCluster(t)
  const join = [first.status().address]
  const second = await openCluster(t, { dir, join })
  const { id } = second.status()
  await first.removeServer(id)
  await until(() => second.status().members.length === 1, 'it hears of its removal')
  await second.close()
  const elsewhere = await freeAddress()
  const moved = await openCluster(t, { dir, join, listen: elsewhere })
  assert.equal(moved.status().address, elsewhere)
  assert.equal((await first.members()).length, 1, 'to be elsewhere is no way back in')
  const members = await first.addServer(elsewhere)
  assert.equal(members.find((member) => member.id === id)?.address, elsewhere)
})

/** The places where the bytes are found. */
function placesOf(file: Buffer, bytes: Buffer): number[] {
  const places: number[] = []
  for (let at = file.indexOf(bytes); at >= 0; at = file.indexOf(bytes, at + 1)) places.push(at)
  return places
}

for (const nodes of [1, 3]) {
  test(`a corrupt log entry is SKIFF_STORAGE and named; nothing is left running (${nodes} nodes)`, async (t) => {
    const dir = await temporaryDir(t)
    const cluster = await openCluster(t, { dir, nodes })
    await cluster.put('a', 'before')
    const { appliedIndex } = cluster.status()
    await cluster.put('b', 'a value that is damaged')
    await cluster.put('c', 'after')
    await Promise.all(cluster.nodes.map((node) => node.get('c')))
    const path = join(nodeAt(cluster, nodes - 1).dir, 'log', 'data.mdb')
    await cluster.close()

    const whole = await readFile(path)
    const damaged = Buffer.from(whole)
    const places = placesOf(whole, Buffer.from('a value that is damaged'))
    assert.ok(places.length > 0)
    // Old copies of the page hold it, too.
    for (const at of places) damaged.writeUInt8(damaged.readUInt8(at + 5) ^ 1, at + 5)
    await writeFile(path, damaged)
    const index = nodes === 1 ? String(appliedIndex + 1) : '\\d+'
    await assert.rejects(
      createCluster({ ...quick, dir, nodes }),
      skiff('SKIFF_STORAGE', 'not-applied', new RegExp(`log entry ${index} .*corrupt: .*checksum`)),
    )
    for (let n = 1; n <= nodes; n++) {
      assert.ok(!(await readdir(join(dir, `node-${n}`))).includes('lock'))
    }

    await writeFile(path, whole)
    const healed = await openCluster(t, { dir, nodes })
    assert.equal(await healed.get('b'), 'a value that is damaged')
  })
}

test('a log cut short is SKIFF_STORAGE, not the death of the process', async (t) => {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { dir })
  await cluster.put('k', 'x'.repeat(500_000))
  await cluster.close()
  const path = join(dir, 'node-1', 'log', 'data.mdb')
  const whole = await readFile(path)
  for (const bytes of [1, 4_096, 100_000, whole.length - 1]) {
    await writeFile(path, whole.subarray(0, bytes))
    await assert.rejects(
      createCluster({ ...quick, dir }),
      skiff('SKIFF_STORAGE', 'not-applied', /data\.mdb (was cut short|is not a database)/),
    )
  }
  await writeFile(path, whole)
  const again = await openCluster(t, { dir })
  assert.equal((await again.get<string>('k'))?.length, 500_000)
})

test('a log that was removed is told from its state: it is no new directory', async (t) => {
  const dir = await temporaryDir(t)
  const cluster = await openCluster(t, { dir })
  await cluster.put('k', 1)
  await cluster.close()
  const log = join(dir, 'node-1', 'log')
  await rm(log, { recursive: true })
  const refused = skiff('SKIFF_STORAGE', 'not-applied', /its log is empty or was removed/)
  await assert.rejects(createCluster({ dir }), refused)
  await assert.rejects(createCluster({ dir }), refused)
})

test('a log that lost its end is told from its state, which knows more', async (t) => {
  const [dir, other] = [await temporaryDir(t), await temporaryDir(t)]
  const cluster = await openCluster(t, { dir })
  for (let n = 0; n < 20; n++) await cluster.put('k', n)
  await cluster.close()
  const short = await openCluster(t, { dir: other })
  await short.close()
  const log = join('node-1', 'log', 'data.mdb')
  await writeFile(join(dir, log), await readFile(join(other, log)))
  await assert.rejects(
    createCluster({ ...quick, dir }),
    skiff('SKIFF_STORAGE', 'not-applied', /log was damaged or replaced/),
  )
})
