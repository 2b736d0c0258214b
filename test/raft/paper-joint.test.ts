/** Paper §6 and thesis §4.3: voters change through a joint configuration; two majorities decide meanwhile. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configurationOf, encodeConfiguration } from '../../src/raft/membership.ts'
import type { Configuration, Entry, Index, NodeId } from '../../src/raft/types.ts'
import { append, batch, limits, membersOf, ofType, TestServer } from './harness.ts'

/** a, b and c become a, d and e. */
const joint: Configuration = {
  ...configurationOf(membersOf(['a', 'd', 'e'])),
  outgoing: membersOf(['a', 'b', 'c']),
}

function entryOf(index: Index, term: number, configuration: Configuration): Entry {
  return { index, term, type: 'membership', bytes: encodeConfiguration(configuration) }
}

/** Leads in term 2 and has committed its no-op, index 2; index 3 is the joint configuration. */
function changing(): TestServer {
  const server = new TestServer().lead('b').acknowledge(['b', 'c'])
  server.turn()
  assert.equal(server.change(membersOf(['a', 'd', 'e']))?.type, 'accepted')
  server.turn()
  assert.deepEqual(server.raft.membership, { index: 3, ...joint })
  return server
}

/** A follower in whose log a leader of term 1 has begun that change; it is not known to be committed. */
function inherited(id: NodeId = 'a', commitIndex: Index = 1): TestServer {
  const server = new TestServer({ id })
  const leader = id === 'b' ? 'c' : 'b'
  server.step(leader, { ...append(1, 1, 1, [], commitIndex), entries: [entryOf(2, 1, joint)] })
  server.turn()
  return server
}

describe('paper §6: while a configuration is joint', () => {
  test('an entry needs a majority of the old voters and one of the new', () => {
    for (const [some, others] of [
      [['b', 'c'], ['d']],
      [['d', 'e'], ['b']],
    ] as const) {
      const server = changing()
      server.acknowledge(some, 3)
      assert.equal(server.raft.status.commitIndex, 2, `${some} and the leader are not enough`)
      server.acknowledge(others, 3)
      assert.equal(server.raft.status.commitIndex, 3)
    }
  })

  test('a candidate needs both majorities, for promises and for votes', () => {
    const server = inherited()
    server.tick(limits.electionTicksMin)
    const asked = ofType(server.turn().early, 'preVote').map(({ to }) => to)
    assert.deepEqual(asked, ['d', 'e', 'b', 'c'])
    for (const [id, role] of [
      ['b', 'preCandidate'],
      ['c', 'preCandidate'],
      ['d', 'candidate'],
    ] as const) {
      server.step(id, { type: 'preVoteReply', term: 2, granted: true })
      assert.equal(server.raft.status.role, role, id)
    }
    server.turn()
    for (const [id, role] of [
      ['d', 'candidate'],
      ['e', 'candidate'],
      ['b', 'leader'],
    ] as const) {
      server.step(id, { type: 'voteReply', term: 2, granted: true })
      assert.equal(server.raft.status.role, role, id)
    }
  })

  test('a campaign is lost with one of the two majorities', () => {
    const server = inherited()
    server.tick(limits.electionTicksMax).turn()
    for (const id of ['d', 'e']) server.step(id, { type: 'preVoteReply', term: 1, granted: false })
    assert.equal(server.raft.status.role, 'follower')
  })

  test('whoever is on its way in or out may campaign', () => {
    for (const id of ['b', 'd']) {
      const server = inherited(id)
      server.tick(limits.electionTicksMax)
      assert.equal(server.raft.status.role, 'preCandidate', id)
    }
  })

  test('a leader that only one of the two majorities answers steps down (thesis §6.2)', () => {
    for (const [answering, leads] of [
      [['b', 'c'], false],
      [['d', 'e'], false],
      [['b', 'd'], true],
    ] as const) {
      const server = changing()
      for (let n = 0; n < 3 * limits.electionTicksMin; n++) {
        if (server.raft.isLeader) server.acknowledge(answering, 2)
        server.tick().turn()
      }
      assert.equal(server.raft.isLeader, leads, `${answering}`)
    }
  })

  test('a read is confirmed by both majorities (thesis §6.4)', () => {
    const server = changing()
    server.raft.read(1)
    const [sent] = ofType(server.turn().early, 'heartbeat')
    const round = sent?.rpc.round ?? 0
    for (const [id, reads] of [
      ['d', 0],
      ['e', 0],
      ['b', 1],
    ] as const) {
      server.step(id, { type: 'heartbeatReply', term: 2, round })
      assert.equal(server.turn().reads.length, reads, id)
    }
  })
})

describe('paper §6: how a joint configuration is left', () => {
  test('a leader that is no voter any more goes once that is committed, and not before (thesis §4.2.2)', () => {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    server.turn()
    assert.equal(server.change(membersOf(['b', 'c']))?.type, 'accepted')
    server.raft.propose(batch(4, 2).bytes)
    server.turn()
    server.acknowledge(['b', 'c'], 3).turn()
    assert.equal(server.raft.membership.index, 5, 'behind what was proposed meanwhile')
    server.acknowledge(['b', 'c'], 4).turn()
    assert.deepEqual([server.raft.status.commitIndex, server.raft.isLeader], [4, true])
    server.acknowledge(['b'], 5).turn()
    assert.ok(server.raft.isLeader)
    server.acknowledge(['c'], 5).turn()
    assert.ok(!server.raft.isLeader)
  })

  test('by its leader, as soon as it is committed and not before', () => {
    const server = changing()
    server.acknowledge(['d', 'e'], 3)
    server.turn()
    assert.equal(server.raft.membership.index, 3)
    server.acknowledge(['b'], 3)
    const { entries } = server.turn().write
    assert.deepEqual(
      entries.map(({ index, type }) => [index, type]),
      [[4, 'membership']],
    )
    assert.deepEqual(server.raft.membership, { index: 4, ...joint, outgoing: [] })
    assert.deepEqual(
      server.raft.leaving.map(({ id }) => id),
      ['b', 'c'],
    )
  })

  test('from then on the new voters decide alone', () => {
    const server = changing()
    server.acknowledge(['b', 'd', 'e'], 3)
    server.turn()
    server.acknowledge(['b', 'c'], 4)
    assert.equal(server.raft.status.commitIndex, 3)
    server.acknowledge(['e'], 4)
    assert.equal(server.raft.status.commitIndex, 4)
  })

  test('by a new leader, which finds it in its log, once an entry of its own term is committed', () => {
    for (const commitIndex of [1, 2]) {
      const server = inherited('a', commitIndex)
      server.lead('b', 'd')
      assert.equal(server.raft.membership.index, 2)
      server.acknowledge(['b', 'd'], 2)
      server.turn()
      assert.equal(server.raft.membership.index, 2, 'its own entry is not committed')
      server.acknowledge(['b', 'd'], 3)
      server.turn()
      assert.deepEqual(server.raft.membership, { index: 4, ...joint, outgoing: [] })
    }
  })

  test('by a server that has just been restarted in the middle of it, like by any other', () => {
    const server = changing()
    server.restart()
    assert.deepEqual(server.raft.membership, { index: 3, ...joint })
    server.lead('b', 'd').acknowledge(['b', 'd'])
    server.turn()
    assert.deepEqual(server.raft.membership, { index: 5, ...joint, outgoing: [] })
  })

  test('a follower goes back to it when its last step is truncated', () => {
    const server = inherited('b')
    const last = entryOf(3, 1, { ...joint, outgoing: [] })
    server.step('c', { ...append(1, 2, 1, [], 2), entries: [last] })
    assert.equal(server.raft.membership.outgoing.length, 0)
    server.turn()
    server.step('d', append(2, 2, 1, [2], 2))
    assert.deepEqual(server.raft.membership, { index: 2, ...joint })
  })
})

describe('what would lose the quorum is refused', () => {
  /** A leader of a, b and c for long enough to know who answers. */
  function settled(...answering: NodeId[]): TestServer {
    const server = new TestServer().lead('b').acknowledge(['b'])
    for (let n = 0; n < limits.electionTicksMin; n++) server.acknowledge(answering, 2).tick().turn()
    return server
  }

  test('a voter that answers must not go while those who are left are no majority', () => {
    const server = settled('b')
    for (const voters of [
      ['a', 'c'],
      ['b', 'c'],
    ]) {
      const outcome = server.change(membersOf(voters))
      assert.equal(outcome?.type, 'refused')
      assert.match(outcome?.reason ?? '', /2 of the 2 voters left .* c does not answer/)
    }
    assert.equal(server.change(membersOf(['a'], ['b', 'c']))?.type, 'accepted', 'a is enough for a')
  })

  test('one that is silent may go, and so may one of several that answer', () => {
    assert.equal(settled('b').change(membersOf(['a', 'b']))?.type, 'accepted')
    assert.equal(settled('b', 'c').change(membersOf(['a', 'b']))?.type, 'accepted')
    assert.equal(settled('b', 'c').change(membersOf(['b', 'c']))?.type, 'accepted')
  })

  test('where nobody answers just now, what takes nobody away may be begun', () => {
    for (const members of [membersOf(['a', 'b']), membersOf(['a', 'b', 'c'], ['d'])]) {
      const server = new TestServer().lead('b').acknowledge(['b'])
      server.tick(limits.electionTicksMin)
      assert.equal(server.change(members)?.type, 'accepted')
    }
  })

  test('a new leader says neither yes nor no before all have had the time to answer', () => {
    const server = new TestServer().lead('b').acknowledge(['b'])
    assert.equal(server.change(membersOf(['a', 'c']))?.type, 'busy')
    server.acknowledge(['c'], 1)
    assert.equal(server.change(membersOf(['a', 'c']))?.type, 'accepted')
  })

  test('it is asked without changing anything', () => {
    const server = settled('b', 'c')
    assert.deepEqual(server.raft.considerMembers(membersOf(['a', 'b'])), { type: 'accepted' })
    assert.equal(server.raft.membership.index, 1)
    assert.equal(new TestServer().raft.considerMembers(membersOf(['a'])), null)
  })
})

describe('thesis §4.2.1: learners that stay, and those that take a place', () => {
  function withLearner(promotions: Configuration['promotions']): TestServer {
    const server = new TestServer().lead('b').acknowledge(['b', 'c'])
    server.turn()
    server.change(membersOf(['a', 'b', 'c'], ['d']), promotions)
    server.turn()
    server.acknowledge(['b', 'c', 'd'])
    server.turn()
    return server
  }

  test('a learner that is to stay one is not promoted, however well it keeps up', () => {
    const server = withLearner([])
    assert.deepEqual(server.raft.membership.members, membersOf(['a', 'b', 'c'], ['d']))
    server.restart()
    assert.deepEqual(server.raft.membership.promotions, [])
  })

  test('a newcomer takes the place of another voter in one joint change', () => {
    const server = withLearner([{ id: 'd', inPlaceOf: 'c' }])
    const { members, outgoing, promotions } = server.raft.membership
    assert.deepEqual([members, outgoing], [membersOf(['a', 'b', 'd']), membersOf(['a', 'b', 'c'])])
    assert.deepEqual(promotions, [])
  })

  test('it takes it, too, when the other one has gone meanwhile', () => {
    const server = withLearner([{ id: 'd', inPlaceOf: 'x' }])
    assert.deepEqual(server.raft.membership.members, membersOf(['a', 'b', 'c', 'd']))
  })

  test('one that would cost the quorum waits, and lets others go first', () => {
    const server = new TestServer({ voters: ['a', 'b', 'c', 'x', 'y'] }).lead('b', 'c')
    server.acknowledge(['b', 'c'])
    server.turn()
    const promotions = [
      { id: 'd', inPlaceOf: 'b' },
      { id: 'e', inPlaceOf: 'x' },
    ]
    server.change(membersOf(['a', 'b', 'c', 'x', 'y'], ['d', 'e']), promotions)
    server.turn()
    server.acknowledge(['b', 'c', 'e'])
    server.turn()
    assert.deepEqual(
      server.raft.membership.members,
      membersOf(['a', 'b', 'c', 'e', 'y'], ['d']).sort((a, b) => (a.id < b.id ? -1 : 1)),
    )
  })
})
