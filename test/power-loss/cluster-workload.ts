/**
 * A process to record: a cluster of one or three nodes under concurrent puts and deletes, closed and opened
 * again, and once killed. It says what it proposes before, and what was acknowledged after.
 */
import { join } from 'node:path'
import { createCluster } from '../../src/index.ts'
import { Random } from '../simulation/random.ts'
import { allVote, callers, Load } from './load.ts'
import { markAsOfAnotherStart, placesIn } from './workload.ts'

/** How a life of the cluster ends; after a kill the machine is started anew, and the state thrown away. */
type End = 'close' | 'kill'
const lives: Readonly<Record<number, readonly End[]>> = {
  1: ['close', 'kill', 'close', 'close'],
  3: ['close', 'close'],
}

async function main(folder: string, seed: number, nodes: number): Promise<void> {
  const places = placesIn(folder)
  const load = new Load(places, new Random(seed))
  for (const end of lives[nodes] ?? []) {
    const cluster = await createCluster({ dir: places.data, nodes })
    await allVote(cluster, nodes)
    await Promise.all(Array.from({ length: callers }, () => load.call(cluster)))
    if (end === 'close') {
      await cluster.close()
    } else {
      for (const node of cluster.nodes) await node.kill()
      for (let n = 1; n <= nodes; n++) await markAsOfAnotherStart(join(places.data, `node-${n}`))
    }
  }
}

const [, , folder = '', seed, nodes] = process.argv
await main(folder, Number(seed), Number(nodes))
