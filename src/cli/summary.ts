/** What the job says about its run: numbers and the tree of namespaces, and at the end what differs. */
import type { Comparison } from './compare.ts'
import type { Drill } from './drill.ts'
import type { Load } from './load.ts'
import {
  namespaceTree,
  percentileMs,
  renderBytes,
  renderCount,
  renderFacts,
  renderTree,
} from './report.ts'
import type { Walk } from './walk.ts'

export interface Summary {
  readonly folder: string
  readonly cluster: string
  readonly walk: Walk
  readonly load: Load
  /** `null`: there was no file, and so no half of the files. */
  readonly drill: Drill | null
  /** As the store lists them. */
  readonly keys: readonly string[]
  readonly namespaces: readonly string[]
}

export function renderSummary({ walk, load, drill, ...summary }: Summary): string {
  const { files, unreadable } = walk
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0)
  const percentile = (percent: number) => `p${percent} ${percentileMs(load.latencies, percent)} ms`
  const facts: [string, string][] = [
    ['folder', summary.folder],
    ['files', `${renderCount(files.size)}, ${renderBytes(bytes)}; ${unreadable.length} unreadable`],
    ['cluster', summary.cluster],
    ['throughput', describeThroughput(load, drill)],
    ['latency', `${percentile(50)}, ${percentile(99)}, with the retries`],
    ['no leader', drill === null ? 'never: nothing was put' : describeDrill(drill)],
    ['retries', describeRetries(load.retries)],
    ['namespaces', `${renderCount(summary.namespaces.length)}, the largest:`],
  ]
  return `${renderFacts(facts)}\n\n${renderTree(namespaceTree(summary.keys))}`
}

export function renderDifferences(
  id: string,
  { identical, differenceCount, differences }: Comparison,
): string {
  const more = differenceCount - differences.length
  return [
    `node ${id}: ${differenceCount} keys differ, ${identical} are identical`,
    ...differences.map(({ key, problem }) => `  ${key}: ${problem}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
  ].join('\n')
}

function describeThroughput(
  { startedAtMs, endedAtMs, latencies }: Load,
  drill: Drill | null,
): string {
  const perSecond = (ms: number) => renderCount((latencies.count * 1_000) / Math.max(1, ms))
  const elapsedMs = endedAtMs - startedAtMs
  const whole = `${perSecond(elapsedMs)} puts/s`
  // The load may have ended before the leader was missed.
  const outageMs = drill === null ? 0 : Math.min(drill.electedAtMs, endedAtMs) - drill.killedAtMs
  if (outageMs <= 0) return whole
  return `${whole}; ${perSecond(elapsedMs - outageMs)} puts/s without the time without a leader`
}

function describeDrill({ killedId, leaderId, killedAtMs, electedAtMs, restartMs }: Drill): string {
  const outage = `${renderCount(electedAtMs - killedAtMs)} ms`
  return `${outage}: ${killedId} killed, ${leaderId} elected; restart in ${renderCount(restartMs)} ms`
}

function describeRetries(retries: ReadonlyMap<string, number>): string {
  const total = [...retries.values()].reduce((sum, count) => sum + count, 0)
  const codes = [...retries].map(([code, count]) => `${code} ${renderCount(count)}`)
  return total === 0 ? '0' : `${renderCount(total)} (${codes.join(', ')})`
}
