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
import { type Clue, type Clues, readClues, writeClues } from './clues.ts'
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
    const clues: Clues = values.afresh ? new Map() : readClues()
    const rows = await huntAll(nursery, [null, ...mutants], { seeds, clues })
    const seconds = Math.round((performance.now() - started) / 1_000)
    if (values.afresh) keepClues(rows)
    return summarise(rows, seconds)
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
    const clue = mutant === null ? undefined : plan.clues.get(mutant.name)
    const row = clue === undefined ? null : await follow(tree, mutant, clue)
    return row ?? (await search(tree, mutant, plan.seeds))
  } finally {
    nursery.fell(tree)
  }
}

/** `null`: this time it leads to nothing. */
async function follow(tree: string, mutant: Mutant | null, clue: Clue): Promise<Row | null> {
  const seed = 'seed' in clue ? await huntSeeds(tree, clue.seed, 1) : null
  const test = 'test' in clue ? await huntFile(tree, clue.test) : null
  return seed === null && test === null ? null : { mutant, seed, test }
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
  const clues = new Map<string, Clue>()
  for (const { mutant, seed, test } of rows) {
    if (mutant === null) continue
    if (test !== null) clues.set(mutant.name, { test: test.file })
    else if (seed !== null) clues.set(mutant.name, { seed: seed.seed })
  }
  writeClues(clues, (name) => allMutants.some((mutant) => mutant.name === name))
}

const controlFiles = ['src/raft/', 'src/storage/', 'src/client/', 'src/network/']

/** Of unit tests: those of the folders that a mutant touches. */
function foldersOf(mutant: Mutant | null): readonly string[] {
  const files = mutant?.edits.map(({ file }) => file) ?? controlFiles
  return [...new Set(files.map((file) => file.split('/')[1] ?? ''))]
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

function summarise(rows: readonly Row[], seconds: number): number {
  const planted = rows.filter(({ mutant }) => mutant !== null)
  const caught = planted.filter(({ seed, test }) => seed !== null || test !== null)
  const bySeed = planted.flatMap(({ seed }) => seed?.seed ?? []).sort((a, b) => a - b)
  const byTest = planted.filter(({ test }) => test !== null)
  const median = bySeed[Math.floor(bySeed.length / 2)]
  const seedNumbers = bySeed.length === 0 ? 'of none' : `median ${median}, most ${bySeed.at(-1)}`
  console.log(
    `\n${caught.length} of ${planted.length} planted bugs caught in ${seconds} s: ` +
      `${bySeed.length} by a seed (${seedNumbers}), ${byTest.length} by a unit test`,
  )
  for (const { mutant } of planted.filter((row) => !caught.includes(row)))
    console.log(`MISSED: ${mutant?.name}`)
  const falseAlarm = rows.some(
    ({ mutant, seed, test }) => mutant === null && (seed !== null || test !== null),
  )
  if (falseAlarm) console.log('FALSE ALARM: the program as it is does not pass')
  return caught.length === planted.length && !falseAlarm ? 0 : 1
}

process.exitCode = await main()
