/** The accident in the middle of the job: the leader dies as in a crash, and comes back. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Cluster, Node } from '../store.ts'
import { waitFor } from './wait.ts'

export interface Drill {
  readonly killedId: string
  readonly leaderId: string
  /** By the clock of `performance.now()`. */
  readonly killedAtMs: number
  /** When a surviving node knew another leader. */
  readonly electedAtMs: number
  /** What it took to start the killed node again. */
  readonly restartMs: number
}

export async function killLeader(cluster: Cluster, signal: AbortSignal): Promise<Drill> {
  const killed = await waitFor('a leader to kill', () => leaderOf(cluster.nodes), signal)
  const survivors = cluster.nodes.filter((node) => node !== killed)
  const successorId = () =>
    survivors
      .map((node) => node.status().leaderId)
      .find((id): id is string => id !== null && id !== killed.id)

  // An acknowledged batch leaves the node idle. Two turns later the next one is on its way, and the
  // node dies with puts in flight, as it would by accident.
  await turn()
  await turn()
  const killedAtMs = performance.now()
  const killing = killed.kill()
  const leaderId = await waitFor('another leader', successorId, signal)
  const electedAtMs = performance.now()
  await killing
  const restartAtMs = performance.now()
  await cluster.restart(killed.id)
  const restartMs = performance.now() - restartAtMs
  return { killedId: killed.id, leaderId, killedAtMs, electedAtMs, restartMs }
}

/** Waits until every node has applied all that the leader has committed. */
export async function waitUntilApplied(cluster: Cluster, signal: AbortSignal): Promise<void> {
  const applied = () => {
    const commitIndex = leaderOf(cluster.nodes)?.status().commitIndex ?? Number.POSITIVE_INFINITY
    return cluster.nodes.every((node) => node.status().appliedIndex >= commitIndex) || undefined
  }
  await waitFor('every node to apply what is committed', applied, signal)
}

function leaderOf(nodes: readonly Node[]): Node | undefined {
  return nodes.find((node) => node.status().role === 'leader')
}
