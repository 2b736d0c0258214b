/** Raft paper §5.1, §5.2, §5.4.1 and thesis §4.2.3, §6.2, §9.6: terms, votes, elections. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Rpc } from '../../src/raft/rpc.ts'
import { append, heartbeat, limits, ofType, TestServer } from './harness.ts'

const vote = (term: number, lastIndex = 1, lastTerm = 1): Rpc => ({
  type: 'vote',
  term,
  lastIndex,
  lastTerm,
  isTransfer: false,
})
const preVote = (term: number, lastIndex = 1, lastTerm = 1): Rpc => ({
  type: 'preVote',
  term,
  lastIndex,
  lastTerm,
})

describe('paper §5.1: terms', () => {
  test('a higher term in any message is adopted and stored', () => {
    const messages: readonly Rpc[] = [
      vote(5),
      heartbeat(5),
      append(5, 1, 1, []),
      { type: 'voteReply', term: 5, granted: false },
      { type: 'preVoteReply', term: 5, granted: false },
      { type: 'appendReply', term: 5, accepted: true, matchIndex: 1 },
      { type: 'heartbeatReply', term: 5, round: 0 },
      { type: 'readIndex', term: 5, id: 1 },
      { type: 'readIndexReply', term: 5, id: 1, index: 1 },
    ]
    for (const rpc of messages) {
      const server = new TestServer().step('b', rpc)
      assert.equal(server.turn().write.hardState?.term, 5, rpc.type)
    }
  })

  test('a leader and a candidate that hear of a higher term become followers', () => {
    for (const server of [new TestServer().lead('b'), new TestServer().campaign('b')]) {
      server.step('c', { type: 'heartbeatReply', term: 9, round: 0 })
      assert.equal(server.raft.status.role, 'follower')
      assert.equal(server.raft.status.term, 9)
    }
  })

  test('requests of an older term are refused with the newer one', () => {
    const server = new TestServer({ hardState: { term: 4, votedFor: null } })
    for (const rpc of [append(3, 1, 1, [3]), heartbeat(3)]) {
      server.step('b', rpc)
      assert.deepEqual(server.turn().late, [
        { to: 'b', rpc: { type: 'heartbeatReply', term: 4, round: 0 } },
      ])
    }
    server.step('b', vote(3))
    const refused = { type: 'voteReply', term: 4, granted: false } as const
    assert.deepEqual(server.turn().late, [{ to: 'b', rpc: refused }])
    assert.equal(server.disk.lastIndex, 1)
  })

  test('answers of an older term are ignored', () => {
    const server = new TestServer().campaign('b')
    server.step('b', { type: 'voteReply', term: 1, granted: true })
    assert.equal(server.raft.status.role, 'candidate')
    assert.equal(server.raft.prepareTurn(), false)
  })
})

describe('paper §5.2: elections', () => {
  test('a server starts as a follower and knows no leader', () => {
    const { role, leaderId } = new TestServer().raft.status
    assert.deepEqual({ role, leaderId }, { role: 'follower', leaderId: null })
  })

  test('a follower that hears from a leader starts no election', () => {
    const server = new TestServer()
    for (let n = 0; n < 10; n++) server.tick(limits.electionTicksMin - 1).step('b', heartbeat(1))
    assert.equal(server.raft.status.role, 'follower')
    assert.equal(server.raft.status.leaderId, 'b')
  })

  test('a candidate raises its term, votes for itself and asks every other voter', () => {
    const server = new TestServer({ voters: ['a', 'b', 'c'], learners: ['d'] })
    server.tick(limits.electionTicksMin).turn()
    server.step('b', { type: 'preVoteReply', term: 2, granted: true })
    const { write, late } = server.turn()
    assert.deepEqual(write.hardState, { term: 2, votedFor: 'a' })
    assert.deepEqual(
      ofType(late, 'vote').map(({ to }) => to),
      ['b', 'c'],
    )
  })

  test("a candidate's vote request is late: it promises a vote that must be on disk", () => {
    const server = new TestServer().tick(limits.electionTicksMin)
    server.turn()
    server.step('b', { type: 'preVoteReply', term: 2, granted: true })
    const { early, late } = server.turn()
    assert.deepEqual(ofType(early, 'vote'), [])
    assert.equal(ofType(late, 'vote').length, 2)
  })

  test('a candidate wins with a majority, and not before', () => {
    const server = new TestServer({ voters: ['a', 'b', 'c', 'd', 'e'] }).campaign('b', 'c')
    server.step('b', { type: 'voteReply', term: 2, granted: true })
    server.step('b', { type: 'voteReply', term: 2, granted: true })
    assert.equal(server.raft.status.role, 'candidate')
    server.step('c', { type: 'voteReply', term: 2, granted: true })
    assert.equal(server.raft.status.role, 'leader')
  })

  test('a vote of a server that is no voter does not count', () => {
    const server = new TestServer({ voters: ['a', 'b', 'c'], learners: ['d'] }).campaign('b')
    server.step('d', { type: 'voteReply', term: 2, granted: true })
    server.step('x', { type: 'voteReply', term: 2, granted: true })
    assert.equal(server.raft.status.role, 'candidate')
  })

  test('a candidate refused by a majority is a follower again', () => {
    const server = new TestServer().campaign('b')
    server.step('b', { type: 'voteReply', term: 2, granted: false })
    assert.equal(server.raft.status.role, 'candidate')
    server.step('c', { type: 'voteReply', term: 2, granted: false })
    assert.equal(server.raft.status.role, 'follower')
  })

  test('a candidate that hears from the leader of its term follows it', () => {
    const server = new TestServer().campaign('b').step('c', heartbeat(2))
    assert.equal(server.raft.status.role, 'follower')
    assert.equal(server.raft.status.leaderId, 'c')
  })

  test('election timeouts are drawn from the whole range, anew for each', () => {
    const draws = [0.999, 0, 0.5]
    const server = new TestServer({ random: () => draws.shift() ?? 0 })
    const { electionTicksMin, electionTicksMax } = limits
    server.tick(electionTicksMax - 1)
    assert.equal(server.raft.status.role, 'follower')
    server.tick()
    assert.equal(server.raft.status.role, 'preCandidate')
    server.turn()
    server.tick(electionTicksMin)
    assert.equal(ofType(server.turn().early, 'preVote').length, 2)
    assert.deepEqual(draws, [], 'each campaign has drawn its own')
  })

  test('a split vote is tried again after another timeout', () => {
    const server = new TestServer().campaign('b').tick(limits.electionTicksMin)
    assert.equal(server.raft.status.role, 'preCandidate')
    assert.equal(ofType(server.turn().early, 'preVote')[0]?.rpc.term, 3)
  })

  test('a server votes at most once a term, also after a restart', () => {
    const server = new TestServer().step('b', vote(2))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, true)
    server.step('c', vote(2))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, false)
    server.restart()
    server.step('c', vote(2))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, false)
    server.step('b', vote(2))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, true)
  })

  test('a vote is stored, also one that begins no term', () => {
    const server = new TestServer().step('b', vote(1))
    assert.deepEqual(server.turn().write.hardState, { term: 1, votedFor: 'b' })
    server.restart()
    server.step('c', vote(1))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, false)
  })

  test('a new term frees the vote', () => {
    const server = new TestServer().step('b', vote(2)).step('c', vote(3))
    const { late, write } = server.turn()
    assert.deepEqual(
      ofType(late, 'voteReply').map(({ to, rpc }) => [to, rpc.term, rpc.granted]),
      [
        ['b', 2, true],
        ['c', 3, true],
      ],
    )
    assert.deepEqual(write.hardState, { term: 3, votedFor: 'c' })
  })

  test('a restart in the middle of a campaign does not free the own vote', () => {
    const server = new TestServer().campaign('b')
    server.restart()
    server.step('c', vote(2))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, false)
    server.step('b', { type: 'voteReply', term: 2, granted: true })
    assert.equal(server.raft.status.role, 'follower')
  })

  test('the winner does not vote for another in its term', () => {
    const server = new TestServer().lead('b').step('c', vote(2))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, false)
  })

  test('votes are late: they leave once the vote is on disk', () => {
    const { early, write, late } = new TestServer().step('b', vote(2)).turn()
    assert.deepEqual(early, [])
    assert.deepEqual(write.hardState, { term: 2, votedFor: 'b' })
    assert.equal(ofType(late, 'voteReply').length, 1)
  })

  test('a granted vote puts off the own campaign', () => {
    const server = new TestServer().step('b', vote(2))
    server.tick(limits.electionTicksMin - 1).step('b', vote(2))
    server.tick(limits.electionTicksMin - 1)
    assert.equal(server.raft.status.role, 'follower')
  })

  test('a new leader makes itself heard at once', () => {
    const server = new TestServer().campaign('b')
    server.step('b', { type: 'voteReply', term: 2, granted: true })
    const heard = ofType(server.turn().early, 'heartbeat').map(({ to }) => to)
    assert.deepEqual(heard, ['b', 'c'])
  })

  test('a sole voter campaigns at once and leads alone', () => {
    const server = new TestServer({ voters: ['a'] }).tick()
    server.turn()
    assert.equal(server.raft.status.role, 'leader')
    assert.equal(server.raft.leadsAlone, false)
    server.turn()
    assert.equal(server.raft.leadsAlone, true)
    assert.equal(server.raft.status.commitIndex, 2)
  })

  test('two leaders in one term end the server, for its world is broken', () => {
    const server = new TestServer().step('b', heartbeat(1))
    assert.throws(() => server.step('c', heartbeat(1)), /two leaders in term 1/)
    assert.throws(() => new TestServer().lead('b').step('c', heartbeat(2)), /two leaders/)
  })
})

describe('paper §5.4.1: election restriction', () => {
  const cases = [
    { name: 'the same log', lastIndex: 3, lastTerm: 2, granted: true },
    { name: 'a longer log of the same term', lastIndex: 4, lastTerm: 2, granted: true },
    { name: 'a shorter log of the same term', lastIndex: 2, lastTerm: 2, granted: false },
    { name: 'a shorter log of a newer term', lastIndex: 1, lastTerm: 3, granted: true },
    { name: 'a longer log of an older term', lastIndex: 9, lastTerm: 1, granted: false },
  ]
  for (const { name, lastIndex, lastTerm, granted } of cases) {
    test(`${name} ${granted ? 'gets' : 'does not get'} the vote and the promise of one`, () => {
      const server = new TestServer({ terms: [1, 1, 2] })
      server.step('b', preVote(4, lastIndex, lastTerm)).step('b', vote(4, lastIndex, lastTerm))
      const { late } = server.turn()
      assert.equal(ofType(late, 'preVoteReply')[0]?.rpc.granted, granted)
      assert.equal(ofType(late, 'voteReply')[0]?.rpc.granted, granted)
    })
  }
})

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

describe('thesis §9.6: pre-vote', () => {
  test('asking for promises changes neither term nor vote, here or there', () => {
    const asker = new TestServer().tick(limits.electionTicksMin)
    const { early, write } = asker.turn()
    assert.equal(write.hardState, null)
    assert.deepEqual(
      ofType(early, 'preVote').map(({ to, rpc }) => [to, rpc.term]),
      [
        ['b', 2],
        ['c', 2],
      ],
    )
    const asked = new TestServer({ id: 'b' }).step('a', preVote(2))
    assert.equal(asked.turn().write.hardState, null)
    assert.equal(asked.raft.status.term, 1)
  })

  test('a server whose term is behind is refused and taught the term', () => {
    const asked = new TestServer({ hardState: { term: 7, votedFor: null } })
    const [reply] = ofType(asked.step('b', preVote(2)).turn().late, 'preVoteReply')
    assert.deepEqual(reply?.rpc, { type: 'preVoteReply', term: 7, granted: false })
    const asker = new TestServer({ id: 'b' }).tick(limits.electionTicksMin)
    if (reply !== undefined) asker.step('a', reply.rpc)
    assert.equal(asker.raft.status.term, 7)
  })

  test('a promise of an earlier campaign counts for no later one', () => {
    const server = new TestServer().tick(limits.electionTicksMin)
    server.turn()
    server.step('c', { type: 'heartbeatReply', term: 2, round: 0 }).tick(limits.electionTicksMin)
    assert.deepEqual([server.raft.status.role, server.raft.status.term], ['preCandidate', 2])
    server.step('b', { type: 'preVoteReply', term: 2, granted: true })
    assert.equal(server.raft.status.role, 'preCandidate')
    server.step('b', { type: 'preVoteReply', term: 3, granted: true })
    assert.equal(server.raft.status.role, 'candidate')
  })

  test('a pre-candidate that hears a leader follows it', () => {
    const server = new TestServer().tick(limits.electionTicksMin).step('b', heartbeat(1))
    assert.equal(server.raft.status.role, 'follower')
  })

  test('a pre-candidate may vote for another of its term', () => {
    const server = new TestServer().tick(limits.electionTicksMin).step('b', vote(1))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, true)
    assert.equal(server.raft.status.role, 'follower', 'and leaves the field to it')
  })
})

describe('thesis §4.2.3: stickiness', () => {
  test('a follower that hears a leader grants nothing and keeps its term', () => {
    const server = new TestServer().step('b', heartbeat(1)).tick(limits.electionTicksMin - 1)
    server.turn()
    server.step('c', preVote(9)).step('c', vote(9))
    const { late, write } = server.turn()
    assert.equal(ofType(late, 'preVoteReply')[0]?.rpc.granted, false)
    assert.deepEqual(ofType(late, 'voteReply'), [])
    assert.equal(write.hardState, null)
  })

  test('a leader is not deposed by a vote request, but by the term of an answer', () => {
    const server = new TestServer().lead('b').step('c', vote(9, 9, 9))
    assert.equal(server.raft.status.role, 'leader')
    server.step('c', { type: 'heartbeatReply', term: 9, round: 0 })
    assert.equal(server.raft.status.role, 'follower')
  })

  test('a server that has just started votes for nobody while a leader may count on it', () => {
    const server = new TestServer({ assumesLeader: true }).tick(limits.electionTicksMin - 1)
    server.step('c', preVote(9)).step('c', vote(9))
    const { late, write } = server.turn()
    assert.equal(ofType(late, 'preVoteReply')[0]?.rpc.granted, false)
    assert.deepEqual([ofType(late, 'voteReply'), write.hardState], [[], null])
    // By now it asks for itself, or hears who else does.
    server.tick().step('c', vote(9))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, true)
  })

  test('a server that has just started follows a leader that speaks', () => {
    const server = new TestServer({ assumesLeader: true }).step('b', heartbeat(1))
    assert.equal(server.raft.status.leaderId, 'b')
  })

  test('a learner that has started votes once the time for that is over', () => {
    const server = new TestServer({ assumesLeader: true, voters: ['b', 'c'], learners: ['a'] })
    server.tick(limits.electionTicksMin).step('c', vote(9))
    assert.equal(ofType(server.turn().late, 'voteReply')[0]?.rpc.granted, true)
  })

  test('where nobody else could lead, a start is not waited out', () => {
    const server = new TestServer({ assumesLeader: true, voters: ['a'] }).tick()
    server.turn()
    assert.equal(server.raft.status.role, 'leader')
  })

  test('once the leader is silent for the shortest timeout, others are heard', () => {
    const server = new TestServer({ limits: { electionTicksMax: 10 } }).step('b', heartbeat(1))
    server.tick(limits.electionTicksMin).step('c', preVote(2))
    assert.equal(ofType(server.turn().late, 'preVoteReply')[0]?.rpc.granted, true)
  })
})

describe('thesis §6.2: check quorum', () => {
  test('a leader that no majority answers steps down', () => {
    const server = new TestServer().lead('b').tick(2 * limits.electionTicksMin)
    assert.equal(server.raft.status.role, 'follower')
    assert.equal(server.raft.status.leaderId, null)
  })

  test('a leader that a majority answers goes on', () => {
    const server = new TestServer().lead('b')
    for (let n = 0; n < 5; n++) {
      server.step('c', { type: 'heartbeatReply', term: 2, round: 1 }).tick(limits.electionTicksMin)
    }
    assert.equal(server.raft.status.role, 'leader')
  })

  test('learners do not keep a leader in office', () => {
    const server = new TestServer({ learners: ['d', 'e'] }).lead('b')
    for (let n = 0; n < 2; n++) {
      for (const id of ['d', 'e']) server.step(id, { type: 'heartbeatReply', term: 2, round: 1 })
      server.tick(limits.electionTicksMin)
    }
    assert.equal(server.raft.status.role, 'follower')
  })

  test('however long a server was stopped, it is one tick, and makes no campaign by itself', () => {
    const server = new TestServer().step('b', heartbeat(1)).tick(limits.electionTicksMin - 2)
    server.tick()
    assert.equal(server.raft.status.role, 'follower')
  })
})
