/** The commands of `skiff`, as they are typed: what they print, where, and their exit codes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDir } from '../support/cleanup.ts'
import { collect, openCluster } from '../support/cluster.ts'

const entrance = join(import.meta.dirname, '../../src/command/skiff.js')

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function skiff(...words: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [entrance, ...words], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { code: status, out: stdout, err: stderr }
}

function json(ran: Ran): Record<string, unknown> {
  const lines = ran.out.trimEnd().split('\n')
  assert.equal(lines.length, 1)
  assert.equal(ran.err, '')
  return JSON.parse(String(lines[0])) as Record<string, unknown>
}

async function folderWithCluster(t: TestContext, nodes = 1) {
  const folder = await temporaryDir(t)
  const dir = join(folder, 'old')
  const cluster = await openCluster(t, { dir, nodes })
  for (let n = 0; n < 5; n++) await cluster.put(`key/${n}`, n)
  const entries = await collect(cluster.scan())
  return { folder, dir, cluster, entries, file: join(folder, 'one.skiff') }
}

test('help and version come on stdout, with exit code 0', () => {
  const general = skiff('--help')
  assert.equal(general.code, 0)
  assert.match(general.out, /Usage: skiff COMMAND/)
  assert.deepEqual(skiff('help'), general)
  assert.deepEqual(skiff(), general)
  for (const command of ['backup', 'check', 'restore', 'recover']) {
    assert.match(general.out, new RegExp(`^ {2}${command} `, 'm'))
    const help = skiff('help', command)
    assert.match(help.out, new RegExp(`^Usage: skiff ${command} `))
    assert.deepEqual(skiff(command, '--help'), help)
    assert.equal(help.code, 0)
  }
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
  ) as { version: string }
  assert.deepEqual(skiff('--version'), { code: 0, out: `${version}\n`, err: '' })
})

test('wrong arguments are answered with what is wrong, the usage, and exit code 2', () => {
  const wrong: [RegExp, ...string[]][] = [
    [/there is no command frob/, 'frob'],
    [/there is no command frob/, 'help', 'frob'],
    [/expected DIR FILE, got a$/m, 'backup', 'a'],
    [/expected DIR FILE, got a b c$/m, 'backup', 'a', 'b', 'c'],
    [/expected FILE DIR/, 'restore'],
    [/expected DIR …/, 'recover'],
    [/--nothing/, 'recover', 'a', '--nothing'],
    [/recover takes no --overwrite/, 'recover', 'a', '--overwrite'],
    [/expected a whole number, got -1/, 'restore', 'a', 'b', '--revision-bump=-1'],
  ]
  for (const [why, ...words] of wrong) {
    const { code, out, err } = skiff(...words)
    assert.equal(code, 2, words.join(' '))
    assert.equal(out, '')
    assert.match(err, why)
    assert.match(err, /Usage: skiff/)
  }
  const ran = skiff('backup', '--json')
  assert.equal(ran.code, 2)
  assert.deepEqual(json(ran), {
    error: { code: 'USAGE', message: 'expected DIR FILE, got nothing' },
  })
})

test('backup, check and restore: a cluster goes from one directory to another', async (t) => {
  const { folder, dir, cluster, entries, file } = await folderWithCluster(t)
  const running = skiff('backup', dir, file)
  assert.equal(running.code, 1)
  assert.match(running.err, /^SKIFF_CONFIG: .* is in use by process/)
  assert.deepEqual(json(skiff('backup', dir, file, '--json')), {
    error: { code: 'SKIFF_CONFIG', message: running.err.trim().replace('SKIFF_CONFIG: ', '') },
  })
  assert.ok(!existsSync(file))
  await cluster.close()

  const backup = skiff('backup', dir, file)
  assert.equal(backup.code, 0, backup.err)
  assert.match(backup.out, /one\.skiff: 5 keys/)
  const checked = json(skiff('check', file, '--json'))
  assert.equal(checked.keys, 5)
  assert.equal(checked.revision, 5)
  assert.equal(skiff('backup', dir, file).code, 1)
  assert.equal(skiff('backup', dir, file, '--overwrite').code, 0)

  const restored = skiff('restore', file, join(folder, 'new'), '--revision-bump', '100')
  assert.equal(restored.code, 0, restored.err)
  assert.match(restored.out, /holds a new cluster of one member/)
  const again = skiff('restore', file, join(folder, 'new'), '--json')
  assert.equal(again.code, 1)
  assert.match(JSON.stringify(json(again)), /SKIFF_CONFIG.*not empty/)
  assert.equal(skiff('check', join(folder, 'nothing')).code, 1)
  assert.match(skiff('check', entrance).err, /SKIFF_STORAGE: .* no backup/)
  const opened = await openCluster(t, { dir: join(folder, 'new') })
  assert.deepEqual(await collect(opened.scan()), entries)
  assert.equal((await opened.put('more', 1)).revision, 106)
})

test('recover shows, and writes only where it is told to', async (t) => {
  const { folder, dir, cluster, entries } = await folderWithCluster(t, 3)
  const running = skiff('recover', dir)
  assert.equal(running.code, 1)
  assert.match(running.err, /in use by process/)
  await cluster.close()
  const one = join(dir, 'node-2')
  const shown = skiff('recover', one)
  assert.equal(shown.code, 0, shown.err)
  assert.match(shown.out, /goes furthest/)
  assert.match(shown.out, /Missing of 3 voters: 2/)
  assert.match(shown.out, /no majority/)
  assert.match(shown.out, /Nothing was written/)
  assert.deepEqual(readdirSync(folder), ['old'])
  const data = json(skiff('recover', one, '--json'))
  assert.equal(data.written, null)
  assert.equal(data.hasQuorum, false)
  const to = join(folder, 'new')
  const written = skiff('recover', one, '--write', to)
  assert.equal(written.code, 0, written.err)
  assert.match(written.out, /holds a new cluster of one member/)
  assert.ok(statSync(join(to, 'node-1', 'log', 'data.mdb')).size > 0)
  const opened = await openCluster(t, { dir: to })
  assert.deepEqual(await collect(opened.scan()), entries)
  assert.equal(skiff('recover', join(folder, 'none')).code, 1)
})
