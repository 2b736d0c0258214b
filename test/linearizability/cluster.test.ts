/** The real thing: what clients of a cluster see while its leader is killed and comes back. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Cluster, SkiffError } from '../../src/index.ts'
import { Random } from '../simulation/random.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { collect, isLive, leaderOf, nodeAt, openCluster } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { checkHistory } from './child.ts'
import { formatHistory, type Operation, type Value } from './history.ts'
import { judge } from './judge.ts'
import { checkOrder } from './order.ts'
import { type RecordedClient, Recorder } from './recorder.ts'
import { checkWatch, replay, toLog, type Watched, watchUpTo } from './watch.ts'

const clients = 8
const keys = 8
/** Even ones below `even/`, odd ones below `odd/`. */
const prefixes = ['even/', 'odd/'] as const
const operationsPerClient = 150

/** Counts what the clients have done together, so that the test can act in the middle. */
interface Progress {
  done: number
}

async function work(recorder: Recorder, cluster: Cluster, n: number, progress: Progress) {
  const node = () => nodeAt(cluster, n % 3)
  const client = recorder.client(node)
  const random = new Random(n)
  for (let count = 0; count < operationsPerClient; count++) {
    try {
      await once(client, random, `client ${n} value ${count}`)
    } catch (error) {
      assert.equal((error as SkiffError).name, 'SkiffError', String(error))
      // Its node was killed.
      await until(() => isLive(node()), 'the node comes back')
    }
    progress.done++
  }
}

function once(client: RecordedClient, random: Random, value: Value): Promise<unknown> {
  const n = random.below(keys)
  const key = `${prefixes[n % 2]}${n}`
  const kind = random.below(10)
  if (kind < 4) return client.put(key, value)
  return kind < 5 ? client.delete(key) : client.get(key)
}

/** Kills the leader when a third is done, and restarts it when two thirds are. */
async function killAndRestart(cluster: Cluster, progress: Progress): Promise<void> {
  const all = clients * operationsPerClient
  await until(() => progress.done > all / 3, 'a third is done')
  const leader = await leaderOf(cluster)
  await leader.kill()
  await until(() => progress.done > (2 * all) / 3, 'two thirds are done')
  await cluster.restart(leader.id)
}

/** Watchers on every follower, opened before anything happens: of everything, and of one half each. */
async function openWatchers(cluster: Cluster) {
  const leader = await leaderOf(cluster)
  const followers = cluster.nodes.filter((node) => node !== leader)
  const opened = followers.flatMap((node, n) =>
    ['', prefixes[n % 2] ?? ''].map((prefix) => ({
      prefix,
      watcher: node.watch<Value>(prefix, { previous: n === 0 }),
      previous: n === 0,
    })),
  )
  await Promise.all(opened.map(({ watcher }) => watcher.ready))
  return opened
}

/** Everything that a watch can be asked for, up to the last revision of its prefix. */
async function watchEverything(
  cluster: Cluster,
  opened: Awaited<ReturnType<typeof openWatchers>>,
): Promise<readonly Watched[]> {
  // A watcher knows where it is by its own events only, so each prefix gets a last one.
  const ends = new Map<string, number>()
  for (const prefix of prefixes) {
    const { revision } = await cluster.put(`${prefix}end`, 'end')
    ends.set(prefix, revision).set('', revision)
  }
  const live = opened.map(({ prefix, watcher, previous }) =>
    watchUpTo(watcher, { prefix, previous, from: 1, to: ends.get(prefix) ?? 0 }),
  )
  const resumed = cluster.nodes.flatMap((node, n) =>
    [1, Math.floor((ends.get('') ?? 0) / 2)].map((from) => {
      const prefix = from === 1 ? '' : (prefixes[n % 2] ?? '')
      const watcher = node.watch<Value>(prefix, { fromRevision: from })
      return watchUpTo(watcher, { prefix, previous: false, from, to: ends.get(prefix) ?? 0 })
    }),
  )
  return Promise.all([...live, ...resumed])
}

/** A get that found something finds the first value that was ever acknowledged. */
function falsify(history: readonly Operation[]): Operation[] {
  const first = history.find(({ op, outcome }) => op === 'put' && outcome === 'ok')
  const wrong = history.findLast(
    ({ op, key, result }) => op === 'get' && key === first?.key && result !== null,
  )
  assert.ok(first?.op === 'put' && wrong?.op === 'get' && wrong.result !== first.value)
  return history.map((one) => (one === wrong ? { ...wrong, result: first.value } : one))
}

async function judgeFile(t: TestContext, history: readonly Operation[]) {
  const file = join(await temporaryDir(t), 'history.jsonl')
  await writeFile(file, formatHistory(history))
  return checkHistory(file)
}

test('what clients and watchers of three nodes see while the leader is killed and restarted is linearizable', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const opened = await openWatchers(cluster)
  const recorder = new Recorder()
  const progress = { done: 0 }
  const working = Array.from({ length: clients }, (_, n) => work(recorder, cluster, n, progress))
  await Promise.all([...working, killAndRestart(cluster, progress)])
  const history = recorder.history()

  assert.equal(history.length, clients * operationsPerClient)
  const acknowledged = history.filter(({ outcome }) => outcome === 'ok')
  assert.ok(acknowledged.length > history.length / 2, 'most of it succeeded')
  assert.ok(acknowledged.length < history.length, 'the killed node refused some of it')
  assert.deepEqual(judge(history), { verdict: 'legal', key: null, offence: [] })
  checkOrder(history)

  const watched = await watchEverything(cluster, opened)
  const whole = watched.find(({ prefix }) => prefix === '')
  assert.ok(whole !== undefined && watched.length === 10)
  const log = toLog(whole.events)
  // The last put of each prefix was not recorded.
  const recorded = log.filter(({ key }) => !key.endsWith('/end'))
  checkOrder(history, recorded)
  for (const one of watched) checkWatch(one, log)
  const entries = await collect(cluster.scan<Value>())
  assert.deepEqual(new Map(entries.map(({ key, value }) => [key, value])), replay(log))

  const judged = await judgeFile(t, history)
  assert.equal(judged.code, 0, judged.stderr)
  const refused = await judgeFile(t, falsify(history))
  assert.equal(refused.code, 1, refused.stderr)
  assert.match(refused.stdout, /"op":"get"/)
})
