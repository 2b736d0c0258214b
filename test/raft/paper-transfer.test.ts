/** Thesis §3.10: the transfer of leadership; and §4.2.3, as far as it makes an exception for it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Rpc } from '../../src/raft/rpc.ts'
import {
  append,
  heartbeat,
  limits,
  membersOf,
  ofType,
  type Sent,
  type ServerSetup,
  TestServer,
} from './harness.ts'

const payload = new Uint8Array(1)
const timeoutNow = (term: number, lastIndex: number): Rpc => ({
  type: 'timeoutNow',
  term,
  lastIndex,
})
const vote = (term: number, isTransfer: boolean): Rpc => ({
  type: 'vote',
  term,
  lastIndex: 9,
  lastTerm: 2,
  isTransfer,
})

/** Leads in term 2 and has committed its no-op, index 2; both others hold it. */
function leader(setup: ServerSetup = {}): TestServer {
  const server = new TestServer(setup).lead('b').acknowledge(['b', 'c'])
  server.turn()
  return server
}

const told = (sent: readonly Sent[]) => ofType(sent, 'timeoutNow').map(({ to }) => to)
/** One tick in which these answer a heartbeat. */
function hear(server: TestServer, ...ids: readonly string[]): readonly Sent[] {
  for (const id of ids) server.step(id, { type: 'heartbeatReply', term: 2, round: 1 })
  return server.tick().sent()
}

describe('thesis §3.10: the leader hands over', () => {
  test('a successor that has all of the log is told at once, and the leader waits', () => {
    const server = leader()
    assert.deepEqual(server.raft.transferLeadership('c'), { type: 'accepted' })
    const [sent] = ofType(server.turn().early, 'timeoutNow')
    assert.deepEqual(sent, { to: 'c', rpc: timeoutNow(2, 2) })
    assert.equal(server.raft.status.role, 'leader')
  })

  test('a successor that is behind is told once it holds all there is, and not before', () => {
    const server = leader()
    server.raft.propose(payload)
    server.raft.transferLeadership('b')
    assert.deepEqual(told(server.sent()), [])
    server.acknowledge(['c'])
    assert.deepEqual(told(server.sent()), [])
    server.acknowledge(['b'])
    assert.deepEqual(told(server.sent()), ['b'])
  })

  test('no proposal is taken meanwhile, and no change of members', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    assert.ok(server.raft.isTransferring)
    assert.equal(server.raft.propose(payload), false)
    const outcome = server.change(membersOf(['a', 'b']))
    assert.deepEqual(outcome, { type: 'busy', reason: 'the leader hands over' })
    assert.equal(server.raft.status.lastIndex, 2)
  })

  test('no learner is promoted meanwhile: the end of the log would move', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c'], ['d']))
    server.turn()
    server.acknowledge(['b', 'c'])
    server.raft.transferLeadership('b')
    server.acknowledge(['d'])
    assert.deepEqual(told(server.sent()), ['b'])
    assert.equal(server.raft.status.lastIndex, 3)
  })

  test('nor is a joint configuration left: that is for the successor', () => {
    const server = leader()
    server.change(membersOf(['a', 'b', 'c', 'd']))
    server.turn()
    server.raft.transferLeadership('b')
    server.acknowledge(['b', 'c', 'd'])
    assert.deepEqual(told(server.sent()), ['b'])
    assert.deepEqual([server.raft.status.commitIndex, server.raft.status.lastIndex], [3, 3])
    server.step('b', { type: 'timeoutNowDeclined', term: 2 }).turn()
    assert.equal(server.raft.status.lastIndex, 4)
  })

  test('it tells again, for the message may be lost, and no more than now and then', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    const tellings = [server.sent(), ...Array.from({ length: 5 }, () => hear(server, 'b', 'c'))]
    assert.deepEqual(tellings.map(told), [['b'], [], ['b'], [], ['b'], []])
  })

  test('a leader that is not replaced within an election timeout takes up work again', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    for (let n = 1; n < limits.electionTicksMin; n++) hear(server, 'b', 'c')
    assert.equal(server.raft.propose(payload), false)
    hear(server, 'b', 'c')
    assert.ok(!server.raft.isTransferring)
    assert.ok(server.raft.propose(payload))
    assert.deepEqual(told(server.sent()), [])
  })

  test('it takes up work at once when the successor is lost, or declines', () => {
    const lost = leader()
    lost.raft.transferLeadership('b')
    lost.raft.linkLost('c')
    assert.equal(lost.raft.propose(payload), false)
    lost.raft.linkLost('b')
    assert.ok(lost.raft.propose(payload))
    const declined = leader()
    declined.raft.transferLeadership('b')
    declined.step('c', { type: 'timeoutNowDeclined', term: 2 })
    assert.equal(declined.raft.propose(payload), false)
    declined.step('b', { type: 'timeoutNowDeclined', term: 2 })
    assert.ok(declined.raft.propose(payload))
  })

  test('it makes room when the successor asks for votes, and votes for it', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    server.turn()
    server.step('b', vote(3, true))
    assert.equal(server.raft.status.role, 'follower')
    const [reply] = ofType(server.turn().late, 'voteReply')
    assert.deepEqual(reply, { to: 'b', rpc: { type: 'voteReply', term: 3, granted: true } })
  })

  test('reads go on until it is replaced', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    server.raft.read(7)
    const [beat] = ofType(server.sent(), 'heartbeat')
    assert.ok(beat !== undefined)
    server.step('b', { type: 'heartbeatReply', term: 2, round: beat.rpc.round })
    assert.deepEqual(server.turn().reads, [{ id: 7, index: 2 }])
  })
})

describe('thesis §3.10: who may succeed', () => {
  const refusal = (server: TestServer, to: string | null) => {
    const outcome = server.raft.transferLeadership(to)
    return outcome !== null && 'reason' in outcome ? `${outcome.type}: ${outcome.reason}` : outcome
  }

  test('no learner, no stranger, not the leader itself', () => {
    const server = leader({ learners: ['d'] })
    server.acknowledge(['d'], 1)
    assert.equal(refusal(server, 'd'), 'refused: d is no voter')
    assert.equal(refusal(server, 'x'), 'refused: x is no member')
    assert.equal(refusal(server, 'a'), 'refused: a is no voter')
    assert.ok(!server.raft.isTransferring)
  })

  test('nobody who does not answer', () => {
    const server = leader()
    for (let n = 0; n < limits.electionTicksMin; n++) hear(server, 'b')
    assert.equal(refusal(server, 'c'), 'refused: c does not answer')
    server.raft.linkLost('b')
    assert.equal(refusal(server, 'b'), 'refused: b does not answer')
    const both = 'b does not answer; c does not answer'
    assert.equal(refusal(server, null), `refused: nobody can take over: ${both}`)
  })

  test('nobody of whom the leader does not know yet how far it is', () => {
    const server = new TestServer().lead('b').acknowledge(['b'])
    server.turn()
    assert.equal(refusal(server, 'c'), 'busy: c does not answer')
    hear(server, 'c')
    assert.equal(refusal(server, 'c'), 'busy: c has yet to catch up')
    server.acknowledge(['c'])
    assert.deepEqual(refusal(server, 'c'), { type: 'accepted' })
  })

  test('not before an entry of the own term is committed', () => {
    const server = new TestServer().lead('b')
    const reason = 'busy: the leader has not committed an entry of its term yet'
    assert.equal(refusal(server, 'b'), reason)
  })

  test('one at a time; the same may be asked for again', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    assert.deepEqual(refusal(server, 'b'), { type: 'accepted' })
    assert.deepEqual(refusal(server, null), { type: 'accepted' })
    assert.equal(refusal(server, 'c'), 'busy: b takes over')
  })

  test('who has failed is left alone for an election timeout; another is not', () => {
    const server = leader()
    server.raft.transferLeadership('b')
    server.step('b', { type: 'timeoutNowDeclined', term: 2 })
    assert.equal(refusal(server, 'b'), 'refused: the disk of b is low, or its state lost')
    assert.deepEqual(refusal(server, null), { type: 'accepted' })
    assert.deepEqual(told(server.sent()), ['c'])
    for (let n = 0; n < limits.electionTicksMin; n++) hear(server, 'b', 'c')
    assert.equal(refusal(server, 'c'), 'busy: c has just failed to take over')
    assert.deepEqual(refusal(server, 'b'), { type: 'accepted' })
  })

  test('without a name it is the voter that has caught up most', () => {
    const server = leader()
    server.raft.propose(payload)
    server.turn()
    server.acknowledge(['c'])
    assert.deepEqual(refusal(server, null), { type: 'accepted' })
    assert.deepEqual(told(server.sent()), ['c'])
  })

  test('in a cluster of one there is nobody', () => {
    const alone = new TestServer({ voters: ['a'], learners: ['d'] }).tick()
    alone.turn()
    alone.turn()
    assert.equal(refusal(alone, null), 'refused: there is no other voter')
  })

  test('whoever does not lead has nothing to hand over', () => {
    assert.equal(new TestServer().raft.transferLeadership('b'), null)
  })
})

describe('thesis §3.10: the successor', () => {
  test('it campaigns at once in a new term, without asking for promises, and says why', () => {
    const server = new TestServer().step('b', heartbeat(1)).step('b', timeoutNow(1, 1))
    const { late, early, write } = server.turn()
    assert.deepEqual(write.hardState, { term: 2, votedFor: 'a' })
    const asked = ofType(late, 'vote').map(({ to, rpc }) => [to, rpc.term, rpc.isTransfer])
    assert.deepEqual(asked, [
      ['b', 2, true],
      ['c', 2, true],
    ])
    assert.deepEqual(ofType([...early, ...late], 'preVote'), [])
    server.step('c', { type: 'voteReply', term: 2, granted: true })
    assert.equal(server.raft.status.role, 'leader')
  })

  test('if it fails, it asks for promises the next time, and has no excuse', () => {
    const server = new TestServer().step('b', timeoutNow(1, 1))
    server.turn()
    const again = server.tick(limits.electionTicksMin).sent()
    assert.equal(ofType(again, 'preVote').length, 2)
    server.step('c', { type: 'preVoteReply', term: 3, granted: true })
    assert.deepEqual(
      ofType(server.sent(), 'vote').map(({ rpc }) => rpc.isTransfer),
      [false, false],
    )
  })

  test('a learner does not obey, and says so', () => {
    const server = new TestServer({ voters: ['b', 'c'], learners: ['a'] })
    const sent = server.step('b', timeoutNow(1, 1)).sent()
    assert.deepEqual(sent, [{ to: 'b', rpc: { type: 'timeoutNowDeclined', term: 1 } }])
    assert.equal(server.raft.status.role, 'follower')
  })

  test('nor does who has no room for a log', () => {
    const server = new TestServer()
    server.raft.hasRoom = false
    assert.equal(ofType(server.step('b', timeoutNow(1, 1)).sent(), 'timeoutNowDeclined').length, 1)
    server.raft.hasRoom = true
    assert.equal(ofType(server.step('b', timeoutNow(1, 1)).sent(), 'vote').length, 2)
  })

  test('a wish of an earlier term is none', () => {
    const server = new TestServer().step('c', heartbeat(2)).step('b', timeoutNow(1, 1))
    assert.deepEqual(ofType(server.sent(), 'vote'), [])
    assert.equal(server.raft.status.leaderId, 'c')
    assert.equal(server.raft.status.term, 2)
  })

  test('nor one of before the leader took up work again', () => {
    const server = new TestServer().step('b', append(1, 1, 1, [1])).step('b', timeoutNow(1, 1))
    assert.deepEqual(ofType(server.sent(), 'vote'), [])
    server.step('b', timeoutNow(1, 2))
    assert.equal(ofType(server.sent(), 'vote').length, 2)
  })

  test('a wish of a newer term is obeyed in it', () => {
    const server = new TestServer().step('b', timeoutNow(4, 1))
    assert.deepEqual(
      ofType(server.sent(), 'vote').map(({ rpc }) => rpc.term),
      [5, 5],
    )
  })

  test('also by who has just begun to look for another leader', () => {
    const server = new TestServer().tick(limits.electionTicksMax)
    assert.equal(server.raft.status.role, 'preCandidate')
    server.turn()
    server.step('b', timeoutNow(1, 1))
    assert.equal(ofType(server.sent(), 'vote').length, 2)
  })
})

describe('thesis §4.2.3: a campaign that the leader has asked for', () => {
  test('overrides that a leader is heard, and only it does', () => {
    for (const isTransfer of [true, false]) {
      const server = new TestServer().step('b', heartbeat(1)).step('c', vote(2, isTransfer))
      const granted = ofType(server.sent(), 'voteReply').map(({ rpc }) => rpc.granted)
      assert.deepEqual(granted, isTransfer ? [true] : [])
      assert.equal(server.raft.status.term, isTransfer ? 2 : 1)
    }
  })

  test('also at a server that has just started, and at the leader', () => {
    const started = new TestServer({ assumesLeader: true }).step('c', vote(2, true))
    assert.equal(started.raft.status.term, 2)
    assert.equal(leader().step('c', vote(3, false)).raft.status.role, 'leader')
    assert.equal(leader().step('c', vote(3, true)).raft.status.role, 'follower')
  })

  test('gets no vote for a log that is behind, and no second one in a term', () => {
    const behind = new TestServer({ terms: [1, 3] }).step('c', vote(4, true))
    assert.deepEqual(
      ofType(behind.sent(), 'voteReply').map(({ rpc }) => rpc.granted),
      [false],
    )
    const voted = new TestServer().step('b', vote(2, true)).step('c', vote(2, true))
    assert.deepEqual(
      ofType(voted.sent(), 'voteReply').map(({ rpc }) => rpc.granted),
      [true, false],
    )
  })
})
