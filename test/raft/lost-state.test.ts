/** Raft paper §5.4.1 and thesis §3.10, for a server that has its log, but not what the log adds up to. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { heartbeat, limits, ofType, snapshotAt, TestServer } from './harness.ts'

describe('paper §5.4.1, thesis §3.10: a server whose state is lost', () => {
  const lost = (): TestServer => {
    const server = new TestServer()
    server.raft.loseState()
    return server
  }

  test('lets those who have one campaign first, but campaigns, for its log may be the longest', () => {
    const server = lost()
    const asked = () => ofType(server.sent(), 'preVote').length
    server.tick(limits.electionTicksMin)
    assert.equal(asked(), 0)
    server.tick(limits.electionTicksMax)
    assert.equal(asked(), 2)
  })

  test('leads without proposals, and without applying, and commits what a majority holds', () => {
    const server = lost().tick(limits.electionTicksMax).lead('b').acknowledge(['b'])
    server.turn()
    assert.equal(server.raft.status.commitIndex, 2)
    assert.deepEqual(server.applied(), [])
    assert.equal(server.raft.propose(new Uint8Array(1)), false)
    assert.ok(server.raft.isTransferring)
    assert.deepEqual(server.raft.transferLeadership(null), { type: 'accepted' })
    assert.deepEqual(
      ofType(server.sent(), 'timeoutNow').map(({ to }) => to),
      ['b'],
    )
  })

  test('takes a snapshot also of what is in its log: its state is not (paper §7)', () => {
    const server = new TestServer({ terms: [1, 1, 1] })
    server.raft.loseState()
    const chunk = { snapshot: snapshotAt(2, 1), offset: 0, chunk: new Uint8Array(40) }
    server.step('b', { type: 'snapshot', term: 1, ...chunk })
    assert.deepEqual(server.raft.takeTurn().chunks, [{ from: 'b', ...chunk }])
  })

  test('is not who leadership is handed to', () => {
    const server = lost()
      .step('b', heartbeat(1))
      .step('b', { type: 'timeoutNow', term: 1, lastIndex: 1 })
    const sent = server.sent()
    assert.equal(ofType(sent, 'timeoutNowDeclined').length, 1)
    assert.equal(ofType(sent, 'vote').length, 0)
  })

  test('goes on leading if it loses it as the leader, until another is there', () => {
    const server = new TestServer().lead('b').acknowledge(['b'])
    server.raft.loseState()
    assert.equal(server.raft.status.role, 'leader')
    assert.equal(server.raft.propose(new Uint8Array(1)), false)
  })
})
