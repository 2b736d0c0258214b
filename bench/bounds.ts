/**
 * How fast a system could be if it never waited: what stands between it and a goal. A goal beyond the bound is not
 * reached by waiting less, only by what a call costs, or, for one caller, by a faster disk and quicker threads.
 */
import type { Metric, Row } from './row.ts'

export interface Bound {
  readonly name: string
  /** In the unit of the metric. */
  readonly value: number
}

/** `null`: nothing is known of what its calls cost. */
export function boundOf(row: Row, metric: Metric, cores: number): Bound | null {
  const [least] = ceilingsOf(row, cores).toSorted((a, b) => a.value - b.value)
  if (least === undefined || metric === 'opsPerSecond') return least ?? null
  // Little's law: so many calls are under way all the time. It gives the mean, and no p99 is below it.
  return { name: least.name, value: (row.callers * 1_000) / least.value }
}

/** Calls per second at which each of what computes would be busy all the time; of one caller, what its calls consist of, too. */
function ceilingsOf(row: Row, cores: number): Bound[] {
  const all = row.cpuSecondsPerMillion + (row.generatorCpuSecondsPerMillion ?? 0)
  const parts = [
    { name: `CPU of ${cores} cores`, seconds: all / cores },
    { name: 'main thread', seconds: row.mainCpuSecondsPerMillion ?? 0 },
    { name: 'busiest other thread', seconds: row.busiestOtherCpuSecondsPerMillion ?? 0 },
    ...(row.callers === 1 && row.limit !== null ? [wayOf(row, row.limit)] : []),
  ]
  return parts
    .filter(({ seconds }) => seconds > 0)
    .map(({ name, seconds }) => ({ name, value: 1e6 / seconds }))
}

function wayOf({ p50Ms }: Row, { name, percent }: NonNullable<Row['limit']>) {
  return { name, seconds: (p50Ms * 1e3 * percent) / 100 }
}
