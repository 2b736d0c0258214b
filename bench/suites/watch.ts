/** Suite `watch`: one node, puts by 64 callers, and 1 to 1,000 watchers of all that they put, in one program. */
import { join } from 'node:path'
import { percentileOf } from '../latencies.ts'
import type { Pace } from '../load/profile.ts'
import type { WatchResult } from '../load/watch-load.ts'
import type { OpenLoop, Row } from '../row.ts'
import { whole } from '../systems/skiff.ts'
import { Session } from './session.ts'

export interface WatchOptions {
  readonly scratch: string
  readonly measureMs: number
  readonly onRow: (row: Row) => void
  readonly onNote: (note: string) => void
}

const watcherCounts: readonly number[] = [1, 10, 100, 1_000]
const nodeCounts: readonly number[] = [1, 3]
const keys = 10_000
const valueBytes = 100
const callers = 64
/** For the latency: so few puts that the events of all watchers are no flood. */
const eventsPerSecond = 20_000
const warmUpMs = 500
const million = 1e6

export async function runWatchSuite(options: WatchOptions): Promise<void> {
  for (const nodes of nodeCounts) {
    const system = whole(nodes)
    const session = await Session.open(system, join(options.scratch, 'watched'))
    try {
      for (const watchers of watcherCounts) {
        const paces: Pace[] = [
          { type: 'closed', callers },
          { type: 'open', perSecond: eventsPerSecond / watchers },
        ]
        for (const pace of paces) await measure(session, watchers, pace, options)
      }
    } finally {
      await session.close()
    }
  }
}

async function measure(
  session: Session,
  watchers: number,
  pace: Pace,
  { measureMs, onRow, onNote }: WatchOptions,
): Promise<void> {
  const shape = { putPercent: 100, keys, valueBytes, distribution: 'uniform', seed: 1 } as const
  const result = await session.watch(watchers, { ...shape, pace, warmUpMs, measureMs })
  const { name, nodes } = session.system
  const system = `${name}, ${watchers} ${watchers === 1 ? 'watcher' : 'watchers'}`
  for (const failure of new Set(result.failures)) onNote(`${system}: ${failure}`)
  onRow(rowOf({ system, nodes, pace }, result))
}

function rowOf(
  { system, nodes, pace }: { system: string; nodes: number; pace: Pace },
  result: WatchResult,
): Row {
  const { events, elapsedMs, latencies, spent } = result
  const measured = {
    opsPerSecond: (events * 1_000) / elapsedMs,
    p50Ms: percentileOf(latencies, 50),
    p99Ms: percentileOf(latencies, 99),
    p999Ms: percentileOf(latencies, 99.9),
    cpuSecondsPerMillion: (spent.cpuSeconds * million) / Math.max(1, events),
    rssMiB: spent.rssMiB,
    writtenBytesPerOperation: 0,
  }
  const { opsPerSecond, p50Ms, p99Ms } = measured
  const once = (value: number) => [value, value] as const
  return {
    suite: 'watch',
    system,
    nodes,
    callers: pace.type === 'closed' ? pace.callers : 0,
    open: pace.type === 'open' ? openLoopOf(pace.perSecond, result) : null,
    valueBytes,
    keys,
    work: 'event',
    distribution: 'uniform',
    ...measured,
    generatorCpuSecondsPerMillion: null,
    mainCpuSecondsPerMillion: null,
    busiestOtherCpuSecondsPerMillion: null,
    syncsPerOperation: null,
    spread: { opsPerSecond: once(opsPerSecond), p50Ms: once(p50Ms), p99Ms: once(p99Ms) },
    runs: [measured],
    limit: null,
    threads: null,
    notes: [],
  }
}

function openLoopOf(duePerSecond: number, { puts, elapsedMs, latencies }: WatchResult): OpenLoop {
  return {
    duePerSecond,
    calledPerSecond: (puts * 1_000) / elapsedMs,
    refusedPerSecond: 0,
    callP50Ms: percentileOf(latencies, 50),
    callP99Ms: percentileOf(latencies, 99),
  }
}
