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
].map((name) => `${name.replace('/', sep)}.test.js`)

const folder = fileURLToPath(new URL('.', import.meta.url))
const words = process.argv.slice(2)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort()
if (files.length === 0) throw new Error(`no test file holds ${words.join(' or ')} in its path`)

const isTogether = (name: string): boolean =>
  words.length === 0 && light.includes(name.split(sep)[0] ?? '') && !heavy.includes(name)
const together = files.filter(isTogether).map((name) => join(folder, name))
const apart = files.filter((name) => !isTogether(name)).map((name) => join(folder, name))
// Most of them wait for timeouts and elections most of the time.
const options = ['--test', '--test-reporter=spec', '--test-concurrency=4']
const first = together.length > 0 ? [join(folder, 'together.js')] : []
process.exitCode =
  spawnSync(process.execPath, [...options, ...first, ...apart], {
    stdio: 'inherit',
    env: { ...process.env, SKIFF_TESTS: together.join('\n') },
  }).status ?? 1
