/** What `npm test` runs: every test file, or those whose path holds one of the words given. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const words = process.argv.slice(2)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort()
  .map((name) => join(folder, name))
if (files.length === 0) throw new Error(`no test file holds ${words.join(' or ')} in its path`)
// Most of them wait for timeouts and elections most of the time.
const options = ['--test', '--test-reporter=spec', '--test-concurrency=4']
process.exitCode =
  spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit' }).status ?? 1
