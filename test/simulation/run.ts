/**
 * Entrance of `npm run sim`.
 *
 *     npm run sim -- SEED                     replays one seed, with every line of the conversation
 *     npm run sim -- --from SEED --seeds N    runs a range on all cores; ends at the first broken promise
 *     … --twice                               each seed twice: the same seed must give the same run
 *     … --keep-going                          does not end early
 *
 * Exit code 1: a promise was broken; the seed and the rule are printed. 2: wrong arguments.
 */
import { readArguments, refuse, wholeFrom } from '../support/arguments.ts'
import { type Report, simulate } from './cluster.ts'
import { type Range, runRange } from './range.ts'

const usage = `usage: npm run sim -- SEED
         replays one seed, with every line of the conversation
       npm run sim -- [--from SEED] [--seeds N] [--twice] [--keep-going]
         --from SEED, --seeds N   the range; default from 1, 1000 seeds
         --twice                  each seed twice: it must do the same both times
         --keep-going             does not end at the first broken promise
exit code 0: all promises kept, 1: one was broken, 2: wrong arguments`
const reportEveryMs = 1_000

const options = {
  from: { type: 'string', default: '1' },
  seeds: { type: 'string', default: '1000' },
  twice: { type: 'boolean', default: false },
  'keep-going': { type: 'boolean', default: false },
} as const
const { values, positionals } = readArguments(usage, options, { allowPositionals: true })

function main(): number | Promise<number> {
  const [seed] = positionals
  if (seed !== undefined && process.argv.length > 3) refuse('one seed, and nothing else', usage)
  if (seed !== undefined) return replay(wholeFrom(seed, usage, 0))
  const { from, seeds, twice } = values
  return run({ from: wholeFrom(from, usage, 0), seeds: wholeFrom(seeds, usage), twice })
}

function replay(seed: number): number {
  const report = simulate(seed, (line) => console.log(line))
  console.log(describe(report))
  return report.broken === null ? 0 : 1
}

async function run(range: Range): Promise<number> {
  const tally = new Tally(range)
  await runRange(range, (report) => {
    tally.add(report)
    return report.broken === null || values['keep-going']
  })
  tally.show()
  return tally.failures.length === 0 ? 0 : 1
}

/** What has come of a range so far. */
class Tally {
  readonly failures: Report[] = []
  readonly #range: Range
  readonly #started = performance.now()
  readonly #sums = new Map<string, number>()
  #done = 0
  #shownAt = 0

  constructor(range: Range) {
    this.#range = range
  }

  add(report: Report): void {
    const { seed, hash, broken, ...counts } = report
    this.#done++
    for (const [name, count] of Object.entries(counts))
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + count)
    if (broken !== null) this.#fail(report)
    const now = performance.now()
    if (now - this.#shownAt < reportEveryMs) return
    this.#shownAt = now
    console.log(this.#progress())
  }

  show(): void {
    console.log(this.#progress())
    console.log([...this.#sums].map(([name, sum]) => `${name} ${sum}`).join(', '))
    if (this.failures.length === 0) console.log('all promises kept')
  }

  #fail(report: Report): void {
    this.failures.push(report)
    console.log(describe(report))
  }

  #progress(): string {
    const seconds = (performance.now() - this.#started) / 1_000
    const events = (this.#sums.get('events') ?? 0) * (this.#range.twice ? 2 : 1)
    return (
      `${this.#done} of ${this.#range.seeds} seeds in ${seconds.toFixed(0)} s, ` +
      `${(this.#done / seconds).toFixed(1)} seeds/s, ${Math.round(events / seconds)} events/s, ` +
      `${this.failures.length} failed`
    )
  }
}

function describe({ seed, broken, ...rest }: Report): string {
  const numbers = Object.entries(rest)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
  if (broken === null) return `seed ${seed}: all promises kept; ${numbers}`
  return `seed ${seed} broke "${broken.rule}"\n${broken.message}\n${numbers}\nreplay: npm run sim -- ${seed}`
}

process.exitCode = await main()
