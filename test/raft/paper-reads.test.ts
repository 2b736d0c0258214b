/** Thesis §6.4: linearizable reads without a log entry. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { heartbeat, limits, membersOf, ofType, TestServer } from './harness.ts'

/** Leads in term 2 and has committed its no-op, index 2. */
function leader(...voters: readonly string[]): TestServer {
  const server = new TestServer(voters.length > 0 ? { voters } : {})
  const others = server.raft.membership.members.map(({ id }) => id).filter((id) => id !== 'a')
  server.lead(...others).acknowledge(others)
  server.turn()
  return server
}

const confirm = (server: TestServer, from: string, round: number) =>
  server.step(from, { type: 'heartbeatReply', term: server.raft.status.term, round })

/** The round that the turn's heartbeats ask for. */
const roundOf = (server: TestServer) => ofType(server.turn().early, 'heartbeat')[0]?.rpc.round ?? 0

describe('thesis §6.4: read index', () => {
  test('a read waits for a majority to confirm the leader', () => {
    const server = leader('a', 'b', 'c', 'd', 'e')
    server.raft.read(7)
    const round = roundOf(server)
    confirm(server, 'b', round)
    assert.deepEqual(server.turn().reads, [])
    confirm(server, 'c', round)
    assert.deepEqual(server.turn().reads, [{ id: 7, index: 2 }])
  })

  test('a confirmation older than the read does not count', () => {
    const server = leader()
    const before = roundOf(server.tick(limits.heartbeatTicks))
    server.raft.read(7)
    server.turn()
    confirm(server, 'b', before)
    confirm(server, 'c', before)
    assert.deepEqual(server.turn().reads, [])
  })

  test('it waits for the no-op of the term', () => {
    const server = new TestServer({ terms: [1, 1] }).lead('b')
    server.raft.read(7)
    confirm(server, 'b', 9)
    assert.deepEqual(server.turn().reads, [])
    server.acknowledge(['b'])
    const round = roundOf(server)
    confirm(server, 'b', round)
    assert.deepEqual(server.turn().reads, [{ id: 7, index: 3 }])
  })

  test('reads that come during a round wait for the next, and share it', () => {
    const server = leader()
    server.raft.read(1)
    const first = roundOf(server)
    server.raft.read(2)
    server.raft.read(3)
    server.turn()
    confirm(server, 'b', first)
    const { reads, early } = server.turn()
    assert.deepEqual(reads, [{ id: 1, index: 2 }])
    const second = ofType(early, 'heartbeat')[0]?.rpc.round ?? 0
    assert.equal(second, first + 1)
    confirm(server, 'c', second)
    assert.deepEqual(
      server.turn().reads.map(({ id }) => id),
      [2, 3],
    )
  })

  test('a round survives a lost heartbeat: each later one asks again', () => {
    const server = leader()
    server.raft.read(1)
    const round = roundOf(server)
    server.tick(limits.heartbeatTicks)
    assert.equal(roundOf(server), round)
  })

  test('the index is that of the moment the round began', () => {
    const server = leader()
    server.raft.read(1)
    const round = roundOf(server)
    server.raft.propose(new Uint8Array(1))
    server.turn()
    server.acknowledge(['b'], 3)
    confirm(server, 'b', round)
    assert.deepEqual(server.turn().reads, [{ id: 1, index: 2 }])
  })

  test('one that follows another has the commit index of its own beginning', () => {
    const server = leader()
    server.raft.read(1)
    const first = roundOf(server)
    server.raft.propose(new Uint8Array(1))
    server.raft.read(2)
    server.turn()
    server.acknowledge(['b'], 3)
    confirm(server, 'b', first)
    const { reads, early } = server.turn()
    assert.deepEqual(reads, [{ id: 1, index: 2 }])
    confirm(server, 'b', ofType(early, 'heartbeat')[0]?.rpc.round ?? 0)
    assert.deepEqual(server.turn().reads, [{ id: 2, index: 3 }])
  })

  test('an answer that names no round, as one about a snapshot, confirms none', () => {
    const server = leader()
    server.raft.read(1)
    server.turn()
    server.step('b', { type: 'snapshotReply', term: 2, index: 1, heldBytes: 0 })
    assert.deepEqual(server.turn().reads, [])
  })

  test('the word of a learner is no confirmation', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c'], ['d']))
    server.turn()
    server.raft.read(1)
    const round = roundOf(server)
    confirm(server, 'd', round)
    assert.deepEqual(server.turn().reads, [])
  })

  test('a sole voter reads without a round', () => {
    const server = new TestServer({ voters: ['a'], learners: ['b'] }).tick()
    server.turn()
    server.turn()
    server.raft.read(1)
    assert.deepEqual(server.turn().reads, [{ id: 1, index: 2 }])
  })

  test('a leader alone is one whose vote every other leader would need', () => {
    const pair = leader('a', 'b')
    assert.equal(pair.raft.leadsAlone, false)
    pair.change(membersOf(['a']))
    assert.equal(pair.raft.leadsAlone, false, 'while it is joint, the other one counts')
    pair.turn()
    pair.acknowledge(['b'])
    pair.turn()
    assert.equal(pair.raft.leadsAlone, true)
    const follower = new TestServer({ voters: ['a'] }).step('b', heartbeat(1))
    assert.equal(follower.raft.leadsAlone, false)
  })

  test('reads are lost with the leadership, and never answered late', () => {
    const server = leader()
    server.raft.read(1)
    const round = roundOf(server)
    server.step('c', heartbeat(3))
    server.step('b', { type: 'heartbeatReply', term: 2, round })
    assert.deepEqual(server.turn().reads, [])
  })
})

describe('thesis §6.4: reads through a follower', () => {
  test('a follower asks its leader, and serves at the index it is told', () => {
    const server = new TestServer().step('b', heartbeat(1))
    assert.equal(server.raft.read(7), true)
    const asked = { to: 'b', rpc: { type: 'readIndex', term: 1, id: 7 } }
    assert.ok(server.turn().early.some((each) => JSON.stringify(each) === JSON.stringify(asked)))
    server.step('b', { type: 'readIndexReply', term: 1, id: 7, index: 5 })
    assert.equal(server.raft.prepareTurn(), true)
    assert.deepEqual(server.turn().reads, [{ id: 7, index: 5 }])
  })

  test('without a leader it says so', () => {
    assert.equal(new TestServer().raft.read(7), false)
  })

  test('a leader answers the asker after its round', () => {
    const server = leader()
    server.step('c', { type: 'readIndex', term: 2, id: 7 })
    const round = roundOf(server)
    confirm(server, 'b', round)
    const reply = { type: 'readIndexReply', term: 2, id: 7, index: 2 } as const
    assert.deepEqual(ofType(server.sent(), 'readIndexReply'), [{ to: 'c', rpc: reply }])
  })

  test('an answer of an older term, or one for a server that leads now, is dropped', () => {
    const follower = new TestServer({ hardState: { term: 3, votedFor: null } })
    follower.step('b', { type: 'readIndexReply', term: 2, id: 7, index: 5 })
    assert.equal(follower.raft.prepareTurn(), false)
    const server = leader().step('b', { type: 'readIndexReply', term: 2, id: 7, index: 5 })
    assert.deepEqual(server.turn().reads, [])
  })
})
