/** Whole clusters under faults, seed by seed; more of them with `npm run sim`. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type Report, simulate } from './cluster.ts'
import { runRange } from './range.ts'

const seeds = 28
const repeatedSeeds = 8
const replayedSeeds = 4

async function reportsOf(count: number, twice: boolean): Promise<readonly Report[]> {
  const reports: Report[] = []
  await runRange({ from: 1, seeds: count, twice }, (report) => reports.push(report) > 0)
  return reports.sort((a, b) => a.seed - b.seed)
}

function assertKept(reports: readonly Report[]): void {
  const broken = reports.filter((report) => report.broken !== null)
  const words = broken.map(
    ({ seed, broken: rule }) => `${rule?.message}\nreplay: npm run sim -- ${seed}`,
  )
  assert.deepEqual(words, [])
}

describe('simulated clusters', () => {
  let reports: readonly Report[] = []

  before(async () => {
    reports = await reportsOf(seeds, false)
  })

  test(`${seeds} seeds keep all promises`, () => {
    assert.equal(reports.length, seeds)
    assertKept(reports)
  })

  test('there was something to keep', () => {
    const sum = (of: (report: Report) => number) => reports.reduce((all, each) => all + of(each), 0)
    assert.ok(sum(({ acknowledged }) => acknowledged) > 20 * seeds, 'writes were acknowledged')
    assert.ok(sum(({ readsServed }) => readsServed) > 20 * seeds, 'reads were served')
    assert.ok(sum(({ watches }) => watches) > seeds, 'watches were complete')
    assert.ok(sum(({ leaders }) => leaders) > 2 * seeds, 'leaders changed')
    assert.ok(sum(({ crashes }) => crashes) > 5 * seeds, 'servers died')
    assert.ok(sum(({ joint }) => joint) > seeds, 'voters were changed')
    const restarted = reports.filter(({ jointStarts }) => jointStarts > 0)
    assert.ok(restarted.length > seeds / 20, 'servers started in the middle of such changes')
    const cut = reports.filter(({ jointSnapshots }) => jointSnapshots > 0)
    assert.ok(cut.length > seeds / 20, 'snapshots were taken in the middle of such changes')
  })

  test('the same seed gives the same run, another seed another', async () => {
    const again = await reportsOf(repeatedSeeds, true)
    assert.deepEqual(again, reports.slice(0, repeatedSeeds))
    assert.equal(new Set(reports.map(({ hash }) => hash)).size, seeds)
  })

  test('the words of a replay do not change the run', () => {
    const lines: string[] = []
    // Several: one of them may be a node alone, which talks to nobody.
    for (const report of reports.slice(0, replayedSeeds))
      assert.deepEqual(
        simulate(report.seed, (line) => lines.push(line)),
        report,
      )
    assert.ok(lines.some((line) => line.includes('heartbeat t')))
  })
})
