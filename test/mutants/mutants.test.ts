/** That bugs can be planted, and that what hunts them can tell them from none; all of them: `npm run mutants`. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { allMutants } from './bugs/all.ts'
import { readClues } from './clues.ts'
import { huntFile, huntSeeds, huntTests } from './hunter.ts'
import { type Mutant, planted } from './mutant.ts'
import { Nursery, readSource } from './nursery.ts'

/** One of each kind, and few seeds: what takes longer to find is for `npm run mutants`. */
const sample = [
  'a vote is not stored',
  'half is a majority',
  'promises leave before the log is synced',
  'a repeated batch is applied again',
]
const unitTested = 'the last voter may be removed'
const clueFile = 'raft/membership.test.js'
const seeds = 60
const seedsOfControl = 6

test('every planted bug changes the program, and each in its own way', () => {
  const changes = allMutants.map((mutant) => JSON.stringify([...planted(mutant, readSource)]))
  assert.ok(allMutants.length >= 40, `${allMutants.length} planted bugs`)
  assert.equal(new Set(changes).size, allMutants.length)
  assert.equal(new Set(allMutants.map(({ name }) => name)).size, allMutants.length)
  for (const { name, edits } of allMutants)
    for (const { find, replace } of edits) assert.notEqual(find, replace, name)
})

test('a patch that fits nowhere, or twice, is refused', () => {
  const edit = { file: 'a.ts', find: 'x', replace: 'y' }
  const mutant: Mutant = { name: 'none', edits: [edit] }
  assert.deepEqual([...planted(mutant, () => 'axb')], [['a.ts', 'ayb']])
  assert.throws(() => planted(mutant, () => 'ab'), /none: a.ts should hold this once: x/)
  assert.throws(() => planted(mutant, () => 'axbx'), /should hold this once/)
})

test('each clue is one to a planted bug, and leads to where there is something', () => {
  const names = new Set(allMutants.map(({ name }) => name))
  for (const [name, clue] of readClues()) {
    assert.ok(names.has(name), `no planted bug is called ${name}`)
    if ('seed' in clue) continue
    assert.ok(existsSync(join(import.meta.dirname, '..', clue.file)), clue.file)
  }
})

describe('a hunt', () => {
  const mutants = allMutants.filter(({ name }) => [...sample, unitTested].includes(name))
  let nursery: Nursery

  before(() => {
    nursery = new Nursery(mutants)
  })

  after(() => nursery.close())

  test('finds nothing in the program as it is', async () => {
    const tree = nursery.grow(null)
    assert.equal(await huntSeeds(tree, 1, seedsOfControl), null)
    assert.equal(await huntFile(tree, clueFile), null)
  })

  test('finds bugs by their seeds', async () => {
    const planned = mutants.filter(({ name }) => sample.includes(name))
    assert.equal(planned.length, sample.length)
    for (const mutant of planned) {
      const found = await huntSeeds(nursery.grow(mutant), 1, seeds)
      assert.notEqual(found, null, `no seed found: ${mutant.name}`)
    }
  })

  test('names the unit test that found a bug', async () => {
    const mutant = mutants.find(({ name }) => name === unitTested)
    assert.ok(mutant !== undefined)
    const found = await huntTests(nursery.grow(mutant), ['raft'], ['membership'])
    assert.equal(found?.file, clueFile)
    assert.match(found.name, /somebody votes/)
  })
})
