/**
 * Entrance of `npm run mutants`: plants every bug of bugs/ in a tree of its own, and lists
 * which seed of the simulator and which unit test found it.
 *
 *     npm run mutants -- [WORD…] [--seeds N]     only those whose names hold one of the words
 *
 * Exit code 1: a bug was found by nothing; or by something in a program without a bug.
 */
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { readArguments, refuse, wholeFrom } from '../support/arguments.ts'
import { allMutants } from './bugs/all.ts'
import type { Found } from './hunt.ts'
import { huntSeeds, huntTests } from './hunter.ts'
import type { Mutant } from './mutant.ts'
import { Nursery } from './nursery.ts'

const usage = `usage: npm run mutants -- [WORD…] [--seeds N]
         WORD        only bugs whose names hold one of these
         --seeds N   of the simulator, for bugs that no unit test has found; default 500
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
  readonly test: string | null
}

async function main(): Promise<number> {
  const options = { seeds: { type: 'string', default: '500' } } as const
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
    const rows = await huntAll(nursery, [null, ...mutants], seeds)
    const seconds = Math.round((performance.now() - started) / 1_000)
    return summarise(rows, seeds, seconds)
  } finally {
    nursery.close()
  }
}

/** As many at once as there are cores. */
async function huntAll(
  nursery: Nursery,
  mutants: readonly (Mutant | null)[],
  seeds: number,
): Promise<Row[]> {
  const waiting = [...mutants]
  const rows: Row[] = []
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const row = await hunt(nursery, mutant, seeds)
      rows.push(row)
      console.log(`${`${rows.length}`.padStart(3)} of ${mutants.length}  ${describe(row)}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return rows
}

async function hunt(nursery: Nursery, mutant: Mutant | null, seeds: number): Promise<Row> {
  const tree = nursery.grow(mutant)
  try {
    const folders = foldersOf(mutant)
    const test = await huntTests(tree, folders, subjectsOf(mutant))
    // What a test has found is not looked for any longer than to see that the simulator sees it too.
    const enough = mutant === null ? seedsOfControl : test === null ? seeds : seedsAfterTest
    const most = Math.min(seeds, enough)
    const canSee = folders.some((folder) => simulated.includes(folder))
    return { mutant, seed: canSee ? await huntSeeds(tree, 1, most) : null, test }
  } finally {
    nursery.fell(tree)
  }
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
  const bySeed = seed === null ? 'no seed' : `seed ${seed.seed}: ${seed.rule}`
  const byTest = test === null ? 'no unit test' : `test: ${test}`
  return `${mutant?.name ?? 'the program as it is'}\n              ${bySeed}\n              ${byTest}`
}

function summarise(rows: readonly Row[], seeds: number, seconds: number): number {
  const planted = rows.filter(({ mutant }) => mutant !== null)
  const caught = planted.filter(({ seed, test }) => seed !== null || test !== null)
  const bySeed = planted.flatMap(({ seed }) => seed?.seed ?? []).sort((a, b) => a - b)
  const byTest = planted.filter(({ test }) => test !== null)
  const median = bySeed[Math.floor(bySeed.length / 2)]
  console.log(
    `\n${caught.length} of ${planted.length} planted bugs caught in ${seconds} s: ` +
      `${bySeed.length} by at most ${seeds} seeds (median ${median}, most ${bySeed.at(-1)}), ${byTest.length} by a unit test`,
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
