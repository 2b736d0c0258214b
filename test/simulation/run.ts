/**
 * Entrance of `npm run sim`.
 *
 *     npm run sim -- SEED                     replays one seed, with every line of the conversation
 *     npm run sim -- --from SEED --seeds N    runs a range; stops at the first broken promise, exit code 1
 *     … --core                                the consensus core alone: far more seeds, no storage
 *     … --keep-going                          does not stop
 */
import { parseArgs } from 'node:util'
import { simulate as simulateTurns } from './cluster.ts'
import { simulate as simulateCore } from './core/cluster.ts'

interface AnyReport {
  readonly seed: number
  readonly events: number
  readonly broken: { readonly rule: string; readonly message: string } | null
}

type Simulate = (seed: number, say?: (line: string) => void) => AnyReport

const usage = 'usage: npm run sim -- SEED | [--from SEED] [--seeds N] [--core] [--keep-going]'
const reportEveryMs = 1_000

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      from: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1000' },
      core: { type: 'boolean', default: false },
      'keep-going': { type: 'boolean', default: false },
    },
  })
  const simulate: Simulate = values.core ? simulateCore : simulateTurns
  const [seed] = positionals
  if (seed !== undefined) return replay(simulate, toWhole(seed))
  return runRange(simulate, toWhole(values.from), toWhole(values.seeds), values['keep-going'])
}

function replay(simulate: Simulate, seed: number): number {
  const report = simulate(seed, (line) => console.log(line))
  console.log(describe(report))
  return report.broken === null ? 0 : 1
}

function runRange(simulate: Simulate, from: number, seeds: number, keepGoing: boolean): number {
  const started = performance.now()
  let events = 0
  let failures = 0
  let lastShown = started
  for (let seed = from; seed < from + seeds; seed++) {
    const report = simulate(seed)
    events += report.events
    if (report.broken !== null) {
      failures++
      console.log(describe(report))
      if (!keepGoing) break
    }
    const now = performance.now()
    if (now - lastShown < reportEveryMs && seed + 1 < from + seeds) continue
    lastShown = now
    const seconds = (now - started) / 1_000
    const done = seed + 1 - from
    console.log(
      `${done} of ${seeds} seeds, ${(done / seconds).toFixed(1)} seeds/s, ${Math.round(events / seconds)} events/s, ${failures} failed`,
    )
  }
  return failures === 0 ? 0 : 1
}

function describe({ seed, broken, ...rest }: AnyReport): string {
  const numbers = Object.entries(rest)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
  if (broken === null) return `seed ${seed}: all promises kept; ${numbers}`
  return `seed ${seed} broke "${broken.rule}"\n${broken.message}\n${numbers}\nreplay: npm run sim -- ${seed}`
}

function toWhole(text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= 0) return number
  console.error(usage)
  process.exit(2)
}

process.exitCode = main()
