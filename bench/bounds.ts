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
  const { callers, limit } = row
  if (callers === 1 && limit !== null) {
    const leastMs = (row.p50Ms * limit.percent) / 100
    const value = metric === 'opsPerSecond' ? 1_000 / leastMs : leastMs
    return { name: limit.name, value }
  }
  const [busiest] = ceilingsOf(row, cores).toSorted((a, b) => a.value - b.value)
  if (busiest === undefined || metric === 'opsPerSecond') return busiest ?? null
  // Little's law: so many calls are under way all the time. It gives the mean, and no p99 is below it.
  return { name: busiest.name, value: (callers * 1_000) / busiest.value }
}

/** Calls per second at which each of what computes would be busy all the time. */
function ceilingsOf(row: Row, cores: number): Bound[] {
  const all = row.cpuSecondsPerMillion + (row.generatorCpuSecondsPerMillion ?? 0)
  const parts = [
    { name: `CPU of ${cores} cores`, seconds: all / cores },
    { name: 'main thread', seconds: row.mainCpuSecondsPerMillion ?? 0 },
    { name: 'busiest other thread', seconds: row.busiestOtherCpuSecondsPerMillion ?? 0 },
  ]
  return parts
    .filter(({ seconds }) => seconds > 0)
    .map(({ name, seconds }) => ({ name, value: 1e6 / seconds }))
}
