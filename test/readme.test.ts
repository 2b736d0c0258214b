/** The README keeps its word: its example runs, and its two commands come first. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')

test('the first two commands of the README are the main job and the tests', () => {
  const commands = [...readme.matchAll(/```sh\n(.*?)\n```/gs)].map((match) => match[1])
  assert.deepEqual(commands.slice(0, 2), ['npm install && npm start', 'npm install && npm test'])
})

test('the example of the README prints what its comments say', (t) => {
  const example = /```ts\n(.*?)\n```/s.exec(readme)?.[1] ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'skiff-readme-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'example.mjs'), runnable(example))
  const output = execFileSync('node', [join(folder, 'example.mjs')], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(
    output,
    `{ name: 'Ada', born: 1815 }
1 put users/ada
2 put users/alan
3 delete users/ada
[ 'users/alan' ]
[ 'users/' ]
users/alan 1
`,
  )
})

test('every error code of the library is in the README, and no other', () => {
  const inSource = readFileSync(join(root, 'src/errors.ts'), 'utf8').match(/'SKIFF_\w+'/g) ?? []
  const known = new Set(inSource.map((code) => code.slice(1, -1)))
  const told = new Set(readme.match(/SKIFF_[A-Z_]+/g) ?? [])
  assert.deepEqual([...told].sort(), [...known].sort())
})

/** `await using` is not in Node 20; the package is this checkout. */
function runnable(example: string): string {
  const names = [...example.matchAll(/await using (\w+)/g)].map((match) => match[1])
  const library = pathToFileURL(join(root, 'dist/src/index.js')).href
  const closes = names.reverse().map((name) => `await ${name}.close()`)
  return [
    example.replaceAll('await using', 'const').replace("'skiff-ts'", `'${library}'`),
    ...closes,
  ].join('\n')
}
