import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare, differencesMax, type Stored } from '../../src/cli/compare.ts'
import type { FileValue } from '../../src/cli/walk.ts'

function file(content: string): FileValue {
  return { bytes: content.length, modified: '2024-01-01T00:00:00.000Z', sha256: content }
}

async function* stored(...entries: [string, unknown][]): AsyncIterable<Stored> {
  for (const [key, value] of entries) yield { key, value }
}

const files = new Map([
  ['files/a', file('a')],
  ['files/b', file('b')],
])

test('equal states have no differences', async () => {
  const comparison = await compare(files, files, stored(...files))
  assert.deepEqual(comparison, { identical: 2, differenceCount: 0, differences: [] })
})

test('a missing, an extra and a changed key are all found', async () => {
  const state = stored(['files/b', file('bb')], ['files/c', file('c')])
  assert.deepEqual(await compare(files, files, state), {
    identical: 0,
    differenceCount: 3,
    differences: [
      { key: 'files/b', problem: 'differs: bytes 2 → 1, sha256 bb → b' },
      { key: 'files/c', problem: 'extra: there is no such file' },
      { key: 'files/a', problem: 'missing in the store' },
    ],
  })
})

test('files that changed, came or went during the run are told from faults of the store', async () => {
  const now = new Map([
    ['files/b', file('bb')],
    ['files/new', file('new')],
  ])
  const { differences } = await compare(files, now, stored(...files))
  assert.deepEqual(differences, [
    { key: 'files/a', problem: 'extra: the file is gone since it was put' },
    { key: 'files/b', problem: 'the file changed since it was put: bytes 1 → 2, sha256 b → bb' },
    { key: 'files/new', problem: 'missing: the file is new since it was read' },
  ])
})

test('a key that is listed twice is a difference', async () => {
  const { identical, differences } = await compare(files, files, stored(...files, ...files))
  assert.equal(identical, 2)
  assert.deepEqual(
    differences.map(({ problem }) => problem),
    ['listed twice', 'listed twice'],
  )
})

test('a value that is no file, or has more fields than one, differs', async () => {
  const state = stored(['files/a', 7], ['files/b', { ...file('b'), more: 1 }])
  const { differenceCount, identical } = await compare(files, files, state)
  assert.deepEqual({ differenceCount, identical }, { differenceCount: 2, identical: 0 })
})

test('all differences are counted, only the first are kept', async () => {
  const many = Array.from({ length: 50 }, (_, index): [string, unknown] => [`files/${index}`, null])
  const comparison = await compare(new Map(), new Map(), stored(...many))
  assert.equal(comparison.differenceCount, 50)
  assert.equal(comparison.differences.length, differencesMax)
})
