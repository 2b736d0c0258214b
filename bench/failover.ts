/**
 * Suite `failover`: three nodes in this process, callers on each, and leadership handed over again and again:
 * how long does a caller see no write acknowledged, on the old leader, on the new one and on the third; and
 * how long without any of that, for the machine has its own pauses.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, createCluster, type Node } from '../src/index.ts'

export interface FailoverOptions {
  readonly dir: string
  readonly transfers: number
  /** On each node. */
  readonly callers: number
}

export interface FailoverRow {
  /** Through which node the callers write. */
  readonly through: 'old leader' | 'new leader' | 'third node' | 'any node, without a transfer'
  /** The longest time without an acknowledgement, per transfer. */
  readonly gapP50Ms: number
  readonly gapP99Ms: number
}

export interface FailoverReport {
  readonly callers: number
  readonly transfers: number
  readonly acknowledged: number
  /** Of the call itself. */
  readonly callP50Ms: number
  readonly callP99Ms: number
  readonly rows: readonly FailoverRow[]
}

/** Around each transfer that is looked at. */
const windowMs = 150
const valueBytes = 100

export async function measureFailover(options: FailoverOptions): Promise<FailoverReport> {
  const cluster = await createCluster({ dir: options.dir, nodes: 3, workers: 2 })
  try {
    await cluster.waitForLeader()
    return await measureTransfers(cluster, options)
  } finally {
    await cluster.close()
  }
}

async function measureTransfers(
  cluster: Cluster,
  { transfers, callers }: FailoverOptions,
): Promise<FailoverReport> {
  const loads = cluster.nodes.map((node) => new NodeLoad(node, callers))
  const gaps = { old: [] as number[], next: [] as number[], third: [] as number[] }
  const [calm, calls]: [number[], number[]] = [[], []]
  await sleep(1_000)
  for (let n = 0; n < transfers; n++) {
    const { leaderId } = cluster.status()
    const others = cluster.nodes.filter(({ id }) => id !== leaderId)
    const to = others[n % 2]?.id
    const quietMs = performance.now()
    await sleep(windowMs)
    for (const load of loads) calm.push(load.gapSince(quietMs))
    const startMs = performance.now()
    await cluster.transferLeadership(to)
    calls.push(performance.now() - startMs)
    await sleep(windowMs)
    for (const load of loads) {
      const { id } = load.node
      const role = id === leaderId ? gaps.old : id === to ? gaps.next : gaps.third
      role.push(load.gapSince(startMs))
    }
  }
  await Promise.all(loads.map((load) => load.stop()))
  return {
    ...{ callers, transfers },
    acknowledged: loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    ...{ callP50Ms: percentile(calls, 50), callP99Ms: percentile(calls, 99) },
    rows: [
      rowOf('old leader', gaps.old),
      rowOf('new leader', gaps.next),
      rowOf('third node', gaps.third),
      rowOf('any node, without a transfer', calm),
    ],
  }
}

/** Callers of one node, each putting again as soon as it is answered. */
class NodeLoad {
  readonly node: Node
  acknowledged = 0
  /** When, since the beginning. */
  readonly #timesMs: number[] = []
  #running = true
  readonly #calls: Promise<unknown>

  constructor(node: Node, callers: number) {
    this.node = node
    this.#calls = Promise.all(Array.from({ length: callers }, (_, n) => this.#call(n)))
  }

  /** The longest time without an acknowledgement between then and now. */
  gapSince(startMs: number): number {
    const first = this.#timesMs.findLastIndex((timeMs) => timeMs < startMs)
    const timesMs = [...this.#timesMs.slice(Math.max(0, first)), performance.now()]
    return Math.max(...timesMs.slice(1).map((timeMs, n) => timeMs - (timesMs[n] ?? timeMs)))
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#calls
  }

  async #call(caller: number): Promise<void> {
    const value = Buffer.alloc(valueBytes, caller)
    for (let n = 0; this.#running; n++) {
      await this.node.put(`failover/${this.node.id}/${caller}/${n % 1_000}`, value)
      this.acknowledged++
      this.#timesMs.push(performance.now())
    }
  }
}

function rowOf(through: FailoverRow['through'], gapsMs: readonly number[]): FailoverRow {
  return { through, gapP50Ms: percentile(gapsMs, 50), gapP99Ms: percentile(gapsMs, 99) }
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? 0
}

export function renderFailover(report: FailoverReport): string {
  const { callers, transfers, acknowledged, callP50Ms, callP99Ms } = report
  const rows = report.rows.map(({ through, gapP50Ms, gapP99Ms }) => {
    return `  ${through.padEnd(30)} p50 ${gapP50Ms.toFixed(1)} ms, p99 ${gapP99Ms.toFixed(1)} ms`
  })
  return [
    `${transfers} transfers, ${callers} callers on each of three nodes: ${acknowledged} writes acknowledged, none failed`,
    `  ${'transferLeadership() itself'.padEnd(30)} p50 ${callP50Ms.toFixed(1)} ms, p99 ${callP99Ms.toFixed(1)} ms`,
    'longest time without an acknowledged write, through the',
    ...rows,
  ].join('\n')
}
