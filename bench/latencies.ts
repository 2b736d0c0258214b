/**
 * Latencies that can be added up over seconds and processes: counts per bucket, eight buckets to each
 * doubling, so that a percentile is at most a tenth too high.
 */

const bucketsPerDoubling = 8
/** From a microsecond to more than two minutes. */
const doublings = 27
const buckets = bucketsPerDoubling * doublings

export type LatencyCounts = Uint32Array

export function noLatencies(): LatencyCounts {
  return new Uint32Array(buckets)
}

export function recordLatency(counts: LatencyCounts, ms: number): void {
  const at = Math.floor(bucketsPerDoubling * Math.log2(Math.max(1, ms * 1_000)))
  const bucket = Math.min(buckets - 1, at)
  counts[bucket] = (counts[bucket] ?? 0) + 1
}

export function sumOf(all: Iterable<LatencyCounts>): LatencyCounts {
  const sum = noLatencies()
  for (const counts of all)
    for (const [bucket, count] of counts.entries()) sum[bucket] = (sum[bucket] ?? 0) + count
  return sum
}

/** Upper end of the bucket in which it is; 0 where nothing was recorded. */
export function percentileOf(counts: LatencyCounts, percent: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return 0
  const rank = Math.ceil((total * percent) / 100)
  let seen = 0
  for (const [bucket, count] of counts.entries()) {
    seen += count
    if (seen >= rank) return 2 ** ((bucket + 1) / bucketsPerDoubling) / 1_000
  }
  return 2 ** doublings / 1_000
}
