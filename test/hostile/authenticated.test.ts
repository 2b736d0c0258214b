/** Absurd messages of somebody who knows the secret, to one member of a cluster of three. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, Node } from '../../src/index.ts'
import { leaderOf, openCluster, portOf, settled } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { type Absurdity, absurdities } from './absurd.ts'
import { guiseOf, Insider } from './insider.ts'

const secret = 'open sesame'

test('an absurd message of an insider stops one node at most, and corrupts none', async (t) => {
  const cluster = await openCluster(t, {
    ...{ nodes: 3, workers: 1, secret },
    // Unlike others that are so short, it does not fire while the machine is busy.
    electionTimeoutMs: [600, 1_200],
  })
  await cluster.put('rounds', 0)
  let rounds = 0
  for (const absurdity of absurdities) {
    await t.test(`${absurdity.what}, to a ${absurdity.to}`, async () => {
      rounds++
      await say(cluster, absurdity)
      await assertSound(cluster, rounds)
    })
  }
})

async function say(cluster: Cluster, { to, as, stops, say }: Absurdity): Promise<void> {
  const leader = await leaderOf(cluster)
  const [follower, other] = cluster.nodes.filter((node) => node !== leader)
  assert.ok(follower !== undefined && other !== undefined)
  await settled(cluster)
  const victim = to === 'leader' ? leader : follower
  const member = { stranger: null, leader, follower: other }[as]
  const guise = member === null ? {} : await guiseOf(portOf(member.address), secret)
  const enter = () => Insider.enter(portOf(victim.address), secret, guise)
  const insider = await enter()
  insider.say(say(victim.status(), insider.id))
  if (stops === null) await assertUnimpressed(insider, victim, enter)
  else await assertStopped(victim, stops)
  insider.leave()
  const witness = to === 'leader' ? follower : leader
  await witness.put('meanwhile', 'the others go on')
  // Where it went on, the one whose place was taken finds back by itself.
  if (stops === null) return
  await victim.close()
  await cluster.restart(victim.id)
}

/** Once the link is cut for that, all that was said before it has been read. */
async function sayRubbish(insider: Insider, enter: () => Promise<Insider>): Promise<void> {
  insider.sendFrame(Buffer.of(0))
  const { code } = await insider.ended
  // On a busy machine the one whose place it took may be back before the rubbish is read.
  if (code === 4409) await sayRubbish(await enter(), enter)
  else assert.equal(code, 4400)
}

async function assertStopped(victim: Node, failure: RegExp): Promise<void> {
  await until(() => victim.status().role === 'stopped', 'the victim stops itself')
  assert.match(victim.status().failure ?? '', failure)
  await assert.rejects(victim.get('rounds'), { code: 'SKIFF_CRASHED' })
}

async function assertUnimpressed(
  insider: Insider,
  victim: Node,
  enter: () => Promise<Insider>,
): Promise<void> {
  const { term, members } = victim.status()
  await sayRubbish(insider, enter)
  // Storage answers behind it, even where the insider has locked the real leader out.
  const watcher = victim.watch('answers')
  await watcher.ready
  await watcher.close()
  const { failure, ...now } = victim.status()
  assert.deepEqual(
    { failure, term: now.term, members: now.members },
    { failure: null, term, members },
  )
}

/** All three live, agree, and know everything that was acknowledged. */
async function assertSound(cluster: Cluster, rounds: number): Promise<void> {
  await cluster.put('rounds', rounds)
  assert.equal(await cluster.get('written by a stranger'), undefined)
  await settled(cluster)
  const [first, ...others] = await Promise.all(cluster.nodes.map(contents))
  assert.equal(await cluster.get('rounds'), rounds)
  for (const each of others) assert.deepEqual(each, first)
  for (const { failure } of cluster.status().nodes) assert.equal(failure, null)
}

async function contents(node: Node): Promise<[string, unknown][]> {
  const keys = await node.keys()
  return Promise.all(
    keys.map(async (key): Promise<[string, unknown]> => [key, await node.entry(key)]),
  )
}
