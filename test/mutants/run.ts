/**
 * Entrance of `npm run mutants`: plants every bug of bugs/ in a tree of its own, and lists
 * which seed of the simulator or which unit test found it.
 *
 *     npm run mutants -- [WORD…] [--seeds N] [--afresh]     only those whose names hold one of the words
 *
 * Exit code 1: a bug was found by nothing; or by something in a program without a bug.
 */
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { readArguments, refuse, wholeFrom } from '../support/arguments.ts'
import { allMutants } from './bugs/all.ts'
import { type Clue, type Clues, readClues, updateClues } from './clues.ts'
import type { Found } from './hunt.ts'
import { type Failed, huntFile, huntSeeds, huntTests } from './hunter.ts'
import type { Mutant } from './mutant.ts'
import { Nursery } from './nursery.ts'

const usage = `usage: npm run mutants -- [WORD…] [--seeds N] [--afresh]
         WORD        only bugs whose names hold one of these
         --seeds N   of the simulator, for bugs that no unit test has found; default 500
         --afresh    looks everywhere, not first where each was found before, and keeps what finds it now
exit code 0: every bug was found, and none where there is none; 1: not so; 2: wrong arguments`
const seedsAfterTest = 4
/** Of the program as it is: enough to see that the hunt itself is sound; for more there is `npm run sim`. */
const seedsOfControl = 60
/** What the simulator runs. */
const simulated = ['raft', 'storage']

/** What has caught a mutant. */
interface Row {
  /** `null`: the program as it is. */
  readonly mutant: Mutant | null
  readonly seed: Found | null
  readonly test: Failed | null
}

/** Where to look. */
interface Plan {
  readonly seeds: number
  readonly clues: Clues
}

async function main(): Promise<number> {
  const options = {
    seeds: { type: 'string', default: '500' },
    afresh: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = readArguments(usage, options, { allowPositionals: true })
  const seeds = wholeFrom(values.seeds, usage)
  const words = positionals.map((word) => word.toLowerCase())
  const mutants = allMutants.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word)),
  )
  if (mutants.length === 0) refuse(`no planted bug is named like ${words.join(' or ')}`, usage)
  const nursery = new Nursery(mutants)
  try {
    const started = performance.now()
    const isHunted = (name: string): boolean => mutants.some((mutant) => mutant.name === name)
    const clues: Clues = new Map(
      values.afresh ? [] : [...readClues()].filter(([name]) => isHunted(name)),
    )
    const rows = await huntAll(nursery, [null, ...mutants], { seeds, clues })
    const seconds = Math.round((performance.now() - started) / 1_000)
    summarise(rows, seconds)
    if (hasFalseAlarm(rows)) return 1
    if (values.afresh) keepClues(rows)
    return planted(rows).every(isCaught) ? 0 : 1
  } finally {
    nursery.close()
  }
}

/** As many at once as there are cores. */
async function huntAll(
  nursery: Nursery,
  mutants: readonly (Mutant | null)[],
  plan: Plan,
): Promise<Row[]> {
  const waiting = [...mutants]
  const rows: Row[] = []
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const row = await hunt(nursery, mutant, plan)
      rows.push(row)
      console.log(`${`${rows.length}`.padStart(3)} of ${mutants.length}  ${describe(row)}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return rows
}

async function hunt(nursery: Nursery, mutant: Mutant | null, plan: Plan): Promise<Row> {
  const tree = nursery.grow(mutant)
  try {
    if (mutant === null && plan.clues.size > 0) return await control(tree, plan.clues)
    const clue = plan.clues.get(mutant?.name ?? '')
    const row = mutant === null || clue === undefined ? null : await follow(tree, mutant, clue)
    return row ?? (await search(tree, mutant, plan.seeds))
  } finally {
    nursery.clear(tree, mutant)
  }
}

/** `null`: this time it leads to nothing. */
async function follow(tree: string, mutant: Mutant, clue: Clue): Promise<Row | null> {
  if ('seed' in clue) {
    const seed = await huntSeeds(tree, clue.seed, 1)
    return seed && { mutant, seed, test: null }
  }
  // Alone where that is enough: what is within another test is not found by its name.
  for (const names of [[clue.name], []]) {
    const test = await huntFile(tree, clue.file, names)
    if (test?.name === clue.name) return { mutant, seed: null, test }
  }
  return null
}

/** What the clues lead to finds nothing in the program as it is. */
async function control(tree: string, clues: Clues): Promise<Row> {
  const byFile = new Map<string, string[]>()
  for (const clue of clues.values())
    if ('file' in clue) byFile.set(clue.file, [...(byFile.get(clue.file) ?? []), clue.name])
  let test: Failed | null = null
  for (const [file, names] of byFile) test ??= await huntFile(tree, file, names)
  return { mutant: null, seed: await huntSeeds(tree, 1, seedsOfControl), test }
}

async function search(tree: string, mutant: Mutant | null, seeds: number): Promise<Row> {
  const folders = foldersOf(mutant)
  const test = await huntTests(tree, folders, subjectsOf(mutant))
  // What a test has found is not looked for any longer than to see that the simulator sees it too.
  const enough = mutant === null ? seedsOfControl : test === null ? seeds : seedsAfterTest
  const most = Math.min(seeds, enough)
  const canSee = folders.some((folder) => simulated.includes(folder))
  return { mutant, seed: canSee ? await huntSeeds(tree, 1, most) : null, test }
}

/** Tests rather than seeds, which find other things as soon as the program draws otherwise. */
function keepClues(rows: readonly Row[]): void {
  const clues = new Map<string, Clue | null>()
  for (const { mutant, seed, test } of rows)
    if (mutant !== null) clues.set(mutant.name, test ?? (seed && { seed: seed.seed }))
  updateClues(clues, (name) => allMutants.some((mutant) => mutant.name === name))
}

/** Of unit tests: those of the folders that a mutant touches; of none, those of all. */
function foldersOf(mutant: Mutant | null): readonly string[] {
  const mutants = mutant === null ? allMutants : [mutant]
  const touched = mutants.flatMap(({ edits }) => edits.map(({ file }) => file.split('/')[1] ?? ''))
  return [...new Set([...touched, ...mutants.flatMap(({ shownBy }) => shownBy ?? [])])]
}

/** The names of what a mutant touches, which those of tests begin with. */
function subjectsOf(mutant: Mutant | null): readonly string[] {
  return mutant?.edits.map(({ file }) => basename(file, '.ts')) ?? []
}

function describe({ mutant, seed, test }: Row): string {
  const bySeed = seed === null ? [] : [`seed ${seed.seed}: ${seed.rule}`]
  const byTest = test === null ? [] : [`test: ${test.name} (${test.file})`]
  const finders = [...bySeed, ...byTest]
  const lines = finders.length === 0 ? ['found by nothing'] : finders
  return [mutant?.name ?? 'the program as it is', ...lines].join(`\n${' '.repeat(14)}`)
}

function summarise(rows: readonly Row[], seconds: number): void {
  const all = planted(rows)
  const caught = all.filter(isCaught)
  const bySeed = all.filter(({ seed }) => seed !== null)
  const byTest = all.filter(({ test }) => test !== null)
  console.log(
    `\n${caught.length} of ${all.length} planted bugs caught in ${seconds} s: ` +
      `${byTest.length} by a unit test, ${bySeed.length} by a seed`,
  )
  for (const { mutant } of all.filter((row) => !isCaught(row)))
    console.log(`MISSED: ${mutant?.name}`)
  if (hasFalseAlarm(rows)) console.log('FALSE ALARM: the program as it is does not pass')
}

function planted(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ mutant }) => mutant !== null)
}

function isCaught({ seed, test }: Row): boolean {
  return seed !== null || test !== null
}

function hasFalseAlarm(rows: readonly Row[]): boolean {
  return rows.some((row) => row.mutant === null && isCaught(row))
}

process.exitCode = await main()
