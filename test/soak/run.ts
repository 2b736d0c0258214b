/**
 * Entrance of `npm run soak`.
 *
 *     npm run soak -- [--minutes N] [--nodes 1|3|5] [--stop-minutes N] [--seed S] [--out DIR] …
 *
 * A cluster of processes under constant load: whether its files, its memory and its latencies stay bounded while
 * the log is cut again and again, and a member that was away for long comes back by a snapshot. With one node it is
 * killed in the middle instead. Leaves `soak.html` (curves) and `soak.json`. Exit code 1 when something was
 * lost, differs, or outgrew its bounds.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { wrongRead } from '../../bench/callers.ts'
import { renderPlot } from '../../bench/plot.ts'
import { openScratch } from '../../src/cli/scratch.ts'
import { numberFrom, readArguments, wholeFrom } from '../support/arguments.ts'
import { Soak, type SoakOptions, type SoakReport } from './campaign.ts'
import { numbersOf, plotOf, renderFindings, renderPhases, renderSizes } from './report.ts'
import { type Finding, figuresOfAll, findingsOf, isBroken } from './verdict.ts'

const minutesMax = 24 * 60
const usage = `usage: npm run soak -- [options]
         --minutes N       at most ${minutesMax}, default 30
         --nodes 1|3|5     members, each a process; default 3
         --stop-minutes N  how long one of them is stopped; default a third of the whole
         --keys N          of all together, which bounds the state; default 200000
         --callers N       in each member, in a closed loop; default 64
         --snapshot-mib N  snapshotLogBytes; default 64
         --seed S          draws the keys; default another each time
         --out DIR         for the curves and numbers; default a new one
         --lenient         times are shown, but not judged: for machines that do other things too
exit code 0: all within bounds, 1: something was not, 2: wrong arguments`

type Arguments = Omit<SoakOptions, 'scratch' | 'say'> & {
  readonly out: string | null
  readonly isLenient: boolean
}

function readOptions(): Arguments {
  const text = (standard: string) => ({ type: 'string', default: standard }) as const
  const { values } = readArguments(usage, {
    minutes: text('30'),
    nodes: text('3'),
    'stop-minutes': { type: 'string' },
    keys: text('200000'),
    callers: text('64'),
    'snapshot-mib': text('64'),
    seed: text(`${1 + Math.floor(Math.random() * 2 ** 31)}`),
    out: { type: 'string' },
    lenient: { type: 'boolean', default: false },
  })
  const minutesFrom = (words: string, most: number): number =>
    numberFrom(words, usage, `up to ${most} minutes`, (n) => n > 0 && n <= most)
  const minutes = minutesFrom(values.minutes, minutesMax)
  const stop = values['stop-minutes'] ?? `${minutes / 3}`
  return {
    seed: wholeFrom(values.seed, usage),
    nodes: numberFrom(values.nodes, usage, '1, 3 or 5 nodes', (n) => [1, 3, 5].includes(n)),
    ms: minutes * 60_000,
    stopMs: minutesFrom(stop, minutes / 2) * 60_000,
    keys: wholeFrom(values.keys, usage, 1_000),
    callers: wholeFrom(values.callers, usage),
    snapshotLogBytes: wholeFrom(values['snapshot-mib'], usage) * 2 ** 20,
    out: values.out ?? null,
    isLenient: values.lenient,
  }
}

async function main(): Promise<number> {
  const { out, isLenient, ...options } = readOptions()
  console.log(`seed ${options.seed}`)
  const scratch = openScratch('soak')
  // Members end with us.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      scratch.remove()
      process.exit(130)
    })
  try {
    const say = (line: string): void => console.log(line)
    const report = await new Soak({ ...options, scratch: scratch.dir, say }).run()
    const findings = findingsOf({ ...report, ...options, members: options.nodes })
    const folder = keep(report, findings, options, out)
    print(report, findings, options)
    console.log(`curves and numbers: ${folder}`)
    const code = verdict(report, findings, isLenient)
    if (code === 0) scratch.remove()
    else console.error(`the members' files: ${scratch.dir}`)
    return code
  } catch (error) {
    scratch.remove()
    throw error
  }
}

type Options = Omit<Arguments, 'out' | 'isLenient'>

function print(
  report: SoakReport,
  findings: readonly Finding[],
  { nodes, ...options }: Options,
): void {
  const figures = figuresOfAll({ ...report, ...options, members: nodes })
  console.log(
    `\n${nodes === 1 ? 'the member' : 'the members that go on'}:\n${renderPhases(figures)}`,
  )
  console.log(`\n${renderSizes(report)}`)
  console.log(`\n${renderFindings(findings)}\n`)
  for (const failure of report.failures) console.log(`failed: ${failure}`)
}

function keep(
  report: SoakReport,
  findings: readonly Finding[],
  options: Options,
  out: string | null,
): string {
  const folder = out ?? mkdtempSync(join(tmpdir(), 'skiff-soak-'))
  mkdirSync(folder, { recursive: true })
  const { nodes, ms, keys, callers, snapshotLogBytes, seed } = options
  const facts = [
    `${keys} keys, ${callers} callers in each member, snapshotLogBytes ${snapshotLogBytes}, seed ${seed}`,
    ...findings.map(
      ({ rule, found, most, unit }) => `${rule}: ${found.toFixed(2)} ${unit} of at most ${most}`,
    ),
  ]
  const title = `Soak: ${nodes} member${nodes === 1 ? '' : 's'}, ${ms / 60_000} minutes`
  const numbers = { options, findings, ...numbersOf(report) }
  writeFileSync(join(folder, 'soak.json'), `${JSON.stringify(numbers)}\n`)
  writeFileSync(join(folder, 'soak.html'), renderPlot(plotOf(title, facts, report)))
  return folder
}

function verdict(report: SoakReport, findings: readonly Finding[], isLenient: boolean): number {
  const judged = findings.filter(({ isTime }) => !isTime || !isLenient)
  const failures = report.failures.filter((line) => !isLenient || line.startsWith(wrongRead))
  const broken = [
    ...report.broken,
    ...failures.map((line) => `an operation failed: ${line}`),
    ...judged
      .filter(isBroken)
      .map(({ rule, found, most }) => `${rule}: ${found.toFixed(2)} > ${most}`),
  ]
  for (const line of broken) console.error(`broken: ${line}`)
  if (broken.length === 0) console.log('all within bounds')
  return broken.length === 0 ? 0 : 1
}

process.exitCode = await main()
