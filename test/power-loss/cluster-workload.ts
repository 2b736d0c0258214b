/**
 * A process to record: a cluster of one or three nodes under concurrent puts and deletes, closed and opened
 * again, and once killed. It says what it proposes before, and what was acknowledged after.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, createCluster } from '../../src/index.ts'
import { Random } from '../simulation/random.ts'
import { type ClusterMarker, textOf } from './cluster-marker.ts'
import { Markers, markAsOfAnotherStart, type Places, placesIn, saveCopy } from './workload.ts'

/** How a life of the cluster ends; after a kill the machine is started anew, and the state thrown away. */
type End = 'close' | 'kill'
const lives: Readonly<Record<number, readonly End[]>> = {
  1: ['close', 'kill', 'close', 'close'],
  3: ['close', 'close'],
}
const callers = 6
const callsEach = 8
const keys = 40
const lastPageAt = 144
const pageBytes = 4_096
/** Until all are voters. */
const readyMsMax = 60_000
const pollMs = 5

async function main(folder: string, seed: number, nodes: number): Promise<void> {
  const places = placesIn(folder)
  const load = new Load(places, new Random(seed))
  for (const [life, end] of (lives[nodes] ?? []).entries()) {
    const cluster = await createCluster({ dir: places.data, nodes })
    await allVote(cluster, nodes)
    await Promise.all(Array.from({ length: callers }, () => load.call(cluster)))
    saveStates(places, nodes, `live-${life}`)
    if (end === 'close') {
      await cluster.close()
      saveStates(places, nodes, `clean-${life}`)
    } else {
      for (const node of cluster.nodes) await node.kill()
      for (let n = 1; n <= nodes; n++) await markAsOfAnotherStart(join(places.data, `node-${n}`))
    }
  }
}

/** A learner does not count in a majority. */
async function allVote(cluster: Cluster, nodes: number): Promise<void> {
  const deadline = performance.now() + readyMsMax
  for (;;) {
    const members = await cluster.members()
    if (members.filter(({ role }) => role === 'voter').length === nodes) return
    if (performance.now() > deadline) throw new Error('not all of the nodes became voters')
    await sleep(pollMs)
  }
}

class Load {
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

function saveStates(places: Places, nodes: number, name: string): void {
  for (let n = 1; n <= nodes; n++)
    saveCopy(places, `node-${n}-${name}`, readState(join(places.data, `node-${n}`)))
}

/** The pages in use of the state's file: it is sparse, and as large as the map. */
function readState(node: string): Buffer {
  const file = openSync(join(node, 'state', 'data.mdb'), 'r')
  try {
    const pages = Buffer.alloc(2 * pageBytes)
    readSync(file, pages, 0, pages.length, 0)
    const lastPages = [0, pageBytes].map((at) => Number(pages.readBigUInt64LE(at + lastPageAt)))
    const bytes = Buffer.alloc((Math.max(...lastPages) + 1) * pageBytes)
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(file)
  }
}

const [, , folder = '', seed, nodes] = process.argv
await main(folder, Number(seed), Number(nodes))
