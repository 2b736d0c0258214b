/** What a recorded cluster is asked: concurrent puts and deletes, each said before, and after it was acknowledged. */
import type { Cluster } from '../../src/index.ts'
import type { Random } from '../simulation/random.ts'
import { until } from '../support/until.ts'
import { type ClusterMarker, textOf } from './cluster-marker.ts'
import { Markers, type Places } from './workload.ts'

export const callers = 6
const callsEach = 8
const keys = 40
/** All that is waited for takes its time here: each system call of the process is recorded. */
export const waitMsMax = 60_000

/** A learner does not count in a majority. */
export async function allVote(cluster: Cluster, nodes: number): Promise<void> {
  const voters = async () => (await cluster.members()).filter(({ role }) => role === 'voter')
  await until(async () => (await voters()).length === nodes, 'all nodes vote', waitMsMax)
}

export class Load {
  readonly #markers: Markers<ClusterMarker>
  readonly #random: Random
  #ids = 0

  constructor(places: Places, random: Random) {
    this.#markers = new Markers(places)
    this.#random = random
  }

  async call(cluster: Cluster): Promise<void> {
    for (let call = 0; call < callsEach; call++) await this.#change(cluster)
  }

  async #change(cluster: Cluster): Promise<void> {
    const id = ++this.#ids
    const key = `k/${this.#random.below(keys)}`
    const length = this.#random.chance(0.2) ? null : this.#length()
    this.#markers.say({ type: 'propose', id, key, length })
    if (length === null) await cluster.delete(key)
    else await cluster.put(key, textOf(id, length))
    const { term } = cluster.status()
    this.#markers.say({ type: 'acknowledge', id, term })
  }

  /** Now and then one that takes pages of its own. */
  #length(): number {
    return this.#random.chance(0.1) ? this.#random.between(4_000, 12_000) : this.#random.below(800)
  }
}
