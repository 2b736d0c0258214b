/** Raft paper §5.4 and thesis §10.2.1: commitment, and the order of a turn. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { heartbeat, ofType, TestServer } from './harness.ts'

const bytes = new Uint8Array(10)

describe('paper §5.4.2 and thesis §10.2.1: commitment', () => {
  test('a leader counts its own entry only once it is durable', () => {
    const pair = new TestServer({ voters: ['a', 'b'] }).lead('b').acknowledge(['b'])
    pair.turn()
    pair.raft.propose(bytes)
    pair.acknowledge(['b'], 3)
    assert.equal(pair.raft.status.commitIndex, 2)
    pair.turn()
    assert.equal(pair.raft.status.commitIndex, 3)
    const alone = new TestServer({ voters: ['a'] }).tick()
    alone.turn()
    const { write } = alone.raft.takeTurn()
    assert.equal(alone.raft.status.commitIndex, 0)
    alone.disk.write(write)
    alone.raft.settle()
    assert.equal(alone.raft.status.commitIndex, 2)
  })

  test('a leader commits an entry that two followers hold before its own disk does', () => {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    server.turn()
    assert.deepEqual(server.applied(), [1, 2])
    server.raft.propose(bytes)
    server.acknowledge(['b', 'c'], 3)
    assert.equal(server.raft.status.commitIndex, 3)
    assert.deepEqual(server.applied(), [])
    server.turn()
    assert.deepEqual(server.applied(), [3])
  })

  test('figure 8: entries of older terms are committed only by one of the own', () => {
    const server = new TestServer({ terms: [1, 2, 3] }).lead('b').acknowledge(['b', 'c'], 3)
    assert.equal(server.raft.status.commitIndex, 0)
    server.acknowledge(['b'], 4)
    assert.equal(server.raft.status.commitIndex, 4)
  })

  test('learners do not count', () => {
    const server = new TestServer({ learners: ['d', 'e'] }).lead('b').acknowledge(['d', 'e'])
    assert.equal(server.raft.status.commitIndex, 0)
    server.acknowledge(['c'])
    assert.equal(server.raft.status.commitIndex, 2)
  })

  test('an acknowledgement never takes back an earlier one', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).lead('b').acknowledge(['b'], 3)
    server.acknowledge(['b'], 1).acknowledge(['c'], 4)
    assert.equal(server.raft.status.commitIndex, 4)
  })

  test('an acknowledgement beyond the log ends the server', () => {
    const server = new TestServer().lead('b')
    assert.throws(() => server.acknowledge(['b'], 99), /b holds 99/)
  })
})

describe('paper §5.4: the order of a turn', () => {
  test('nothing may happen between the turn and its settling', () => {
    const server = new TestServer()
    server.raft.takeTurn()
    assert.throws(() => server.tick(), /middle of a turn/)
    assert.throws(() => server.step('b', heartbeat(1)), /middle of a turn/)
    assert.throws(() => server.raft.takeTurn(), /turn within a turn/)
    server.raft.settle()
    assert.throws(() => server.raft.settle(), /settled without a turn/)
  })

  test('an answer that carries a term not yet on disk waits for it', () => {
    const fresh = new TestServer().step('b', heartbeat(5)).turn()
    assert.deepEqual(ofType(fresh.early, 'heartbeatReply'), [])
    assert.equal(ofType(fresh.late, 'heartbeatReply').length, 1)
    const known = new TestServer().step('b', heartbeat(1)).turn()
    assert.equal(ofType(known.early, 'heartbeatReply').length, 1)
  })
})
