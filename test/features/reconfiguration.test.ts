/** Clusters that grow, shrink and are rebuilt under load: nothing acknowledged is lost, nothing fails that need not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, Member, MembershipPlan, Store } from '../../src/index.ts'
import {
  collect,
  followerOf,
  isLive,
  leaderOf,
  nodeAt,
  openCluster,
  settled,
  skiff,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'

/** Far more than any change takes: a request that fails has been refused, or was lost. */
const timeoutMs = 30_000

/** Puts one key after the other until it is stopped; each once, and each is expected to succeed. */
class Writer {
  readonly #store: Store
  readonly #name: string
  #acknowledged = 0
  #stopped = false
  #failure: Error | null = null
  readonly #done: Promise<void>

  constructor(store: Store, name: string) {
    this.#store = store
    this.#name = name
    this.#done = this.#run().catch((error: Error) => {
      this.#failure = error
    })
  }

  /** @throws what a call of it has failed with */
  get acknowledged(): number {
    if (this.#failure !== null) throw this.#failure
    return this.#acknowledged
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
    assert.ok(this.acknowledged > 0, `${this.#name} has written`)
  }

  /** Everything it was told to be stored is there, in its order, and nothing else. */
  async check(store: Store): Promise<void> {
    const entries = await collect(store.scan<number>({ prefix: `${this.#name}/` }))
    const values = entries.sort((a, b) => a.modRevision - b.modRevision).map(({ value }) => value)
    assert.deepEqual(values, [...Array(this.#acknowledged).keys()])
    assert.ok(entries.every(({ version }) => version === 1))
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const n = this.#acknowledged
      await this.#store.put(`${this.#name}/${n}`, n, { timeoutMs })
      this.#acknowledged++
    }
  }
}

function rolesOf(members: readonly Member[]): Record<string, string> {
  return Object.fromEntries(members.map(({ id, role }) => [id, role]))
}

/** Some more writes of each have gone through since it was called. */
async function goesOn(writers: readonly Writer[]): Promise<void> {
  const before = writers.map(({ acknowledged }) => acknowledged)
  await until(
    () => writers.every(({ acknowledged }, n) => acknowledged > (before[n] ?? 0) + 5),
    'every caller is served',
  )
}

test('1 → 3 → 5 → 3 → 1 members under load: callers at members that stay notice nothing', async (t) => {
  const waiting = () => openCluster(t, { join: [] })
  const [a, b, c, d, e] = await Promise.all([
    ...([openCluster(t), waiting(), waiting()] as const),
    ...([waiting(), waiting()] as const),
  ])
  const idOf = (cluster: Cluster): string => cluster.status().id
  const addressOf = (cluster: Cluster): string => cluster.status().address
  const first = new Writer(a, 'a')
  for (const each of [b, c]) await a.addServer(addressOf(each), { timeoutMs })
  const writers = [new Writer(b, 'b'), new Writer(c, 'c')]
  await goesOn([first, ...writers])
  // The newcomers are asked for by several members at once.
  await Promise.all([
    b.addServer(addressOf(d), { timeoutMs }),
    c.addServer(addressOf(e), { timeoutMs }),
  ])
  assert.equal((await b.members()).filter(({ role }) => role === 'voter').length, 5)
  await goesOn([first, ...writers])
  await first.stop()

  // The founder, which leads unless something has gone wrong, and another.
  for (const each of [a, d]) {
    const members = await b.removeServer(idOf(each), { timeoutMs })
    assert.ok(!(idOf(each) in rolesOf(members)))
    await each.close()
    await goesOn(writers)
  }
  const last = [new Writer(b, 'last')]
  await Promise.all(writers.map((writer) => writer.stop()))
  for (const each of [c, e]) {
    await b.removeServer(idOf(each), { timeoutMs })
    await each.close()
    await goesOn(last)
  }
  await Promise.all(last.map((writer) => writer.stop()))
  assert.deepEqual(rolesOf(await b.members()), { [idOf(b)]: 'voter' })
  for (const writer of [first, ...writers, ...last]) await writer.check(b)
})

test('a cluster of seven shrinks to one, and serves all the way', async (t) => {
  const cluster = await openCluster(t, { nodes: 7 })
  const stays = nodeAt(cluster, 3)
  const writer = new Writer(stays, 'w')
  for (const { id } of cluster.nodes.filter((node) => node !== stays)) {
    await stays.removeServer(id, { timeoutMs })
    await goesOn([writer])
  }
  await writer.stop()
  assert.deepEqual(rolesOf(await stays.members()), { [stays.id]: 'voter' })
  await writer.check(stays)
})

test('a dead member is replaced in one change, under load', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const newcomer = await openCluster(t, { join: [] })
  const { id, address } = newcomer.status()
  const dead = await followerOf(cluster)
  await dead.kill()
  const [one, two] = cluster.nodes.filter(isLive)
  assert.ok(one !== undefined && two !== undefined)
  const writers = [new Writer(one, 'one'), new Writer(two, 'two')]
  await goesOn(writers)
  const plan = await one.replaceServer(dead.id, address, { plan: true })
  assert.equal(plan.refused, null)
  const voters = { [one.id]: 'voter', [two.id]: 'voter', [id]: 'voter' }
  assert.deepEqual(rolesOf(plan.after.members), voters)
  assert.deepEqual([plan.before.quorum, plan.after.quorum], [2, 2])
  const members = await two.replaceServer(dead.id, address, { timeoutMs })
  assert.deepEqual(rolesOf(members), voters)
  assert.deepEqual(await two.replaceServer(dead.id, address), members, 'done is done')
  await goesOn(writers)
  await Promise.all(writers.map((writer) => writer.stop()))
  for (const writer of writers) await writer.check(newcomer)
  await one.kill()
  await newcomer.put('without', 'the first', { timeoutMs })
})

test('a learner stays one, follows all the same, and may vote later', async (t) => {
  const cluster = await openCluster(t)
  const other = await openCluster(t, { join: [] })
  const { id, address } = other.status()
  const members = await cluster.addServer(address, { role: 'learner' })
  assert.equal(rolesOf(members)[id], 'learner')
  await Promise.all(Array.from({ length: 200 }, (_, n) => cluster.put(`k/${n}`, n)))
  await until(() => other.status().appliedIndex >= cluster.status().commitIndex, 'it has it all')
  assert.equal((await other.keys('k/')).length, 200)
  assert.equal(rolesOf(await other.members())[id], 'learner')
  await cluster.put('alone', 'is a majority of one')

  assert.equal(rolesOf(await other.addServer(address))[id], 'voter')
  assert.equal(cluster.status().toleratedFailures, 0)
  assert.equal(rolesOf(await cluster.addServer(address, { role: 'learner' }))[id], 'learner')
  await other.close()
  await cluster.put('alone', 'again')
  const last = cluster.status()
  await assert.rejects(
    cluster.addServer(last.address, { role: 'learner' }),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /no voter left/),
  )
})

test('what would cost the quorum is refused with the reason; the removal of the dead is not', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const leader = await leaderOf(cluster)
  const [alive, dead] = cluster.nodes.filter((node) => node !== leader)
  assert.ok(alive !== undefined && dead !== undefined)
  await dead.kill()
  const reason = new RegExp(`the quorum would be lost: .*${dead.id} does not answer`)
  await until(async () => (await leader.removeServer(alive.id, { plan: true })).refused, 'refused')
  for (const id of [alive.id, leader.id])
    await assert.rejects(alive.removeServer(id), skiff('SKIFF_MEMBERSHIP', 'not-applied', reason))
  await assert.rejects(
    alive.addServer(leader.address, { role: 'learner' }),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', reason),
  )
  assert.equal((await alive.removeServer(dead.id)).length, 2)
  await settled(cluster)
})

test('a plan says what would happen, and changes nothing', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const other = await openCluster(t, { join: [] })
  const { id, address } = other.status()
  const { commitIndex, members } = cluster.status()
  const follower = await followerOf(cluster)
  const plan: MembershipPlan = await follower.addServer(address, { plan: true })
  const { before, after } = plan
  assert.equal(plan.refused, null)
  assert.deepEqual(before, { members, voters: 2, quorum: 2, toleratedFailures: 0 })
  assert.deepEqual(rolesOf(after.members), { ...rolesOf(members), [id]: 'voter' })
  assert.deepEqual([after.voters, after.quorum, after.toleratedFailures], [3, 2, 1])

  const learner = await cluster.addServer(address, { plan: true, role: 'learner' })
  assert.deepEqual(rolesOf(learner.after.members), { ...rolesOf(members), [id]: 'learner' })
  assert.deepEqual([learner.after.voters, learner.after.quorum], [2, 2])
  const stranger = await cluster.removeServer('0123456789abcdef', { plan: true })
  assert.deepEqual(stranger, { before, after: before, refused: null })
  const impossible = await cluster.replaceServer('0123456789abcdef', address, { plan: true })
  assert.match(impossible.refused ?? '', /is no member/)
  assert.deepEqual(impossible.after, before)
  assert.deepEqual(await cluster.members(), members)
  assert.equal(cluster.status().commitIndex, commitIndex, 'nothing was written')
  for (const options of [{ plan: 1 }, { plans: true }, { role: 'king' }] as object[])
    await assert.rejects(cluster.addServer(address, options), TypeError)
})

test('the last voter stays, whatever is planned for it', async (t) => {
  const cluster = await openCluster(t)
  const { id, address } = cluster.status()
  const { refused, before, after } = await cluster.removeServer(id, { plan: true })
  assert.match(refused ?? '', /no voter left/)
  assert.deepEqual(after, before)
  const lowered = await cluster.addServer(address, { plan: true, role: 'learner' })
  assert.match(lowered.refused ?? '', /no voter left/)
})
