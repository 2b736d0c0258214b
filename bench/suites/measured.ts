/** From runs to a row: each run in numbers, then their medians and how far they lie apart. */
import { percentileOf } from '../latencies.ts'
import type { LoadProfile, LoadResult, Pace, ThreadHealth } from '../load/profile.ts'
import {
  type Measured,
  type Metric,
  medianOf,
  type OpenLoop,
  type Row,
  type Spread,
} from '../row.ts'
import type { Outcome } from './session.ts'

export interface Run {
  readonly outcome: Outcome
  readonly isEmbedded: boolean
  readonly pace: Pace
}

type Named = Pick<
  Row & LoadProfile,
  'suite' | 'system' | 'nodes' | 'keys' | 'valueBytes' | 'distribution' | 'putPercent'
>

const msPerSecond = 1_000
const million = 1e6
/** Of what was called: fewer that came too late for the end are not worth a word. */
const missedPart = 0.01

export function rowOf({ putPercent, ...named }: Named, runs: readonly Run[]): Row {
  const measured = runs.map(measuredOf)
  const median = (pick: (run: Measured) => number) => medianOf(measured.map(pick))
  const [first] = runs
  const pace = first?.pace ?? { type: 'closed', callers: 0 }
  return {
    ...named,
    work: workOf(putPercent),
    callers: pace.type === 'closed' ? pace.callers : 0,
    open: pace.type === 'open' ? openLoopOf(pace.perSecond, runs) : null,
    opsPerSecond: median((run) => run.opsPerSecond),
    p50Ms: median((run) => run.p50Ms),
    p99Ms: median((run) => run.p99Ms),
    p999Ms: median((run) => run.p999Ms),
    cpuSecondsPerMillion: median((run) => run.cpuSecondsPerMillion),
    generatorCpuSecondsPerMillion:
      first?.isEmbedded === true ? null : medianOf(runs.map(generatorCpu)),
    rssMiB: median((run) => run.rssMiB),
    writtenBytesPerOperation: median((run) => run.writtenBytesPerOperation),
    syncsPerOperation: syncsOf(runs),
    spread: spreadOf(measured),
    runs: measured,
    limit: null,
    mainCpuSecondsPerMillion: first?.isEmbedded === true ? ofThread(runs, 'mainSeconds') : null,
    busiestOtherCpuSecondsPerMillion:
      first?.isEmbedded === true ? ofThread(runs, 'busiestOtherSeconds') : null,
    threads: first?.isEmbedded === true ? worstOf(runs) : null,
    notes: notesOf(runs),
  }
}

export function workOf(putPercent: number): string {
  if (putPercent === 100) return 'put'
  return putPercent === 0 ? 'get' : `${100 - putPercent} % get`
}

function measuredOf({ outcome: { result }, isEmbedded }: Run): Measured {
  const { latencies, elapsedMs, generator, others } = result
  const operations = Math.max(1, result.operations)
  const of = (pick: (spent: typeof others) => number) =>
    pick(others) + (isEmbedded ? pick(generator) : 0)
  return {
    opsPerSecond: (result.operations * msPerSecond) / elapsedMs,
    p50Ms: percentileOf(latencies, 50),
    p99Ms: percentileOf(latencies, 99),
    p999Ms: percentileOf(latencies, 99.9),
    cpuSecondsPerMillion: (of((spent) => spent.cpuSeconds) * million) / operations,
    rssMiB: of((spent) => spent.rssMiB),
    writtenBytesPerOperation: of((spent) => spent.writtenBytes) / operations,
  }
}

function ofThread(runs: readonly Run[], which: 'mainSeconds' | 'busiestOtherSeconds'): number {
  return medianOf(
    runs.map(
      ({ outcome: { result } }) =>
        (result.threads[which] * million) / Math.max(1, result.operations),
    ),
  )
}

function generatorCpu({ outcome: { result } }: Run): number {
  return (result.generator.cpuSeconds * million) / Math.max(1, result.operations)
}

function syncsOf(runs: readonly Run[]): number | null {
  const each = runs.flatMap(({ outcome: { syncs, result } }) =>
    syncs === null ? [] : syncs / Math.max(1, result.operationsInAll),
  )
  return each.length === 0 ? null : medianOf(each)
}

function spreadOf(measured: readonly Measured[]): Spread {
  const over = (metric: Metric): readonly [number, number] => {
    const values = measured.map((run) => run[metric])
    return [Math.min(...values), Math.max(...values)]
  }
  return { opsPerSecond: over('opsPerSecond'), p50Ms: over('p50Ms'), p99Ms: over('p99Ms') }
}

function openLoopOf(duePerSecond: number, runs: readonly Run[]): OpenLoop {
  const median = (pick: (result: LoadResult) => number) =>
    medianOf(runs.map(({ outcome }) => pick(outcome.result)))
  return {
    duePerSecond,
    calledPerSecond: median(({ called, elapsedMs }) => (called * msPerSecond) / elapsedMs),
    refusedPerSecond: median((result) => (refusedIn(result) * msPerSecond) / result.elapsedMs),
    callP50Ms: median(({ callLatencies }) => percentileOf(callLatencies, 50)),
    callP99Ms: median(({ callLatencies }) => percentileOf(callLatencies, 99)),
  }
}

function refusedIn({ failures }: LoadResult): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}

function worstOf(runs: readonly Run[]): ThreadHealth {
  const most = (pick: (health: ThreadHealth) => number) =>
    Math.max(...runs.map(({ outcome }) => pick(outcome.result.threads)))
  return {
    mainSeconds: most(({ mainSeconds }) => mainSeconds),
    busiestOtherSeconds: most(({ busiestOtherSeconds }) => busiestOtherSeconds),
    collections: most(({ collections }) => collections),
    collectionsMs: most(({ collectionsMs }) => collectionsMs),
    longestCollectionMs: most(({ longestCollectionMs }) => longestCollectionMs),
    delayP99Ms: most(({ delayP99Ms }) => delayP99Ms),
    longestDelayMs: most(({ longestDelayMs }) => longestDelayMs),
  }
}

/** What happened in any of the runs, said once each. */
function notesOf(runs: readonly Run[]): string[] {
  const all = runs.flatMap(({ outcome }) => [...outcome.notes, ...failuresOf(outcome.result)])
  return [...new Set(all)]
}

function failuresOf(result: LoadResult): string[] {
  const { operations, failures, firstFailure, missed, unanswered, called } = result
  const each = Object.entries(failures).map(([code, count]) => `${count} failed with ${code}`)
  return [
    ...(operations === 0 ? ['nothing ended while it was measured'] : []),
    ...(each.length === 0 ? [] : [`${each.join(', ')} (first: ${firstFailure})`]),
    ...(unanswered > 0 ? [`${unanswered} were never answered`] : []),
    ...(missed > missedPart * called
      ? [`${missed} were due but never called: the callers' thread came no further`]
      : []),
  ]
}
