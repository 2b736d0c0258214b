/** Raft paper §5.4.1 and thesis §3.10, for a server that has its log, but not what the log adds up to. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { heartbeat, limits, ofType, type Sent, snapshotAt, TestServer } from './harness.ts'

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

  test('a snapshot takes the place of its state only, if its log has what that stands for, of the same term', () => {
    const server = new TestServer({ terms: Array(10).fill(1) })
    const held = [snapshotAt(8, 1), snapshotAt(8, 2), snapshotAt(11, 1)]
    assert.deepEqual(
      held.map((snapshot) => server.raft.holds(snapshot)),
      [true, false, false],
    )
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

describe('paper §7: a leader, and a server that has lost its state, but not its log', () => {
  const taken = snapshotAt(8, 1)
  const held = (heldBytes: number) =>
    ({ type: 'snapshotReply', term: 2, index: taken.index, heldBytes }) as const

  /** All is committed, up to entry 11; `c` asks for a snapshot. */
  const open = (): TestServer => {
    const server = new TestServer({ terms: Array(10).fill(1), cutAt: 5 })
    server.snapshots.newest = taken
    server.lead('b').acknowledge(['b', 'c']).turn()
    server.raft.sendSnapshot('c', 8)
    return server
  }
  const offsets = (sent: readonly Sent[]): number[] =>
    ofType(sent, 'snapshot').map(({ rpc }) => rpc.offset)
  const propose = (server: TestServer): readonly Sent[] => {
    assert.ok(server.raft.propose(new Uint8Array(1)))
    return server.sent()
  }

  test('sends it none that is older than its log', () => {
    const server = new TestServer({ terms: Array(10).fill(1), cutAt: 5 })
    server.snapshots.newest = taken
    server.lead('b').acknowledge(['b', 'c']).turn()
    server.raft.sendSnapshot('c', 9)
    assert.deepEqual(offsets(server.sent()), [])
  })

  test('sends it entries beside the snapshot: without it there may be no majority', () => {
    const server = open()
    const sent = propose(server)
    assert.deepEqual(offsets(sent), [0])
    assert.deepEqual(
      ofType(sent, 'append').map(({ to }) => to),
      ['b', 'c'],
    )
    server.acknowledge(['c']).turn()
    assert.equal(server.raft.status.commitIndex, 12)
  })

  test('goes on with the snapshot, chunk by chunk, whatever entries it acknowledges meanwhile', () => {
    const server = open()
    propose(server)
    for (const [heldBytes, next] of [
      [40, [40]],
      [80, [80]],
      [100, []],
    ] as const) {
      assert.deepEqual(offsets(server.acknowledge(['b', 'c']).sent()), [])
      assert.deepEqual(offsets(propose(server)), [])
      assert.deepEqual(offsets(server.step('c', held(heldBytes)).sent()), next)
    }
    assert.deepEqual(server.raft.snapshotsInUse, [taken])
    server.acknowledge(['c'], taken.index).acknowledge(['c']).turn()
    assert.deepEqual(server.raft.snapshotsInUse, [])
  })

  test('sends a chunk that was lost again, though entries are acknowledged', () => {
    const server = open()
    propose(server)
    const sent: number[] = []
    for (let n = 0; n < limits.electionTicksMin; n++) {
      server.acknowledge(['b', 'c']).tick()
      sent.push(...offsets(propose(server)))
    }
    assert.deepEqual(sent, [0])
    server.raft.linkLost('c')
    assert.deepEqual(offsets(server.sent()), [0])
  })

  test('gives up a snapshot that does not get on, though entries do', () => {
    const server = open()
    for (let n = 0; n < 50 * limits.electionTicksMin; n++) {
      server.acknowledge(['b', 'c']).tick()
      propose(server)
    }
    assert.deepEqual(server.raft.snapshotsInUse, [])
  })

  test('has a snapshot whose file is gone looked at, and sends the newest there is by then', () => {
    const server = open()
    server.snapshots.lost.push(taken)
    assert.deepEqual(offsets(server.sent()), [])
    assert.equal(server.snapshots.suspected.at(0), taken)
    server.snapshots.newest = snapshotAt(9, 1)
    assert.deepEqual(
      ofType(server.sent(), 'snapshot').map(({ rpc }) => rpc.snapshot.index),
      [9],
    )
  })

  test('hands over to another', () => {
    const server = open()
    server.turn()
    assert.equal(server.raft.transferLeadership('c')?.type, 'busy')
    assert.deepEqual(server.raft.transferLeadership(null), { type: 'accepted' })
    assert.deepEqual(
      ofType(server.sent(), 'timeoutNow').map(({ to }) => to),
      ['b'],
    )
  })
})
