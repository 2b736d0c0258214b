/**
 * A process to record: a cluster of three whose logs are cut again and again. A follower is away, and comes back
 * by a snapshot; members die, and begin with a snapshot instead of their states. A watcher writes down what became of
 * the keys, for of the entries themselves most are gone in the end.
 */
import { appendFileSync } from 'node:fs'
import { type Cluster, createCluster, type Node } from '../../src/index.ts'
import { Random } from '../simulation/random.ts'
import { until } from '../support/until.ts'
import type { Happened } from './cluster-marker.ts'
import { allVote, Load, waitMsMax } from './load.ts'
import { markAsOfAnotherStart, placesIn } from './workload.ts'

const nodes = 3
const lives = 2
const snapshotLogBytes = 6_000
const callers = 3

async function main(folder: string, seed: number): Promise<void> {
  const places = placesIn(folder)
  const load = new Load(places, new Random(seed))
  let seen = 0
  for (let life = 0; life < lives; life++) {
    const cluster = await createCluster({ dir: places.data, nodes, snapshotLogBytes })
    await allVote(cluster, nodes)
    const leader = await leaderOf(cluster)
    const watcher = leader.watch<string>('', { fromRevision: seen + 1 })
    const [away, other] = cluster.nodes.filter((node) => node !== leader)
    if (away === undefined || other === undefined) throw new Error('two followers')
    await call(cluster, load)
    await away.close()
    const { lastIndex } = leader.status()
    while (leader.status().firstIndex <= lastIndex) await call(cluster, load)
    const back = await cluster.restart(away.id)
    await level(leader, back)
    await call(cluster, load)
    await other.kill()
    // With its state lost it begins with a snapshot.
    await markAsOfAnotherStart(other.dir)
    await level(leader, await cluster.restart(other.id))
    await call(cluster, load)
    const { revision } = leader.status()
    while (seen < revision) {
      const { done, value } = await watcher.next()
      if (done === true) throw new Error('the watcher ended')
      const text = value.type === 'put' ? value.value : null
      const happened: Happened = { revision: value.revision, key: value.key, text }
      appendFileSync(places.history, `${JSON.stringify(happened)}\n`)
      seen = value.revision
    }
    await cluster.close()
  }
}

async function call(cluster: Cluster, load: Load): Promise<void> {
  await Promise.all(Array.from({ length: callers }, () => load.call(cluster)))
}

async function leaderOf(cluster: Cluster): Promise<Node> {
  const id = await cluster.waitForLeader()
  const leader = cluster.nodes.find((node) => node.id === id)
  if (leader === undefined) throw new Error(`no node ${id}`)
  return leader
}

/** Until it has applied what the leader has by now. */
async function level(leader: Node, follower: Node): Promise<void> {
  const { commitIndex } = leader.status()
  const isLevel = () => follower.status().appliedIndex >= commitIndex
  await until(isLevel, 'the follower is level', waitMsMax)
}

const [, , folder = '', seed] = process.argv
await main(folder, Number(seed))
