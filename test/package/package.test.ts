/** The package as its users get it: packed, installed elsewhere, imported by name, with types. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'skiff-package-'))

before(() => {
  // Built already; `prepack` would build again.
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'user', private: true, type: 'module' }),
  )
  run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', `./skiff-ts-${version}.tgz`],
    folder,
  )
})

after(() => rmSync(folder, { recursive: true, force: true }))

test('the packed package works by import, and lets the process end by itself', () => {
  writeFileSync(
    join(folder, 'use.js'),
    `import { createCluster } from 'skiff-ts'
     const cluster = await createCluster({ workers: 2 })
     const watcher = cluster.watch('a/')
     await watcher.ready
     await cluster.put('a/b', { n: 1 })
     const { value } = await watcher.next()
     console.log(JSON.stringify([value.key, value.value, await cluster.get('a/b')]))
     await cluster.close()`,
  )
  assert.equal(run('node', ['use.js'], folder).trim(), '["a/b",{"n":1},{"n":1}]')
})

test('its command backs up what a program has written, and restores it for another', () => {
  writeFileSync(
    join(folder, 'write.js'),
    `import { createCluster } from 'skiff-ts'
     const cluster = await createCluster({ dir: process.argv[2] })
     console.log(await cluster.get('a'))
     await cluster.put('a', 'kept')
     await cluster.close()`,
  )
  const skiff = (...words: string[]) => run('npx', ['--no-install', 'skiff', ...words], folder)
  assert.match(skiff('--help'), /Usage: skiff/)
  run('node', ['write.js', 'old'], folder)
  assert.match(skiff('backup', 'old', 'one.skiff'), /1 keys/)
  skiff('restore', 'one.skiff', 'new')
  assert.equal(run('node', ['write.js', 'new'], folder).trim(), 'kept')
  assert.match(skiff('recover', 'new'), /goes furthest/)
})

test('its types guide: right use compiles without skipLibCheck, wrong use does not', () => {
  writeFileSync(
    join(folder, 'use.ts'),
    `import { createCluster, SkiffError, type Cluster, type Entry } from 'skiff-ts'
     const cluster: Cluster = await createCluster({ workers: 2, nodes: 3, listen: 'localhost:0' })
     const { revision }: { revision: number } = await cluster.put('k', 1)
     const value: number | undefined = await cluster.get<number>('k')
     const entry: Entry<string> | undefined = await cluster.entry<string>('k')
     for await (const event of cluster.watch<number>('k', { fromRevision: revision })) {
       if (event.type === 'put') console.log(event.value + 1)
       // @ts-expect-error a delete has no value
       else console.log(event.value)
     }
     // @ts-expect-error keys are strings
     await cluster.get(1)
     // @ts-expect-error no such option
     await createCluster({ worker: 2 })
     // @ts-expect-error no such code
     console.log(value, entry, new SkiffError('SKIFF_NONE', 'unknown', ''))`,
  )
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--lib',
    'es2023',
    '--types',
    'node',
    '--typeRoots',
    join(root, 'node_modules/@types'),
  ]
  run(join(root, 'node_modules/.bin/tsc'), [...options, 'use.ts'], folder)
})

test('the package holds what runs and what explains, and nothing else', () => {
  const listed = run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], root)
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }]
  for (const { path } of files) {
    const known =
      /^(dist\/(src|workers)\/|src\/|workers\/|README\.md|ARCHITECTURE\.md|GUARANTEES\.md|CHANGELOG\.md|LICENSE|package\.json)/
    assert.match(path, known)
  }
})

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      timeout: 120_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`)
  }
}
