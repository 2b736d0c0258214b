/** The end of a node, as its client sees it: what waits is told why, and whether it may still happen. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Client } from '../../src/client/client.ts'
import { type Outcome, SkiffError } from '../../src/errors.ts'
import type { PeerAddress } from '../../src/messages.ts'
import { resolveOptions } from '../../src/options.ts'
import { BoardReader, BoardWriter, createBoard } from '../../src/storage/board.ts'
import type { StateReader } from '../../src/storage/reader.ts'
import { nextTurn, openChannel } from '../support/channel.ts'
import { skiff } from '../support/cluster.ts'

const member = '00000000000000bb'
const crash = (outcome: Outcome) => new SkiffError('SKIFF_CRASHED', outcome, 'it broke')
const crashed = (outcome: Outcome) => skiff('SKIFF_CRASHED', outcome, /it broke/)

function openClient(
  t: TestContext,
  probe: () => Promise<PeerAddress> = () => assert.fail(),
  leadsAlone = 0,
) {
  const { port, storage } = openChannel(t)
  const memory = createBoard()
  const board = new BoardReader(memory)
  new BoardWriter(memory).write({ ...board.read(), leadsAlone })
  const touched = { count: 0 }
  const state = { refresh: () => touched.count++, get: () => null } as unknown as StateReader
  const client = new Client({
    port,
    options: resolveOptions(),
    board,
    state,
    probe,
    peersChanged: () => undefined,
    stateFound: () => undefined,
    stateReplaced: () => assert.fail('replaced'),
    failed: () => assert.fail('failed'),
  })
  return { client, storage, touched }
}

test('a change of the members that was asked for may still happen', {
  timeout: 20_000,
}, async (t) => {
  const { client, storage } = openClient(t)
  const removed = assert.rejects(client.removeServer(member), crashed('unknown'))
  await nextTurn()
  storage.post({ type: 'readable', ids: [1] })
  storage.post({ type: 'view', view: viewOf(member), peers: [], forgetful: [] })
  storage.flush()
  await nextTurn()
  await nextTurn()
  const types = storage.receive().map(({ type }) => type)
  assert.deepEqual(types, ['read', 'change'])
  client.end(crash)
  await removed
})

test('one that was not asked for yet will not happen, nor what was called in the last turn', {
  timeout: 20_000,
}, async (t) => {
  const { client } = openClient(t)
  const calls = [
    client.removeServer(member),
    client.put('k', 1),
    client.get('k'),
    client.waitForLeader(),
  ]
  const rejected = calls.map((call) => assert.rejects(call, crashed('not-applied')))
  client.end(crash)
  await Promise.all(rejected)
})

test('a node about to close asks nothing more, and still answers what was asked', {
  timeout: 20_000,
}, async (t) => {
  const { client, storage } = openClient(t)
  const written = client.put('k', 1)
  const removed = assert.rejects(client.removeServer(member), crashed('not-applied'))
  await nextTurn()
  const late = [client.put('k', 2), client.members()]
  const rejected = late.map((call) => assert.rejects(call, crashed('not-applied')))
  client.stopAsking(crash)
  await Promise.all(rejected)
  await assert.rejects(client.put('k', 3), crashed('not-applied'))
  storage.post({ type: 'applied', batch: 1, revisions: Float64Array.of(7) })
  // The first step of the removal, which does not take its second.
  storage.post({ type: 'readable', ids: [1] })
  storage.flush()
  assert.deepEqual(await written, { revision: 7 })
  await removed
  await nextTurn()
  assert.deepEqual(
    storage.receive().map(({ type }) => type),
    ['propose', 'read'],
  )
  assert.deepEqual(client.pending, { requests: 0, bytes: 0 })
})

test('a call that has a step left when the node ends does not wait for ever', {
  timeout: 20_000,
}, async (t) => {
  let answer: (peer: PeerAddress) => void = () => undefined
  const { client } = openClient(t, () => new Promise((resolve) => (answer = resolve)))
  const added = assert.rejects(client.addServer('127.0.0.1:1'), crashed('not-applied'))
  answer({ id: member, address: '127.0.0.1:1' })
  client.end(crash)
  await added
  for (const call of [client.put('k', 1), client.get('k'), client.members(), client.scan().next()])
    await assert.rejects(call, crashed('not-applied'))
  await assert.rejects(client.waitForLeader(), crashed('not-applied'))
})

test('after the end nothing is read and nothing is judged any more, whatever was known before', {
  timeout: 20_000,
}, async (t) => {
  const { client, storage, touched } = openClient(t, undefined, 1)
  const scan = client.scan()
  const staleScan = client.scan({}, { consistency: 'stale' })
  assert.equal(await client.get('k'), undefined)
  client.views.show({ ...viewOf(member), leaderId: member })
  assert.equal(await client.waitForLeader(), member)
  const waiting = assert.rejects(client.members(), crashed('not-applied'))
  await nextTurn()
  client.end(crash)
  await waiting
  touched.count = 0
  storage.post({ type: 'readable', ids: [1] })
  storage.flush()
  await nextTurn()
  await nextTurn()
  for (const call of [
    scan.next(),
    staleScan.next(),
    client.get('k'),
    client.get('k', { consistency: 'stale' }),
    client.keys(),
    client.waitForLeader(),
  ])
    await assert.rejects(call, crashed('not-applied'))
  assert.equal(touched.count, 0)
})

function viewOf(id: string) {
  const members = [{ id, address: '127.0.0.1:1', role: 'voter' as const }]
  return { role: 'follower' as const, term: 1, leaderId: null, members, isJoint: false }
}
