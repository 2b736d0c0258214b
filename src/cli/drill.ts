/** The accident in the middle of the job: the leader dies as in a crash, and comes back. */
import type { Cluster, Node } from '../store.ts'
import { waitFor } from './wait.ts'

export interface Drill {
  readonly killedId: string
  readonly leaderId: string
  /** From the kill until a surviving node knows another leader. */
  readonly leaderlessMs: number
  /** Until the killed node was started again. */
  readonly restartMs: number
}

export async function killLeader(cluster: Cluster, signal: AbortSignal): Promise<Drill> {
  const killed = await waitFor('a leader to kill', () => leaderOf(cluster.nodes), signal)
  const survivors = cluster.nodes.filter((node) => node !== killed)
  const successorId = () =>
    survivors
      .map((node) => node.status().leaderId)
      .find((id): id is string => id !== null && id !== killed.id)

  const killMs = performance.now()
  const killing = killed.kill()
  const leaderId = await waitFor('another leader', successorId, signal)
  const electedMs = performance.now()
  await killing
  const restartMs = performance.now()
  await cluster.restart(killed.id)
  return {
    killedId: killed.id,
    leaderId,
    leaderlessMs: electedMs - killMs,
    restartMs: performance.now() - restartMs,
  }
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
