/**
 * How a program reaches a cluster of ours, three ways: it is the whole cluster, it is the leader among other processes, or it is a
 * learner, which holds a copy but decides nothing, so that each call crosses a socket to the leader and back.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Cluster, createCluster, type Node } from '../../src/index.ts'
import type { WatchedClient } from '../load/watch-load.ts'

export type SkiffTarget =
  | {
      readonly way: 'whole'
      readonly dir: string
      readonly nodes: number
      readonly workers: number
    }
  | {
      readonly way: 'leader' | 'learner'
      readonly dir: string
      readonly members: readonly string[]
      readonly workers: number
    }

const pollMs = 10
const patienceMs = 60_000

export async function connect(target: string): Promise<WatchedClient> {
  const way = JSON.parse(target) as SkiffTarget
  const cluster = await open(way)
  const client = new SkiffClient(cluster, way.way)
  await client.settle()
  return client
}

async function open(target: SkiffTarget): Promise<Cluster> {
  const { dir, workers } = target
  if (target.way === 'whole') return createCluster({ dir, workers, nodes: target.nodes })
  const cluster = await createCluster({ dir, workers, join: target.members })
  // It entered as whoever joins does, to vote; it is to be counted in no majority.
  const address = cluster.status().address
  if (target.way === 'learner') await cluster.addServer(address, { role: 'learner' })
  return cluster
}

class SkiffClient implements WatchedClient {
  readonly #cluster: Cluster
  readonly #way: SkiffTarget['way']
  #node: Node
  #term = 0

  constructor(cluster: Cluster, way: SkiffTarget['way']) {
    this.#cluster = cluster
    this.#way = way
    this.#node = firstOf(cluster)
  }

  put(key: string, value: Buffer): Promise<unknown> {
    return this.#node.put(key, value)
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#node.get<Buffer>(key)
  }

  watch(prefix: string): ReturnType<WatchedClient['watch']> {
    return this.#node.watch<Buffer>(prefix)
  }

  /** Callers are on the leader, unless they are to be far from it. */
  async settle(): Promise<void> {
    const leaderId = await this.#cluster.waitForLeader()
    const local = this.#cluster.nodes.find(({ id }) => id === leaderId)
    if (this.#way !== 'learner' && local === undefined) await this.#lead()
    else this.#node = local ?? firstOf(this.#cluster)
    this.#term = this.#node.status().term
  }

  notes(): string[] {
    const { term } = this.#node.status()
    return term === this.#term ? [] : [`elections: the term went from ${this.#term} to ${term}`]
  }

  close(): Promise<void> {
    return this.#cluster.close()
  }

  async #lead(): Promise<void> {
    const node = firstOf(this.#cluster)
    const isVoter = () =>
      node.status().members.some(({ id, role }) => id === node.id && role === 'voter')
    const deadlineMs = performance.now() + patienceMs
    while (!isVoter()) {
      if (performance.now() > deadlineMs) throw new Error('it was never made a voter')
      await pause(pollMs)
    }
    await node.transferLeadership(node.id)
    this.#node = node
  }
}

function firstOf({ nodes }: Cluster): Node {
  const [node] = nodes
  if (node === undefined) throw new Error('no node here')
  return node
}
