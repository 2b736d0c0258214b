/**
 * Entrance of `npm run chaos`.
 *
 *     npm run chaos -- [--minutes N] [--nodes 3|5] [--seed S]
 *
 * Members are processes of their own, clients are here. Prints the seed first, each fault as it comes, and a
 * table at the end. Exit code 1 when a promise was broken. Goes on beyond N minutes until each kind of
 * fault has come up once.
 */
import { renderTable } from '../../src/cli/report.ts'
import { numberFrom, readArguments, wholeFrom } from '../support/arguments.ts'
import { type CampaignReport, runCampaign } from './campaign.ts'
import { faultKinds } from './faults.ts'

/** The history of a run is held in memory: some 60,000 operations a minute. */
const minutesMax = 30
const usage = `usage: npm run chaos -- [--minutes N] [--nodes 3|5] [--seed S]
         --minutes N   at most ${minutesMax}, default 1; longer, until each kind of fault has come up once
         --nodes 3|5   members, each a process; default 3
         --seed S      draws the faults; default another each time
exit code 0: all promises kept, 1: one was broken, 2: wrong arguments`

async function main(): Promise<number> {
  const { values } = readArguments(usage, {
    minutes: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
  })
  const inRange = (n: number): boolean => n > 0 && n <= minutesMax
  const minutes = numberFrom(values.minutes, usage, `up to ${minutesMax} minutes`, inRange)
  const nodes = numberFrom(values.nodes, usage, '3 or 5 nodes', (n) => n === 3 || n === 5)
  const seed = wholeFrom(values.seed, usage, 0)
  console.log(`seed ${seed}`)
  // Members and mounts must not outlive us.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
  const report = await runCampaign({
    seed,
    nodes,
    ms: minutes * 60_000,
    kinds: faultKinds,
    say: (line) => console.log(line),
  })
  print(report)
  for (const { rule, details } of report.broken) console.error(`broken: ${rule}\n${details}`)
  const again = `again: npm run chaos -- --minutes ${minutes} --nodes ${nodes} --seed ${seed}`
  if (report.broken.length === 0) {
    console.log(`all promises kept; ${again}`)
    return 0
  }
  console.error(`history and complaints: ${report.kept}`)
  console.error(again)
  return 1
}

function print({
  faults,
  counts,
  terms,
  longestGapMs,
  watchesResumed,
  lost,
}: CampaignReport): void {
  const rows = [...faults].map(([kind, { installed, skipped }]) => [
    kind,
    `${installed}`,
    `${skipped}`,
  ])
  console.log(`\n${renderTable(['fault', 'installed', 'skipped'], rows)}`)
  const { ok, notApplied, unknown } = counts
  console.log(`operations: ${ok} ok, ${notApplied} not applied, ${unknown} unknown`)
  console.log(`terms: ${terms}, watches resumed: ${watchesResumed}`)
  console.log(`processes that the system ended on a failing or full disk: ${lost}`)
  console.log(`longest time without an acknowledged write: ${Math.round(longestGapMs)} ms`)
}

process.exitCode = await main()
