/** Thesis chapter 4: changes of the membership, learners, removed servers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configurationOf } from '../../src/raft/membership.ts'
import type { NodeId } from '../../src/raft/types.ts'
import {
  append,
  heartbeat,
  limits,
  membershipEntry,
  membersOf,
  ofType,
  type Sent,
  TestServer,
} from './harness.ts'

const without = (id: NodeId) => membersOf(['a', 'b', 'c'].filter((each) => each !== id))
const receivers = (sent: readonly Sent[]) => [...new Set(sent.map(({ to }) => to))]

/** Leads in term 2 and has committed its no-op, index 2. */
function leader(): TestServer {
  const server = new TestServer().lead('b').acknowledge(['b', 'c'])
  server.turn()
  return server
}

describe('thesis §4.1: safety of a change', () => {
  test('the new members count as soon as they are in the log', () => {
    const server = leader()
    assert.equal(server.change(membersOf(['a', 'b', 'c', 'd']))?.type, 'accepted')
    assert.equal(server.raft.membership.index, 3)
    server.turn()
    server.acknowledge(['b'], 3)
    assert.equal(server.raft.status.commitIndex, 2)
    server.acknowledge(['d'], 3)
    assert.equal(server.raft.status.commitIndex, 3)
  })

  test('a follower takes new members from an uncommitted entry, and gives them back', () => {
    const server = new TestServer()
    const entry = membershipEntry(2, 1, ['a', 'b', 'c', 'd'])
    server.step('b', { ...append(1, 1, 1, []), entries: [entry] })
    assert.equal(server.raft.membership.members.length, 4)
    server.turn()
    server.step('c', append(2, 1, 1, [2]))
    assert.equal(server.raft.membership.members.length, 3)
    assert.equal(server.raft.membership.index, 1)
  })

  test('two changes do not overlap', () => {
    const server = leader()
    server.change(without('c'))
    const outcome = server.change(membersOf(['a', 'b', 'c', 'd']))
    assert.deepEqual(outcome, { type: 'busy', reason: 'another change is under way' })
    server.turn()
    server.acknowledge(['b'], 3)
    assert.equal(server.change(membersOf(['a', 'b', 'd']))?.type, 'busy', 'it is joint still')
    server.turn()
    assert.equal(server.change(membersOf(['a', 'b', 'd']))?.type, 'busy', 'it is about to be left')
    server.acknowledge(['b'], 4)
    assert.equal(server.change(membersOf(['a', 'b', 'd']))?.type, 'accepted')
  })

  test('no change before an entry of the own term is committed (errata of 2015)', () => {
    const server = new TestServer({ appliedIndex: 1 }).lead('b')
    const reason = 'the leader has not committed an entry of its term yet'
    assert.deepEqual(server.change(without('c')), { type: 'busy', reason })
    server.acknowledge(['b'], 1)
    assert.deepEqual(server.change(without('c')), { type: 'busy', reason })
    server.acknowledge(['b'], 2)
    assert.equal(server.change(without('c'))?.type, 'accepted')
  })

  test('a change in the log of a former leader keeps a new one from beginning another', () => {
    const server = new TestServer()
    server.step('b', {
      ...append(1, 1, 1, []),
      entries: [membershipEntry(2, 1, ['a', 'b', 'c', 'd'])],
    })
    server.turn()
    server.lead('b', 'c')
    assert.equal(server.change(without('c'))?.type, 'busy')
    server.acknowledge(['b', 'c'])
    const { members } = server.raft.membership
    assert.equal(server.change(members.slice(0, 3))?.type, 'accepted')
  })

  test('no voter left and a double member are refused', () => {
    const server = leader()
    const twice = [...membersOf(['a', 'b', 'c']), ...membersOf([], ['b'])]
    for (const members of [twice, membersOf([], ['a', 'b', 'c'])])
      assert.equal(server.change(members)?.type, 'refused')
    const alone = new TestServer({ voters: ['a'] }).tick()
    alone.turn()
    alone.turn()
    assert.equal(alone.change([])?.type, 'refused')
    assert.equal(alone.change(membersOf([], ['a']))?.type, 'refused')
    assert.equal(server.disk.lastIndex, 2)
  })

  test('whoever does not lead changes nothing', () => {
    assert.equal(new TestServer().change(without('c')), null)
  })

  test('a restart finds the newest membership in the log', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c'], ['d']))
    server.turn()
    server.restart()
    assert.equal(server.raft.membership.index, 3)
    assert.equal(server.raft.membership.members.length, 4)
  })
})

describe('thesis §4.2.1: learners', () => {
  test('a learner is promoted by itself when it has caught up', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c'], ['d']))
    server.turn()
    server.acknowledge(['b'], 3)
    server.turn()
    assert.equal(server.raft.membership.index, 3)
    server.acknowledge(['d'], 3)
    server.turn()
    const voters = configurationOf(membersOf(['a', 'b', 'c', 'd']))
    const before = membersOf(['a', 'b', 'c'])
    assert.deepEqual(server.raft.membership, { index: 4, ...voters, outgoing: before })
    server.acknowledge(['b', 'd'], 4)
    server.turn()
    assert.deepEqual(server.raft.membership, { index: 5, ...voters })
  })

  test('a learner far behind, or one that has said nothing, stays one', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c'], ['d', 'e']))
    for (let n = 0; n < 70; n++) server.raft.propose(new Uint8Array(1))
    server.turn()
    server.acknowledge(['b']).acknowledge(['d'], 1)
    server.turn()
    assert.equal(server.raft.membership.index, 3)
  })

  test('two learners are promoted one after the other', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c'], ['d', 'e']))
    server.turn()
    server.acknowledge(['b', 'd', 'e'])
    server.turn()
    assert.deepEqual(server.raft.membership.members, membersOf(['a', 'b', 'c', 'd'], ['e']))
    for (const _ of ['joint', 'left']) {
      server.acknowledge(['b', 'c', 'd'])
      server.turn()
    }
    assert.deepEqual(server.raft.membership.members, membersOf(['a', 'b', 'c', 'd', 'e']))
  })

  test('a learner never campaigns, but votes: the candidate may know newer members', () => {
    const server = new TestServer({ id: 'd', learners: ['d'] }).tick(5 * limits.electionTicksMax)
    assert.equal(server.raft.status.role, 'follower')
    server.step('b', { type: 'vote', term: 2, lastIndex: 1, lastTerm: 1, isTransfer: false })
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, true)
  })

  test('a server without a membership waits to be told', () => {
    const server = new TestServer({ id: 'x', terms: [] }).tick(5 * limits.electionTicksMax)
    assert.equal(server.raft.prepareTurn(), false)
    const entries = [membershipEntry(1, 1, ['a'], ['x'])]
    server.step('a', { ...append(3, 0, 0, []), entries })
    assert.equal(server.turn().write.entries.length, 1)
    assert.equal(server.raft.membership.members.length, 2)
  })
})

describe('thesis §4.2.2: removal of the leader', () => {
  test('a removed leader leads until its removal is committed, without counting itself', () => {
    const server = leader()
    server.change(without('a'))
    server.turn()
    server.acknowledge(['b'], 3)
    assert.equal(server.raft.status.commitIndex, 2, 'b is no majority of b and c')
    server.acknowledge(['c'], 3)
    assert.equal(server.raft.status.commitIndex, 3)
    assert.equal(server.raft.status.role, 'leader', 'until the last step is committed, too')
    server.turn()
    assert.equal(server.disk.lastIndex, 4)
    server.acknowledge(['b'], 4)
    assert.equal(server.raft.status.commitIndex, 3, 'its own log does not count any more')
    server.acknowledge(['c'], 4)
    assert.equal(server.raft.status.commitIndex, 4)
    assert.equal(server.raft.status.role, 'follower')
    const told = ofType(server.sent(), 'heartbeat').filter(({ rpc }) => rpc.commitIndex === 4)
    assert.deepEqual(receivers(told), ['b', 'c'])
  })

  test('an earlier commit does not make it leave', () => {
    const server = leader()
    server.raft.propose(new Uint8Array(1))
    server.change(without('a'))
    server.turn()
    server.acknowledge(['b', 'c'], 3)
    assert.equal(server.raft.status.commitIndex, 3)
    assert.equal(server.raft.status.role, 'leader')
  })

  test('afterwards it campaigns no more', () => {
    const server = leader()
    server.change(without('a'))
    server.turn()
    server.acknowledge(['b', 'c'], 3)
    server.turn()
    server.acknowledge(['b', 'c'], 4)
    server.turn()
    server.tick(5 * limits.electionTicksMax)
    assert.equal(server.raft.status.role, 'follower')
    assert.equal(server.raft.prepareTurn(), false)
  })

  test('a server whose removal is uncommitted may campaign: nobody else may have its log', () => {
    const server = new TestServer({ voters: ['a', 'b'] })
    server.step('b', { ...append(1, 1, 1, []), entries: [membershipEntry(2, 1, ['b'])] })
    server.turn()
    server.tick(limits.electionTicksMax)
    assert.equal(server.raft.status.role, 'preCandidate')
    server.turn()
    server.step('b', { type: 'preVoteReply', term: 2, granted: true })
    server.turn()
    assert.equal(server.raft.status.role, 'candidate', 'its own vote does not count')
    server.step('b', { type: 'voteReply', term: 2, granted: true })
    server.turn()
    server.turn()
    assert.equal(server.raft.status.role, 'leader')
    server.acknowledge(['b'])
    assert.equal(server.raft.status.role, 'follower')
    assert.equal(server.raft.status.commitIndex, 3)
  })

  test('the same after a restart', () => {
    const server = new TestServer({ voters: ['a', 'b'] })
    server.step('b', { ...append(1, 1, 1, []), entries: [membershipEntry(2, 1, ['b'])] })
    server.turn()
    server.restart()
    server.tick(limits.electionTicksMax)
    assert.equal(server.raft.status.role, 'preCandidate')
  })
})

describe('thesis §4.2.2 and §4.2.3: removal of a follower', () => {
  test('a removed follower is told, and then let go', () => {
    const server = leader()
    server.change(without('c'))
    assert.deepEqual(server.raft.leaving, [], 'while it is joint, it counts')
    server.turn()
    server.acknowledge(['b', 'c'], 3)
    assert.deepEqual(receivers(ofType(server.turn().early, 'append')), ['b', 'c'])
    assert.deepEqual(server.raft.leaving, [{ id: 'c', address: 'c' }])
    server.acknowledge(['b', 'c'], 4)
    const told = ofType(server.sent(), 'heartbeat').filter(({ rpc }) => rpc.commitIndex === 4)
    assert.deepEqual(receivers(told), ['b', 'c'])
    server.tick()
    assert.deepEqual(server.raft.leaving, [])
  })

  test('it is kept until it has acknowledged its removal', () => {
    const server = leader()
    server.change(without('c'))
    server.turn()
    server.acknowledge(['b'], 3)
    server.raft.propose(new Uint8Array(1))
    server.turn()
    server.acknowledge(['b'], 5)
    server.turn()
    server.tick()
    assert.equal(server.raft.leaving.length, 1)
  })

  test('it is given up when it does not listen', () => {
    const server = leader()
    server.change(without('c'))
    server.turn()
    server.acknowledge(['b'], 3)
    server.turn()
    for (let n = 0; n < 2 * limits.electionTicksMax; n++) server.acknowledge(['b'], 4).tick()
    assert.deepEqual(server.raft.leaving, [])
    server.turn()
    server.raft.propose(new Uint8Array(1))
    assert.deepEqual(receivers(ofType(server.sent(), 'append')), ['b'])
  })

  test('it does not count while it leaves', () => {
    const server = leader()
    server.change(without('c'))
    server.turn()
    server.acknowledge(['b'], 3)
    server.turn()
    server.acknowledge(['c'], 4)
    assert.equal(server.raft.status.commitIndex, 3)
  })

  test('one that was told campaigns no more; one that was not does not disturb', () => {
    const told = new TestServer({ id: 'c' })
    told.step('a', { ...append(1, 1, 1, [], 2), entries: [membershipEntry(2, 1, ['a', 'b'])] })
    told.turn()
    told.tick(5 * limits.electionTicksMax)
    assert.equal(told.raft.status.role, 'follower')
    const member = new TestServer({ id: 'b' }).step('a', heartbeat(1))
    member.turn()
    member.step('c', { type: 'vote', term: 8, lastIndex: 1, lastTerm: 1, isTransfer: false })
    assert.equal(member.raft.status.term, 1)
    assert.equal(member.raft.status.leaderId, 'a')
  })

  test('a server that comes back while it leaves is a member like any other', () => {
    const server = leader()
    server.change(without('c'))
    server.turn()
    server.acknowledge(['b'], 3)
    server.turn()
    server.acknowledge(['b'], 4)
    assert.equal(server.raft.leaving.length, 1)
    assert.equal(server.change([...without('c'), ...membersOf([], ['c'])])?.type, 'accepted')
    assert.deepEqual(server.raft.leaving, [])
  })
})
