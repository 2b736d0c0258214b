/** Whole clusters under faults, seed by seed; more of them with `npm run sim`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Report, simulate } from './cluster.ts'

const seeds = 200
const repeatedSeeds = 20

function run(from: number, count: number): readonly Report[] {
  return Array.from({ length: count }, (_, at) => simulate(from + at))
}

describe('simulated clusters', () => {
  const reports = run(1, seeds)

  for (const { seed, broken } of reports.filter((report) => report.broken !== null)) {
    test(`seed ${seed} keeps all promises`, () => {
      assert.fail(`${broken?.message}\nreplay: npm run sim -- ${seed}`)
    })
  }

  test(`${seeds} seeds keep all promises, and there was something to keep`, () => {
    const sum = (of: (report: Report) => number) => reports.reduce((all, each) => all + of(each), 0)
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
