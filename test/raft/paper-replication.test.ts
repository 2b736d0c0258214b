/** Raft paper §5.3: log replication. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { append, batch, heartbeat, limits, ofType, TestServer } from './harness.ts'

const bytes = new Uint8Array(10)

describe('paper §5.3: a follower', () => {
  test('stores what fits, and acknowledges it only once it is on disk', () => {
    const { early, write, late } = new TestServer().step('b', append(1, 1, 1, [1, 1])).turn()
    assert.deepEqual(early, [])
    assert.deepEqual(write.entries, [batch(2, 1), batch(3, 1)])
    const acknowledged = { type: 'appendReply', term: 1, accepted: true, matchIndex: 3 } as const
    assert.deepEqual(late, [{ to: 'b', rpc: acknowledged }])
  })

  test('refuses what leaves a gap, and says where its log ends', () => {
    const server = new TestServer({ terms: [1, 1] }).step('b', append(1, 5, 1, [1]))
    const [reply] = ofType(server.turn().late, 'appendReply')
    assert.deepEqual(reply?.rpc, {
      type: 'appendReply',
      term: 1,
      accepted: false,
      rejectIndex: 5,
      hintIndex: 2,
      hintTerm: 1,
    })
  })

  test('removes what conflicts, and all behind it, in the same write', () => {
    const server = new TestServer({ terms: [1, 1, 2, 2] }).step('b', append(3, 2, 1, [3]))
    const { write } = server.turn()
    assert.equal(write.truncateFrom, 3)
    assert.deepEqual(server.terms, [1, 1, 3])
  })

  test('tells its leader again what it told last, when the link to it is made anew, and nobody else', () => {
    const server = new TestServer({ terms: [1, 1] }).step('b', append(1, 5, 1, [1]))
    const answers = () => ofType(server.turn().late, 'appendReply')
    const refused = answers()
    assert.deepEqual(
      refused.map(({ to, rpc }) => [to, rpc.accepted]),
      [['b', false]],
    )
    server.raft.linkLost('b')
    assert.deepEqual(answers(), refused)
    server.step('b', append(1, 2, 1, [1]))
    const accepted = answers()
    assert.deepEqual(
      accepted.map(({ rpc }) => rpc.accepted && rpc.matchIndex),
      [3],
    )
    server.raft.linkLost('c')
    assert.deepEqual(answers(), [])
    server.raft.linkLost('b')
    assert.deepEqual(answers(), accepted)
    server.step('c', heartbeat(2)).turn()
    for (const id of ['b', 'c']) server.raft.linkLost(id)
    assert.deepEqual(answers(), [], 'the leader of this term has asked nothing yet')
  })

  test('a late append does not truncate what came after it', () => {
    const server = new TestServer().step('b', append(1, 1, 1, [1, 1, 1]))
    server.turn()
    server.step('b', append(1, 1, 1, [1])).step('b', append(1, 1, 1, []))
    const { write, late } = server.turn()
    assert.equal(write.truncateFrom, null)
    assert.equal(server.disk.lastIndex, 4)
    const matches = ofType(late, 'appendReply').map(({ rpc }) => rpc.accepted && rpc.matchIndex)
    assert.deepEqual(matches, [2, 1])
  })

  test('commits what the leader has, but no more than it knows to be equal', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).step('b', append(2, 1, 1, [], 3))
    assert.equal(server.raft.status.commitIndex, 1)
    server.step('b', append(2, 1, 1, [1], 3))
    assert.equal(server.raft.status.commitIndex, 2)
  })

  test('a truncation within the turn of the append leaves one consistent write', () => {
    const server = new TestServer().step('b', append(1, 1, 1, [1, 1]))
    server.step('c', append(2, 1, 1, [2]))
    const { write } = server.turn()
    assert.equal(write.truncateFrom, null)
    assert.deepEqual(write.entries, [batch(2, 2)])
    assert.deepEqual(server.terms, [1, 2])
  })

  test('what a newer leader replaces within the turn is acknowledged to that one only', () => {
    const server = new TestServer().step('b', append(1, 1, 1, [1]))
    server.step('c', append(2, 1, 1, [2, 2]))
    assert.deepEqual(
      server.turn().late.map(({ to }) => to),
      ['c'],
    )
  })

  test('never removes what is committed', () => {
    const server = new TestServer({ terms: [1, 1] }).step('b', append(1, 2, 1, [], 2))
    assert.throws(() => server.step('c', append(2, 1, 1, [2])), /truncate 2, but 2 is committed/)
  })

  test('a heartbeat spreads the commit index without a look at the log', () => {
    const server = new TestServer({ terms: [1, 1] }).step('b', heartbeat(1, 2))
    assert.equal(server.raft.status.commitIndex, 2)
    assert.throws(() => server.step('b', heartbeat(1, 3)), /log ends at 2/)
  })

  test('applies only what is committed and on its own disk, in bounded steps', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).step('b', append(1, 3, 1, [1], 4))
    const indexes = (max: number) => server.raft.takeCommitted(max, 1_000).map(({ index }) => index)
    assert.deepEqual(indexes(2), [1, 2])
    assert.deepEqual(indexes(9), [3])
    assert.deepEqual(indexes(9), [])
    server.turn()
    assert.deepEqual(indexes(9), [4])
  })
})

describe('paper §5.3: a leader', () => {
  test('appends and heartbeats are early: followers write while it writes', () => {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    server.turn()
    server.raft.propose(bytes)
    const { early, write, late } = server.turn()
    assert.equal(ofType(early, 'append').length, 2)
    assert.equal(write.entries.length, 1)
    assert.deepEqual(late, [])
  })

  test('sends each follower at most one append a turn, with all that came', () => {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    server.turn()
    for (let n = 0; n < 3; n++) server.raft.propose(bytes)
    const appends = ofType(server.turn().early, 'append')
    assert.deepEqual(
      appends.map(({ to, rpc }) => [to, rpc.entries.length]),
      [
        ['b', 3],
        ['c', 3],
      ],
    )
  })

  test('a refusal makes it go back, and skip a whole term by the hint', () => {
    const server = new TestServer({ terms: [1, 2, 2, 4, 4, 4] }).lead('b')
    const refusal = { accepted: false, rejectIndex: 6, hintIndex: 6, hintTerm: 3 } as const
    server.step('b', { type: 'appendReply', term: 5, ...refusal })
    const [probe] = ofType(server.turn().early, 'append')
    assert.deepEqual([probe?.to, probe?.rpc.prevIndex, probe?.rpc.prevTerm], ['b', 3, 2])
  })

  test('two logs that differ in whole terms meet after one refusal each', () => {
    const leader = new TestServer({ id: 'b', terms: [1, 1, 4, 4, 5, 5, 6, 6, 6] }).lead('a')
    const follower = new TestServer({ terms: [1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3] })
    let probe = append(7, 9, 6, [])
    let refusals = 0
    for (; refusals < 9; refusals++) {
      const [reply] = ofType(follower.step('b', probe).turn().late, 'appendReply')
      if (reply === undefined || reply.rpc.accepted) break
      leader.step('a', reply.rpc)
      const next = ofType(leader.sent(), 'append').find(({ to }) => to === 'a')
      if (next !== undefined) probe = next.rpc
    }
    assert.equal(refusals, 1)
    assert.deepEqual(follower.terms, [1, 1, 4, 4, 5, 5, 6, 6, 6])
  })

  test('a refusal that comes late is ignored', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).lead('b').acknowledge(['b'])
    server.turn()
    const refusal = { accepted: false, rejectIndex: 3, hintIndex: 1, hintTerm: 1 } as const
    server.step('b', { type: 'appendReply', term: 2, ...refusal })
    assert.deepEqual(ofType(server.turn().early, 'append'), [])
  })

  test('figure 2: an acknowledged entry that is refused later counts for no majority', () => {
    const server = new TestServer({ voters: ['a', 'b', 'c', 'd', 'e'] }).lead('b', 'c')
    const { lastIndex: index, term } = server.acknowledge(['b']).raft.status
    const hint = { hintIndex: 1, hintTerm: 1 }
    const refusal = { type: 'appendReply', term, accepted: false, rejectIndex: index } as const
    const probes = () => ofType(server.sent(), 'append').filter(({ to }) => to === 'b').length
    server.sent()
    server.raft.linkLost('b')
    assert.equal(probes(), 1)
    for (let n = 0; n < 3; n++) {
      assert.deepEqual(server.raft.forgetful, [])
      server.step('b', { ...refusal, ...hint })
      assert.equal(probes(), 0, 'it is not asked at once: that would never end')
      server.tick(limits.electionTicksMin / 2).step('c', { type: 'heartbeatReply', term, round: 0 })
      server.step('d', { type: 'heartbeatReply', term, round: 0 })
      assert.equal(server.tick(limits.electionTicksMin / 2).raft.isLeader, true)
      assert.equal(probes(), 1)
    }
    assert.deepEqual(server.raft.forgetful, ['b'])
    server.acknowledge(['c']).turn()
    assert.equal(server.raft.status.commitIndex, 0, 'two of five hold it')
    server.acknowledge(['d']).turn()
    assert.equal(server.raft.status.commitIndex, index)
    server.acknowledge(['b'])
    assert.deepEqual(server.raft.forgetful, [], 'late refusals are over')
  })

  test('probes with one append at a time, and opens the window once one is accepted', () => {
    const server = new TestServer().lead('b')
    const appendsOf = (to: string) =>
      ofType(server.sent(), 'append').filter((each) => each.to === to)
    for (let n = 0; n < 3; n++) {
      server.raft.propose(bytes)
      assert.equal(appendsOf('b').length, 0)
    }
    server.acknowledge(['b'], 2)
    assert.equal(appendsOf('b').length, 1)
    for (const expected of [1, 1, 0, 0]) {
      server.raft.propose(bytes)
      assert.equal(appendsOf('b').length, expected)
    }
  })

  test('an append holds no more entries and bytes than allowed, but at least one', () => {
    const few = new TestServer({ limits: { appendEntriesMax: 2 } }).lead('b').acknowledge(['b'])
    few.turn()
    for (let n = 0; n < 5; n++) few.raft.propose(bytes)
    assert.equal(ofType(few.sent(), 'append')[0]?.rpc.entries.length, 2)
    const small = new TestServer({ limits: { appendBytesMax: 25 } }).lead('b').acknowledge(['b'])
    small.turn()
    for (let n = 0; n < 5; n++) small.raft.propose(bytes)
    assert.equal(ofType(small.sent(), 'append')[0]?.rpc.entries.length, 2)
    const large = new TestServer({ limits: { appendBytesMax: 5 } }).lead('b').acknowledge(['b'])
    large.turn()
    large.raft.propose(bytes)
    assert.equal(ofType(large.sent(), 'append')[0]?.rpc.entries.length, 1)
  })

  test('what is lost is sent again: at once when the link breaks, after a timeout when it does not', () => {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    server.turn()
    server.raft.propose(bytes)
    server.turn()
    server.raft.linkLost('b')
    assert.equal(server.raft.prepareTurn(), true)
    const again = ofType(server.sent(), 'append')
    assert.deepEqual(
      again.map(({ to, rpc }) => [to, rpc.prevIndex]),
      [['b', 2]],
    )
    server.tick(limits.electionTicksMin)
    assert.deepEqual(
      ofType(server.sent(), 'append').map(({ to }) => to),
      ['b', 'c'],
    )
  })

  test('an acknowledgement of an older append does not hide that entries are missing', () => {
    const server = new TestServer({ terms: [1, 1, 1, 1] }).lead('b').acknowledge(['b'], 2)
    const [next] = ofType(server.turn().early, 'append')
    assert.deepEqual([next?.to, next?.rpc.prevIndex, next?.rpc.entries[0]?.index], ['b', 2, 3])
  })

  test('refuses proposals while too much is uncommitted, and takes them again after', () => {
    const server = new TestServer({ limits: { uncommittedBytesMax: 25 } }).lead('b')
    const proposed = () => server.raft.propose(bytes)
    assert.deepEqual([proposed(), proposed(), proposed(), proposed()], [true, true, true, false])
    server.turn()
    server.acknowledge(['b'])
    assert.equal(proposed(), true)
  })

  test('entries of older terms do not count as its own when they are committed', () => {
    const server = new TestServer({ terms: [1, 1, 1, 1], limits: { uncommittedBytesMax: 25 } })
    server.lead('b')
    const proposed = () => server.raft.propose(bytes)
    assert.deepEqual([proposed(), proposed(), proposed(), proposed()], [true, true, true, false])
    server.turn()
    server.acknowledge(['b'], 5)
    assert.equal(server.raft.status.commitIndex, 5)
    assert.equal(proposed(), false)
  })

  test('followers hear of a commit at once', () => {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    const told = ofType(server.turn().early, 'heartbeat').map(({ to, rpc }) => [
      to,
      rpc.commitIndex,
    ])
    assert.deepEqual(told, [
      ['b', 2],
      ['c', 2],
    ])
  })

  describe('while more is being written', () => {
    const commitsTold = (server: TestServer) =>
      ofType(server.sent(), 'heartbeat').map(({ to, rpc }) => [to, rpc.commitIndex])

    /** A leader that has told of a commit since the last tick, and of which nobody waits for more. */
    function busyLeader(): TestServer {
      const server = new TestServer().lead('b').acknowledge(['b', 'c'])
      server.turn()
      return server
    }

    function commits(server: TestServer, index: number): void {
      server.turn()
      server.acknowledge(['b', 'c'], index)
    }

    test('a commit travels with the next append, and is told by itself once a tick', () => {
      const server = busyLeader()
      server.raft.propose(bytes)
      commits(server, 3)
      assert.equal(server.raft.status.commitIndex, 3)
      assert.deepEqual(commitsTold(server), [])
      server.raft.propose(bytes)
      const [append] = ofType(server.turn().early, 'append')
      assert.equal(append?.rpc.commitIndex, 3)
      server.acknowledge(['b', 'c'], 4)
      assert.deepEqual(commitsTold(server), [])
      server.tick()
      assert.deepEqual(commitsTold(server), [
        ['b', 4],
        ['c', 4],
      ])
    })

    test('a server whose callers wait for it is told at once', () => {
      const server = busyLeader()
      server.raft.propose(bytes, 'c')
      server.raft.propose(bytes)
      commits(server, 3)
      assert.deepEqual(commitsTold(server), [['c', 3]])
      server.acknowledge(['b', 'c'], 4)
      assert.deepEqual(commitsTold(server), [], 'what came after was nobody’s there')
    })

    test('so is one that lacked what its callers are to read', () => {
      const server = busyLeader()
      server.raft.propose(bytes)
      server.turn()
      server.acknowledge(['b'], 3).step('c', { type: 'readIndex', term: 2, id: 7 })
      const [asked] = ofType(server.turn().early, 'heartbeat')
      assert.deepEqual(asked?.rpc.commitIndex, 3)
      server.step('b', { type: 'heartbeatReply', term: 2, round: asked?.rpc.round ?? 0 })
      assert.deepEqual(
        ofType(server.sent(), 'readIndexReply').map(({ to, rpc }) => [to, rpc.index]),
        [['c', 3]],
      )
      server.acknowledge(['c'], 3)
      assert.deepEqual(commitsTold(server), [['c', 3]])
    })
  })

  test('a heartbeat tells no more of the commit index than the follower has acknowledged', () => {
    const server = new TestServer().lead('b').acknowledge(['b'])
    server.turn()
    server.tick(limits.heartbeatTicks)
    const told = ofType(server.sent(), 'heartbeat').map(({ to, rpc }) => [to, rpc.commitIndex])
    assert.deepEqual(told, [
      ['b', 2],
      ['c', 0],
    ])
  })

  test('there is a turn to do whenever there is something to send', () => {
    const server = new TestServer().lead('b')
    assert.equal(server.raft.prepareTurn(), false)
    server.acknowledge(['b'])
    assert.equal(server.raft.prepareTurn(), true)
    server.turn()
    assert.equal(server.raft.prepareTurn(), false)
    server.raft.read(1)
    assert.equal(server.raft.prepareTurn(), true)
  })
})
