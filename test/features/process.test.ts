/** The library in a program of its own: it must let the program end, and leave nothing behind. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { runChild } from '../support/child.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { openCluster, portOf } from '../support/cluster.ts'
import { takePort } from '../support/tcp.ts'

const timing = 'heartbeatMs: 25, electionTimeoutMs: [250, 500]'

for (const [nodes, workers] of [
  [1, 1],
  [1, 2],
  [3, 2],
] as const) {
  test(`a program that puts, gets, watches and closes ends by itself: nodes ${nodes}, workers ${workers}`, async (t) => {
    const dir = await temporaryDir(t)
    const child = runChild(
      t,
      `
      const cluster = await createCluster({ dir: ${JSON.stringify(dir)}, nodes: ${nodes}, workers: ${workers}, ${timing} })
      const watcher = cluster.watch('k')
      await watcher.ready
      await cluster.put('k', { n: 1 })
      const { value } = await watcher.next()
      console.log(JSON.stringify([await cluster.get('k'), value.key, cluster.nodes.map((node) => node.address)]))
      await cluster.close()
      `,
    )
    const [value, key, addresses] = JSON.parse((await child.line()) ?? 'null')
    assert.deepEqual([value, key], [{ n: 1 }, 'k'])
    const { code, stderr } = await child.ended
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    for (const address of addresses) await takePort(portOf(address))
    const files = await readdir(dir, { recursive: true })
    assert.deepEqual(
      files.filter((name) => name.endsWith('lock')),
      [],
    )
    const cluster = await openCluster(t, { dir, nodes })
    assert.deepEqual(await cluster.get('k'), { n: 1 })
  })
}

test('a cluster without a directory uses a temporary one, and removes it at close', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const dir = join(cluster.nodes[0]?.dir ?? '', '..')
  assert.deepEqual((await readdir(dir)).toSorted(), ['node-1', 'node-2'])
  await cluster.close()
  await assert.rejects(readdir(dir), { code: 'ENOENT' })
})

test('a failed createCluster lets the program end by itself and leaves no temporary directory', async (t) => {
  const dir = await temporaryDir(t)
  const child = runChild(
    t,
    `
    process.env.TMPDIR = ${JSON.stringify(dir)}
    await createCluster({ join: ['127.0.0.1:1'] }).catch((error) => console.log(error.code))
    await createCluster({ nodes: 0 }).catch((error) => console.log(error.name))
    `,
  )
  assert.equal(await child.line(), 'SKIFF_CONFIG')
  assert.equal(await child.line(), 'TypeError')
  assert.deepEqual(await child.ended, { code: 0, stderr: '' })
  assert.deepEqual(await readdir(dir), [])
})

test('what a killed process had acknowledged is there when another opens its directory', async (t) => {
  const dir = await temporaryDir(t)
  const child = runChild(
    t,
    `
    const cluster = await createCluster({ dir: ${JSON.stringify(dir)}, ${timing} })
    for (let n = 0; ; n++) {
      await Promise.all([cluster.put('n', n), cluster.put('k/' + n, n)])
      console.log(n)
    }
    `,
  )
  let acknowledged = -1
  while (acknowledged < 200) acknowledged = Number(await child.line())
  child.signal('SIGKILL')
  for (let line = await child.line(); line !== null; line = await child.line()) {
    acknowledged = Number(line)
  }
  await child.ended
  const cluster = await openCluster(t, { dir })
  const last = (await cluster.get<number>('n')) ?? -1
  assert.ok(last >= acknowledged, `acknowledged ${acknowledged}, found ${last}`)
  assert.equal((await cluster.entry('n'))?.version, last + 1)
  assert.equal((await cluster.keys('k/')).length, last + 1)
})
