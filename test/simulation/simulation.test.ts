/** Whole clusters under faults, seed by seed; more of them with `npm run sim`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulate as simulateTurns } from './cluster.ts'
import { simulate as simulateCore } from './core/cluster.ts'

interface AnyReport {
  readonly seed: number
  readonly hash: number
  readonly acknowledged: number
  readonly readsServed: number
  readonly leaders: number
  readonly crashes: number
  readonly broken: { readonly message: string } | null
}

interface Kind {
  readonly name: string
  /** For `npm run sim`. */
  readonly option: string
  readonly simulate: (seed: number, say?: (line: string) => void) => AnyReport
  readonly seeds: number
}

const kinds: readonly Kind[] = [
  { name: 'the storage turn', option: '', simulate: simulateTurns, seeds: 60 },
  { name: 'the core alone', option: ' --core', simulate: simulateCore, seeds: 200 },
]
const repeatedSeeds = 20

for (const { name, option, simulate, seeds } of kinds) {
  describe(`simulated clusters: ${name}`, () => {
    const run = (from: number, count: number): readonly AnyReport[] =>
      Array.from({ length: count }, (_, at) => simulate(from + at))
    const reports = run(1, seeds)

    for (const { seed, broken } of reports.filter((report) => report.broken !== null)) {
      test(`seed ${seed} keeps all promises`, () => {
        assert.fail(`${broken?.message}\nreplay: npm run sim -- ${seed}${option}`)
      })
    }

    test(`${seeds} seeds keep all promises, and there was something to keep`, () => {
      const sum = (of: (report: AnyReport) => number) =>
        reports.reduce((all, each) => all + of(each), 0)
      assert.deepEqual(
        reports.filter(({ broken }) => broken !== null).map(({ seed }) => seed),
        [],
      )
      assert.ok(sum(({ acknowledged }) => acknowledged) > 10 * seeds, 'writes were acknowledged')
      assert.ok(sum(({ readsServed }) => readsServed) > 10 * seeds, 'reads were served')
      assert.ok(sum(({ leaders }) => leaders) > 3 * seeds, 'leaders changed')
      assert.ok(sum(({ crashes }) => crashes) > seeds, 'servers died')
    })

    test('the same seed gives the same run, another seed another', () => {
      const again = run(1, repeatedSeeds)
      assert.deepEqual(again, reports.slice(0, repeatedSeeds))
      assert.equal(new Set(reports.map(({ hash }) => hash)).size, seeds)
    })

    test('the words of a replay do not change the run', () => {
      const lines: string[] = []
      const replayed = simulate(1, (line) => lines.push(line))
      assert.deepEqual(replayed, reports[0])
      assert.ok(lines.some((line) => line.includes('heartbeat t')))
    })
  })
}
