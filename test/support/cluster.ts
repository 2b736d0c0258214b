/** Real clusters for tests: quick elections, closed at the end of the test. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import {
  type Cluster,
  type ClusterOptions,
  createCluster,
  type Node,
  type Outcome,
  type SkiffError,
  type SkiffErrorCode,
  type WatchEvent,
  type Watcher,
} from '../../src/index.ts'
import { defer } from './cleanup.ts'
import { until } from './until.ts'

/** A tenth of the default timing: an election takes half a second. */
export const quick: ClusterOptions = { heartbeatMs: 25, electionTimeoutMs: [250, 500] }

export async function openCluster(
  test: TestContext,
  options: ClusterOptions = {},
): Promise<Cluster> {
  const cluster = await createCluster({ ...quick, ...options })
  defer(test, () => cluster.close())
  return cluster
}

export function nodeAt(cluster: Cluster, n: number): Node {
  const node = cluster.nodes[n]
  assert.ok(node !== undefined, `no node ${n}`)
  return node
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

/** The local node that leads and that all live local nodes follow. */
export function leaderOf(cluster: Cluster): Promise<Node> {
  return until(() => agreedLeader(cluster), 'one leader')
}

export async function followersOf(cluster: Cluster): Promise<readonly Node[]> {
  const leader = await leaderOf(cluster)
  return cluster.nodes.filter((node) => node !== leader && isLive(node))
}

export async function followerOf(cluster: Cluster): Promise<Node> {
  const [follower] = await followersOf(cluster)
  assert.ok(follower !== undefined, 'a cluster of one has no followers')
  return follower
}

export function isLive(node: Node): boolean {
  return node.status().role !== 'stopped'
}

function agreedLeader(cluster: Cluster): Node | undefined {
  const live = cluster.nodes.filter(isLive)
  const leader = live.find((node) => node.status().role === 'leader')
  if (leader === undefined) return undefined
  return live.every((node) => node.status().leaderId === leader.id) ? leader : undefined
}

/** Until every live local node has applied what this one has. */
export async function settled(cluster: Cluster): Promise<void> {
  const leader = await leaderOf(cluster)
  await until(() => {
    const { commitIndex } = leader.status()
    return cluster.nodes.filter(isLive).every((node) => node.status().appliedIndex >= commitIndex)
  }, 'every node applies what is committed')
}

/** For `assert.rejects`: the code, and the fate of the write. */
export function skiff(
  code: SkiffErrorCode,
  outcome: Outcome,
  message?: RegExp,
): (error: unknown) => true {
  return (error: unknown): true => {
    const { name, code: found, outcome: fate, message: text } = error as SkiffError
    assert.deepEqual({ name, code: found, outcome: fate }, { name: 'SkiffError', code, outcome })
    if (message !== undefined) assert.match(text, message)
    return true
  }
}

/** The next `count` events. */
export async function take<T>(watcher: Watcher<T>, count: number): Promise<WatchEvent<T>[]> {
  const events: WatchEvent<T>[] = []
  while (events.length < count) {
    const { done, value } = await watcher.next()
    assert.ok(!done, `the watcher ended after ${events.length} of ${count} events`)
    events.push(value)
  }
  return events
}

/** An event in a few words: `3 put a/b 1`. */
export function brief({ type, key, revision, ...rest }: WatchEvent): string {
  return `${revision} ${type} ${key}${'value' in rest ? ` ${JSON.stringify(rest.value)}` : ''}`
}

export async function collect<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const entry of entries) all.push(entry)
  return all
}
