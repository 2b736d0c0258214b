/**
 * bench/RESULTS.md: parts, each of the run that last measured it. What was not measured now stays as it was.
 */

import { renderCount } from '../../src/cli/report.ts'
import { type SuiteName, suiteNames, suites, suitesByDefault } from '../arguments.ts'
import type { MemoryReport } from '../memory.ts'
import { renderGoals } from './goals.ts'
import { renderGrowth } from './growth.ts'
import { hasLife, noLife, renderLife } from './life.ts'
import type { BenchReport } from './report.ts'
import { renderRatios, renderRows } from './rows.ts'
import { bullets, type Column, figures, markdownTable, size } from './table.ts'

const introductionTitle = '# Results'
const goalsTitle = '# Goals'

export function renderResults(report: BenchReport, before = ''): string {
  const fresh = [
    introduction,
    ...goalsPart(report),
    ...suiteNames.flatMap((suite) => suitePart(suite, report)),
  ]
  const titles = [introductionTitle, goalsTitle, ...suiteNames.map(titleOf)]
  const parts = titles.flatMap((title) => {
    const isPart = (part: string): boolean => part.startsWith(`${title}\n`)
    return fresh.find(isPart) ?? before.split(/^(?=# )/m).find(isPart) ?? []
  })
  return `${parts.map((part) => part.trim()).join('\n\n')}\n`
}

const introduction = `${introductionTitle}

Written by the bench (\`npm run bench\`), not by hand; each part by the run that last measured it, perhaps on another machine. Only ratios
within one run mean anything.

One program makes the load for every system. _In process_: that program holds the store, or, on the leader, one of three members, each of
which is a process. _Over the network_: it is a learner, and each call crosses a socket to the leader and back. Callers form a closed loop: each waits for its answer, then goes on;
a put is answered when it is durable, a read is linearizable. In the open loop operations begin when they are due, and latency counts from then. Systems that are compared
were measured one right after the other, some rounds of them; numbers are medians. CPU seconds are those of all processes of the system per million operations, of them the main thread's where the callers
are, and the busiest other's; those of callers in a program of their own beside them; RSS is the sum over the processes, with mapped files. Syncs are calls of fdatasync, fsync and msync in all processes; LMDB writes its meta page through O_DSYNC besides, once per commit. An election, a failure or a peer that
is missing stands below the table; where nothing stands there was none.`

function titleOf(suite: SuiteName): string {
  return `# ${suite}: ${suites[suite]}`
}

/** Of a run that measured them all; of another they stand with its suites. */
function goalsPart(report: BenchReport): string[] {
  const measuredSuites = new Set(report.goals.map(({ goal }) => goal.suite))
  if (!suitesByDefault.every((suite) => measuredSuites.has(suite))) return []
  const met = report.goals.filter(({ isMet }) => isMet === true).length
  const measured = report.goals.filter(({ isMet }) => isMet !== null).length
  return [
    `${goalsTitle}

Those of the design, ours divided by theirs. ${met} of ${measured} met.

_Could be_: what ours would reach if it never waited, with the CPU that it spends on a call: no more calls a second than the busiest thread
or all cores have time for, and no call faster than what it consists of, measured bare. A goal beyond that is not reached by waiting less.
A ratio is the median over pairs of runs, the figures beside it are medians of their own.

${renderGoals(report.goals)}

${renderFacts(report)}`,
  ]
}

function suitePart(suite: SuiteName, report: BenchReport): string[] {
  const rows = report.rows.filter((row) => row.suite === suite)
  const ratios = report.ratios.filter((ratio) => ratio.suite === suite)
  const notes = report.notes.filter((note) => note.startsWith(`${suite}: `))
  const goals = report.goals.filter(({ goal }) => goal.suite === suite)
  const contents = [
    ...(rows.length === 0 ? [] : [renderRows(rows)]),
    ...(goals.length === 0 ? [] : [renderGoals(goals)]),
    ...growthIn(suite, rows),
    ...(ratios.length === 0 ? [] : [renderRatios(ratios)]),
    ...lifeOf(suite, report),
    ...(notes.length === 0 ? [] : [bullets(notes)]),
  ]
  if (contents.length === 0) return []
  return [[titleOf(suite), renderFacts(report), ...contents].join('\n\n')]
}

function growthIn(suite: SuiteName, rows: BenchReport['rows']): string[] {
  const growth = renderGrowth(suite, rows)
  return growth === null ? [] : [growth]
}

function lifeOf(suite: SuiteName, { memory, life }: BenchReport): string[] {
  if (suite === 'memory') return memory === null ? [] : [renderMemory(memory)]
  if (suite !== 'snapshot' && suite !== 'failover' && suite !== 'restart') return []
  const only = { ...noLife, [suite]: life[suite] }
  return hasLife(only) ? [renderLife(only)] : []
}

function renderFacts(report: BenchReport): string {
  return bullets(factsOf(report))
}

/** Where, when and how. */
export function factsOf({ machine, node, commit, date, command, limits }: BenchReport): string[] {
  const { p50Ms, p99Ms } = machine.fdatasync
  return [
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB.toFixed(1)} GiB; ${machine.system}; Node.js ${node}, ${machine.libc}`,
    `Data on: ${machine.filesystem}`,
    `Write of 4 KiB and fdatasync, nothing else: p50 ${figures(p50Ms)} ms, p99 ${figures(p99Ms)} ms`,
    ...(limits === null ? [] : [renderLimits(limits)]),
    `Commit ${commit}, ${date}: \`${command}\``,
  ]
}

function renderLimits({ commits, hop, socket }: NonNullable<BenchReport['limits']>): string {
  const each = commits.map(
    ({ puts, valueBytes, p50Ms, perSecond }) =>
      `of ${renderCount(puts)} × ${size(valueBytes)} ${figures(p50Ms)} ms (${renderCount(perSecond)} puts/s)`,
  )
  return `Limits, p50: a durable commit of the log ${each.join(', ')}; to a thread and back ${figures(hop.p50Ms)} ms; to a process and back ${figures(socket.p50Ms)} ms`
}

export function renderMemory({ bare, idle, growth }: MemoryReport): string {
  const columns: Column<(typeof growth)[number]>[] = [
    { title: 'puts', text: (sample) => renderCount(sample.puts) },
    { title: 'RSS MiB', text: (sample) => sample.rssMiB.toFixed(1) },
    { title: 'heap MiB', text: (sample) => sample.heapMiB.toFixed(1) },
    { title: 'external MiB', text: (sample) => sample.externalMiB.toFixed(1) },
  ]
  const above = idle.rssMiB - bare.rssMiB
  return `One idle node with two workers takes ${above.toFixed(1)} MiB of RSS above Node.js itself
(${idle.rssMiB.toFixed(1)} against ${bare.rssMiB.toFixed(1)} MiB). Over puts of 100 B among 10,000 keys by
1,000 callers, after a garbage collection of the main thread:

${markdownTable(columns, growth)}`
}
