/** What `npm test` runs: every test file, or those whose path holds one of the words given. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folders whose tests start neither nodes nor processes, and the files in them that do. */
const light = ['bench', 'cli', 'client', 'codec', 'linearizability', 'network', 'raft', 'storage']
const heavy = [
  'bench/experiment',
  'bench/ledger',
  'bench/load',
  'cli/start',
  'linearizability/cluster',
  'linearizability/run',
].map((name) => `${name}.test.js`)

const folder = fileURLToPath(new URL('.', import.meta.url))
const all = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll(sep, '/'))
  .filter((name) => name.endsWith('.test.js'))
  .sort()
for (const name of heavy) if (!all.includes(name)) throw new Error(`there is no ${name}`)

const words = process.argv.slice(2)
const files = all.filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
if (files.length === 0) throw new Error(`no test file holds ${words.join(' or ')} in its path`)

const isLight = (name: string): boolean =>
  light.includes(name.split('/')[0] ?? '') && !heavy.includes(name)
const together = words.length === 0 ? files.filter(isLight) : []
const apart = files.filter((name) => !together.includes(name))
const entries = together.length > 0 ? ['together.js', ...apart] : apart
// Most of them wait for timeouts and elections most of the time.
const options = ['--test', '--test-reporter=spec', '--test-concurrency=4']
process.exitCode =
  spawnSync(process.execPath, [...options, ...entries.map((name) => join(folder, name))], {
    stdio: 'inherit',
    env: { ...process.env, SKIFF_TESTS: together.join('\n') },
  }).status ?? 1
