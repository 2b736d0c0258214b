/**
 * What `npm test` runs: every test file but those that take long; `npm run test:long` (`--long`) runs those. With words:
 * all whose path holds one of them.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of what few changes reach; each starts dozens of nodes or processes. Together half as long as all the others. */
const long = testsOf([
  'backup/crash',
  'backup/recover',
  'bench/experiment',
  'cli/start',
  'command/skiff',
  'features/identity',
  'features/process',
  'features/reconfiguration',
  'features/transfer',
  'input/directories',
  'input/peers',
  'package/package',
])
/** Folders whose tests start neither nodes nor processes, and the files in them that do. */
const light = ['bench', 'cli', 'client', 'codec', 'linearizability', 'network', 'raft', 'storage']
const heavy = testsOf([
  'bench/ledger',
  'bench/load',
  'linearizability/cluster',
  'linearizability/run',
])

const folder = fileURLToPath(new URL('.', import.meta.url))
const all = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll(sep, '/'))
  .filter((name) => name.endsWith('.test.js'))
  .sort()
for (const name of [...long, ...heavy])
  if (!all.includes(name)) throw new Error(`there is no ${name}`)

const [first, ...rest] = process.argv.slice(2)
if (first === '--long') run(long)
else if (first === undefined) run(inOneProcess(all.filter((name) => !long.includes(name))))
else run(all.filter((name) => [first, ...rest].some((word) => name.includes(word))))

/** Those that start nothing are run by one process: one of its own takes longer than most of them. */
function inOneProcess(names: readonly string[]): readonly string[] {
  const isLight = (name: string): boolean =>
    light.includes(name.split('/')[0] ?? '') && !heavy.includes(name)
  process.env.SKIFF_TESTS = names.filter(isLight).join('\n')
  return ['together.js', ...names.filter((name) => !isLight(name))]
}

function run(names: readonly string[]): void {
  if (names.length === 0) throw new Error('no test file has a path like that')
  // Most of them wait for timeouts and elections most of the time.
  const options = ['--test', '--test-reporter=spec', '--test-concurrency=4']
  const files = names.map((name) => join(folder, name))
  const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}

function testsOf(names: readonly string[]): readonly string[] {
  return names.map((name) => `${name}.test.js`)
}
