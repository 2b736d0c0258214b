/** The goals of the design (§9), and what was measured of them. */
import { type Bound, boundOf } from './bounds.ts'
import { isOurs, isSameLoad, type Metric, type Ratio, type Row } from './row.ts'

export interface Goal {
  readonly suite: string
  readonly work: string
  readonly callers: number
  /** How the name of the system that we are measured against begins. */
  readonly against: string
  readonly metric: Metric
  /** Ours divided by theirs. */
  readonly least: number | null
  readonly most: number | null
}

export interface Reached {
  readonly goal: Goal
  /** As in the tables: in which of its ways ours was measured; `null`: not at all. */
  readonly system: string | null
  readonly ratio: number | null
  readonly isMet: boolean | null
  /** `null`: not measured. */
  readonly sides: Sides | null
}

/** The ratio's two sides, in the unit of the metric. */
export interface Sides {
  /** What the goal comes to, given theirs. */
  readonly wanted: number
  readonly measured: number
  readonly bound: Bound | null
}

const lmdb = 'lmdb-js, best setting'
const etcd = 'etcd'
const skiffRs = 'skiff-rs'

export const goals: readonly Goal[] = [
  atLeast('put1', 1_000, lmdb, 4),
  atLeast('put1', 64, lmdb, 3),
  atMost('put1', 1, lmdb, 'p50Ms', 1.1),
  atLeast('put3', 1_000, etcd, 20),
  atMost('put3', 1_000, etcd, 'p99Ms', 0.1),
  atLeast('put3', 64, etcd, 8),
  atMost('put3', 64, etcd, 'p99Ms', 0.2),
  atMost('put3', 1, etcd, 'p50Ms', 0.8),
  ...[1, 64, 1_000].map((callers) => atLeast('read1', callers, lmdb, 0.5)),
  atLeast('read3', 1_000, etcd, 10),
  ...['put3', 'read3'].flatMap((suite) =>
    [1, 64, 1_000].flatMap((callers) => [
      atLeast(suite, callers, skiffRs, 100),
      atMost(suite, callers, skiffRs, 'p50Ms', 0.05),
    ]),
  ),
]

/** One line per goal and way of ours; of what was not measured one line that says so. Of other suites none. */
export function reachedOf(
  rows: readonly Row[],
  ratios: readonly Ratio[],
  cores: number,
): Reached[] {
  const suites = new Set(rows.map(({ suite }) => suite))
  return goals
    .filter(({ suite }) => suites.has(suite))
    .flatMap((goal): Reached[] => {
      const found = ratios.filter((ratio) => isAbout(goal, ratio))
      if (found.length === 0) return [{ goal, system: null, ratio: null, isMet: null, sides: null }]
      return found.map((each) => ({
        goal,
        system: each.system,
        ratio: each.ratio,
        isMet: isWithin(goal, each.ratio),
        sides: sidesOf(goal, each, rows, cores),
      }))
    })
}

function sidesOf(goal: Goal, ratio: Ratio, rows: readonly Row[], cores: number): Sides | null {
  const ours = rows.find((row) => row.system === ratio.system && isOfLoad(row, ratio))
  if (ours === undefined) return null
  const theirs = rows.find((row) => row.system === ratio.against && isSameLoad(row, ours))
  if (theirs === undefined) return null
  const { metric, least, most } = goal
  return {
    wanted: (least ?? most ?? 1) * theirs[metric],
    measured: ours[metric],
    bound: boundOf(ours, metric, cores),
  }
}

function isOfLoad(row: Row, { suite, callers, valueBytes, work }: Ratio): boolean {
  return (
    row.suite === suite &&
    row.callers === callers &&
    row.valueBytes === valueBytes &&
    row.work === work
  )
}

function atLeast(suite: string, callers: number, against: string, least: number): Goal {
  return { suite, work: workOf(suite), callers, against, metric: 'opsPerSecond', least, most: null }
}

function atMost(
  suite: string,
  callers: number,
  against: string,
  metric: Metric,
  most: number,
): Goal {
  return { suite, work: workOf(suite), callers, against, metric, least: null, most }
}

function workOf(suite: string): string {
  return suite.startsWith('put') ? 'put' : 'get'
}

function isAbout(goal: Goal, ratio: Ratio): boolean {
  return (
    ratio.suite === goal.suite &&
    ratio.work === goal.work &&
    ratio.callers === goal.callers &&
    ratio.metric === goal.metric &&
    ratio.against.startsWith(goal.against) &&
    isOurs(ratio)
  )
}

function isWithin({ least, most }: Goal, ratio: number): boolean {
  return ratio >= (least ?? 0) && ratio <= (most ?? Number.POSITIVE_INFINITY)
}
