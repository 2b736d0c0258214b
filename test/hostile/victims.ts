/**
 * Who is attacked. A bare network, whose owner must hear of nobody that did not prove the secret; and a
 * member of a real cluster, whose status must be what the honest have made of it. Both serve an honest
 * peer through the very listener that is attacked.
 */
import assert from 'node:assert/strict'
import { createCluster } from '../../src/index.ts'
import { DialerHandshake } from '../../src/network/handshake.ts'
import { Network } from '../../src/network/network.ts'
import type { Transport } from '../../src/options.ts'
import type { NodeStatus } from '../../src/store.ts'
import { nodeAt, portOf } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import type { Overheard, Victim } from './attacks.ts'
import { helloOf, insiderId, isInsider } from './insider.ts'
import { RawPeer, webSocketFrame } from './wire.ts'

export interface GuardedVictim extends Victim {
  /** @throws AssertionError when an honest peer is not let in or served, or a stranger has changed anything */
  assertSound(): Promise<void>
  close(): Promise<void>
}

/** What is counted in between would confuse two that look at once. */
function oneAtATime(look: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve()
  return () => {
    last = last.then(look)
    return last
  }
}

const secret = 'open sesame'
const host = '127.0.0.1'
/** For the honest, on a busy machine. */
const timeoutMs = 20_000

/** The messages of one honest handshake. */
async function overhear(port: number): Promise<Overheard> {
  const peer = new RawPeer(port)
  assert.ok(await peer.upgrade(), 'no WebSocket')
  const visit = helloOf({ nodeId: insiderId(), purpose: 'probe' })
  const handshake = new DialerHandshake(secret, visit)
  const hello = handshake.opening
  peer.write(webSocketFrame(hello))
  const answer = await peer.message()
  assert.ok(answer !== null, 'a hello is answered')
  const step = handshake.receive(answer)
  assert.ok(step.type === 'send', 'the answer is a hello')
  peer.write(webSocketFrame(step.bytes))
  const welcome = await peer.message()
  assert.ok(welcome !== null, 'the honest are let in')
  peer.destroy()
  return { hello, answer, proof: step.bytes, welcome }
}

// ── a bare network ──────────────────────────────────────────────────────────────────────────────

const victimId = 'aaaaaaaaaaaaaaaa'
const honestId = 'bbbbbbbbbbbbbbbb'
const clusterId = 'c'.repeat(32)

const calm: Parameters<Network['start']>[1] = {
  frame: () => undefined,
  peer: () => undefined,
  adopt: async () => undefined,
  meet: async () => undefined,
  disowned: () => undefined,
}

export interface BareVictim extends GuardedVictim {
  /** The same of those who are in already: there may be no room for others. */
  assertServed(): Promise<void>
}

export async function openBareVictim(transport: Transport): Promise<BareVictim> {
  let heard = 0
  const wrongs: string[] = []
  const network = await openNetwork(transport, victimId, {
    ...calm,
    frame(from) {
      if (from === honestId) heard++
      else if (!isInsider(from)) wrongs.push(`a frame of ${from}`)
    },
    peer: (id) => wrongs.push(`a link to ${id}`),
    adopt: async (id) => void wrongs.push(`adopted into ${id}`),
  })
  const honest = await openNetwork('ws', honestId, {
    ...calm,
    frame: (from) => wrongs.push(`${from} talks to the honest peer`),
  })
  const { port } = network
  honest.setPeers([{ id: victimId, address: `${host}:${port}` }])
  await until(() => honest.links()[0]?.up, 'the honest peer is linked')
  const overheard = await overhear(port)
  const assertServed = oneAtATime(async () => {
    assert.deepEqual(wrongs, [])
    const before = heard
    honest.send(victimId, Buffer.from('still here'))
    await until(() => heard === before + 1, 'a frame of the honest peer')
    assert.equal(honest.links()[0]?.reason, null, 'the honest peer keeps its link')
  })
  return {
    ...{ port, secret, id: victimId, peerId: honestId, decodes: false, overheard },
    assertServed,
    async assertSound() {
      await assertServed()
      await honest.probe(`${host}:${port}`, { timeoutMs })
    },
    async close() {
      await honest.close()
      await network.close()
    },
  }
}

async function openNetwork(
  transport: Transport,
  nodeId: string,
  events: Parameters<Network['start']>[1],
  belongsTo: string | null = clusterId,
): Promise<Network> {
  const network = await Network.listen({ host, port: 0, secret, transport })
  const address = `${host}:${network.port}`
  const identity = { nodeId, incarnation: 1, ancestors: [], address, clusterId: belongsTo }
  network.start(identity, events, { adoptable: true, met: new Map() })
  return network
}

/** Belongs to no cluster, and to the first that a peer with the secret asks it into. For strangers only. */
export async function openHomelessVictim(transport: Transport): Promise<GuardedVictim> {
  const wrongs: string[] = []
  const network = await openNetwork(
    transport,
    victimId,
    {
      ...calm,
      frame: (from) => void wrongs.push(`a frame of ${from}`),
      peer: (id) => void wrongs.push(`a link to ${id}`),
      adopt: async (id) => void wrongs.push(`adopted into ${id}`),
    },
    null,
  )
  const honest = await openNetwork('ws', honestId, calm)
  const { port } = network
  return {
    ...{ port, secret, id: victimId, peerId: honestId, decodes: false },
    overheard: await overhear(port),
    assertSound: oneAtATime(async () => {
      assert.deepEqual(wrongs, [])
      const answer = await honest.probe(`${host}:${port}`, { timeoutMs })
      assert.equal(answer.clusterId, null)
    }),
    async close() {
      await honest.close()
      await network.close()
    },
  }
}

// ── a member of a cluster ───────────────────────────────────────────────────────────────────────

export async function openMemberVictim(transport: Transport): Promise<GuardedVictim> {
  // So long that a busy machine causes no election: a new term would not be the attacker's work.
  const electionTimeoutMs: [number, number] = [10_000, 20_000]
  const cluster = await createCluster({
    nodes: 2,
    secret,
    transport,
    workers: 1,
    electionTimeoutMs,
  })
  const leader = nodeAt(cluster, 0)
  const follower = nodeAt(cluster, 1)
  await until(
    () => follower.status().members.filter(({ role }) => role === 'voter').length === 2,
    'two voters',
  )
  const port = portOf(leader.address)
  const overheard = await overhear(port)
  // The follower may apply a put, and answer for it, before the leader has applied it. And a status may be
  // an older one while its thread is held up in the middle of writing the board.
  const put = async (value: number): Promise<void> => {
    const { revision } = await follower.put('puts', value)
    const has = (status: NodeStatus): boolean => status.revision >= revision && isSettled(status)
    await until(() => has(leader.status()), 'the leader has applied everything')
  }
  await put(0)
  const before = leader.status()
  let puts = 0
  return {
    ...{ port, secret, id: leader.id, peerId: follower.id, decodes: true, overheard },
    assertSound: oneAtATime(async () => {
      puts++
      // From the follower, so that the request goes through the listener under attack.
      await put(puts)
      assert.deepEqual(gist(leader.status(), 0), gist(before, puts))
      assert.equal(follower.status().failure, null)
    }),
    close: () => cluster.close(),
  }
}

function isSettled({ commitIndex, appliedIndex }: NodeStatus): boolean {
  return commitIndex === appliedIndex
}

/** What nobody but the members may change; each put is one entry and one revision. */
function gist(
  { role, term, leaderId, commitIndex, revision, members, failure }: NodeStatus,
  puts: number,
): object {
  const [committed, newest] = [commitIndex + puts, revision + puts]
  return { role, term, leaderId, commitIndex: committed, revision: newest, members, failure }
}
