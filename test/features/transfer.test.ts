/**
 * Leadership that is handed over: by a call, at close, before a removal. Elections take longer here than any
 * call waits, so that nothing goes on unless the leader itself has seen to it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, ClusterOptions, Node } from '../../src/index.ts'
import { collect, followersOf, leaderOf, nodeAt, openCluster, skiff } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const noElections: ClusterOptions = { electionTimeoutMs: [60_000, 90_000] }
const callersOfEach = 4

interface Written {
  readonly key: string
  readonly revision: number
}

/** Callers who put one key after the other through `node`, until they are stopped; none may fail. */
class Load {
  static #count = 0
  readonly node: Node
  readonly written: Written[] = []
  readonly #name = `load ${Load.#count++}`
  #running = true
  readonly #calls: Promise<unknown>

  constructor(node: Node) {
    this.node = node
    this.#calls = Promise.all(Array.from({ length: callersOfEach }, (_, n) => this.#call(n)))
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#calls
  }

  /** Resolves when there is more by so much. */
  async goesOn(writes = 20): Promise<void> {
    const enough = this.written.length + writes
    await Promise.race([
      this.#calls,
      until(() => this.written.length >= enough, `${this.node.id} takes writes`),
    ])
  }

  async #call(caller: number): Promise<void> {
    let last = 0
    for (let n = 0; this.#running; n++) {
      const key = `${this.#name}/${caller}/${n}`
      const { revision } = await this.node.put(key, n)
      assert.ok(revision > last, `${key} is ${revision}, the one before was ${last}`)
      last = revision
      this.written.push({ key, revision })
    }
  }
}

/** Each write is there, once, as it was acknowledged. */
async function checkWritten(cluster: Cluster, loads: readonly Load[]): Promise<void> {
  const written = loads.flatMap((load) => load.written)
  const entries = new Map((await collect(cluster.scan())).map((entry) => [entry.key, entry]))
  assert.equal(new Set(written.map(({ revision }) => revision)).size, written.length)
  for (const { key, revision } of written) {
    const { version, modRevision } = entries.get(key) ?? {}
    assert.deepEqual({ version, modRevision }, { version: 1, modRevision: revision }, key)
  }
}

test('a transfer under load: no call fails on any of the three, nothing is lost, all once', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  await leaderOf(cluster)
  const loads = cluster.nodes.map((node) => new Load(node))
  for (let n = 0; n < 12; n++) {
    const before = await leaderOf(cluster)
    const asked = nodeAt(cluster, n % 3)
    const to = n % 4 === 0 ? undefined : (await followersOf(cluster))[n % 2]?.id
    await asked.transferLeadership(to)
    const { leaderId } = asked.status()
    if (to === undefined) assert.notEqual(leaderId, before.id)
    else assert.equal(leaderId, to)
    await Promise.all(loads.map((load) => load.goesOn()))
  }
  await Promise.all(loads.map((load) => load.stop()))
  await checkWritten(cluster, loads)
  assert.ok((await leaderOf(cluster)).status().term >= 13)
})

test('a leader that is closed under load hands over: callers of the others see no failure', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  for (let round = 0; round < 3; round++) {
    const leader = await leaderOf(cluster)
    const loads = cluster.nodes.filter((node) => node !== leader).map((node) => new Load(node))
    await Promise.all(loads.map((load) => load.goesOn()))
    await leader.close()
    await Promise.all(loads.map((load) => load.goesOn()))
    await Promise.all(loads.map((load) => load.stop()))
    const { failure } = leader.status()
    assert.equal(failure, null)
    await checkWritten(cluster, loads)
    await cluster.restart(leader.id)
  }
})

test('`await using` hands over as well, and two nodes are enough to ask for', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  const leader = await leaderOf(cluster)
  await leader[Symbol.asyncDispose]()
  const next = await leaderOf(cluster)
  assert.notEqual(next.id, leader.id)
  await next.put('k', 1)
})

test('a leader that is killed hands nothing over', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  const leader = await leaderOf(cluster)
  const [follower] = await followersOf(cluster)
  const term = follower?.status().term
  await leader.kill()
  await assert.rejects(follower?.put('k', 1, { timeoutMs: 300 }) ?? Promise.resolve())
  assert.equal(follower?.status().term, term)
})

test('a leader that is to be removed hands over first, and its successor removes it', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  for (const asked of ['itself', 'another'] as const) {
    const leader = await leaderOf(cluster)
    const [other] = await followersOf(cluster)
    const load = new Load(other ?? leader)
    await load.goesOn()
    const members = await (asked === 'itself' ? leader : load.node).removeServer(leader.id)
    assert.ok(members.every(({ id }) => id !== leader.id))
    await load.goesOn()
    await load.stop()
    await checkWritten(cluster, [load])
    await leader.close()
    if (asked === 'another') return
    assert.notEqual((await leaderOf(cluster)).id, leader.id)
    const { address } = await cluster.restart(leader.id)
    await cluster.addServer(address)
  }
})

test('the others follow the one that was asked for, and it is asked for in vain what leads already', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  const leader = await leaderOf(cluster)
  const [first, second] = await followersOf(cluster)
  assert.ok(first !== undefined && second !== undefined)
  await second.transferLeadership(first.id)
  assert.equal((await leaderOf(cluster)).id, first.id)
  const { term } = first.status()
  await leader.transferLeadership(first.id)
  await first.transferLeadership(first.id)
  assert.equal(first.status().term, term)
  assert.equal((await leaderOf(cluster)).id, first.id)
})

test('who is no member, does not answer, or is no id, does not come to lead', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, ...noElections })
  const leader = await leaderOf(cluster)
  const [alive, dead] = await followersOf(cluster)
  assert.ok(alive !== undefined && dead !== undefined)
  const stranger = '0123456789abcdef'
  const refused = (reason: RegExp) => skiff('SKIFF_MEMBERSHIP', 'not-applied', reason)
  await assert.rejects(alive.transferLeadership(stranger), refused(/0123456789abcdef is no member/))
  for (const id of ['x', '', null, 7])
    await assert.rejects(cluster.transferLeadership(id as string), TypeError)
  await dead.kill()
  await until(
    () => leader.status().links.every(({ id, up }) => id !== dead.id || !up),
    'its link is lost',
  )
  await assert.rejects(alive.transferLeadership(dead.id), refused(/does not answer/))
  assert.equal(leader.status().role, 'leader')
  await cluster.transferLeadership()
  // It says so to the others before it shows it.
  await until(() => alive.status().role === 'leader', 'it leads')
})

test('in a cluster of one there is nobody to take over, and it goes on to lead', async (t) => {
  const cluster = await openCluster(t)
  const refused = skiff('SKIFF_MEMBERSHIP', 'not-applied', /no other voter/)
  await assert.rejects(cluster.transferLeadership(), refused)
  await cluster.transferLeadership(nodeAt(cluster, 0).id)
  await cluster.put('k', 1)
})

test('a call that is given up, or comes too late, says so', async (t) => {
  const cluster = await openCluster(t, { nodes: 2, ...noElections })
  const leader = await leaderOf(cluster)
  const [follower] = await followersOf(cluster)
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(cluster.transferLeadership(follower?.id, { signal }), /enough/)
  await leader.close()
  await assert.rejects(leader.transferLeadership(), skiff('SKIFF_CLOSED', 'not-applied'))
})
