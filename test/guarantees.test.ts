/** GUARANTEES.md names what would fail without each promise: it must exist. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sections = readFileSync(join(root, 'GUARANTEES.md'), 'utf8').split(/^## /m).slice(1)
const witness = /^- `([^`]+\.ts)`: (.+)$/gm

for (const section of sections) {
  const title = section.slice(0, section.indexOf('\n'))
  if (title === 'What is not promised') continue
  test(`what shows "${title}" exists`, () => {
    const witnesses = [...section.matchAll(witness)]
    const promises = section.match(/^\*\*/gm)?.length ?? 0
    assert.ok(promises > 0, 'a section without a promise')
    assert.ok(witnesses.length >= 2 * promises, `${witnesses.length} witnesses`)
    for (const [, file = '', name = ''] of witnesses) {
      const text = readFileSync(join(root, file), 'utf8')
      const stands = [`'${name}'`, `\`${name}\``].some((quoted) => text.includes(quoted))
      assert.ok(stands, `${file} has no '${name}'`)
    }
  })
}
