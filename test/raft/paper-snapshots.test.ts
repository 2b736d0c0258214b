/** Raft paper §7: a follower whose next entries were cut from the log is sent a snapshot in their place. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SnapshotReply } from '../../src/raft/rpc.ts'
import type { SnapshotMark } from '../../src/raft/types.ts'
import {
  append,
  batch,
  heartbeat,
  limits,
  membersOf,
  ofType,
  type Sent,
  snapshotAt,
  TestServer,
} from './harness.ts'

const taken = snapshotAt(8, 1)
const beat = { type: 'heartbeatReply', term: 2, round: 0 } as const

/** Leads in term 2, with entries 6 to 11; its snapshot stands for the first eight. Knows nothing of `c` yet. */
function openLeader(): TestServer {
  const server = new TestServer({ terms: Array(10).fill(1), cutAt: 5 })
  server.snapshots.newest = taken
  return server.lead('b').acknowledge(['b'])
}

/** `c` has an empty log, and says so. */
function refuse(server: TestServer): readonly Sent[] {
  for (const rejectIndex of [10, 5])
    server.step('c', {
      type: 'appendReply',
      ...{ term: 2, accepted: false, rejectIndex, hintIndex: 0, hintTerm: 0 },
    })
  return server.sent()
}

function chunksTo(id: string, sent: readonly Sent[]) {
  return ofType(sent, 'snapshot')
    .filter(({ to }) => to === id)
    .map(({ rpc }) => [rpc.snapshot.index, rpc.offset, rpc.chunk.length])
}

function held(heldBytes: number, index = 8, term = 2): SnapshotReply {
  return { type: 'snapshotReply', term, index, heldBytes }
}

function installed(matchIndex: number) {
  return { type: 'appendReply', term: 2, accepted: true, matchIndex } as const
}

describe('paper §7: a leader', () => {
  test('sends entries as long as it has them, and a snapshot only to who needs what was cut', () => {
    const server = openLeader()
    server.step('c', {
      type: 'appendReply',
      ...{ term: 2, accepted: false, rejectIndex: 10, hintIndex: 7, hintTerm: 1 },
    })
    const sent = server.sent()
    assert.deepEqual(chunksTo('c', sent), [])
    assert.deepEqual(
      ofType(sent, 'append').map(({ to, rpc }) => [to, rpc.prevIndex]),
      [['c', 7]],
    )
    assert.deepEqual(chunksTo('c', refuse(openLeader())), [[8, 0, 40]])
  })

  test('probes down to the entry its log begins behind, and not further', () => {
    const server = openLeader()
    server.step('c', {
      type: 'appendReply',
      ...{ term: 2, accepted: false, rejectIndex: 10, hintIndex: 0, hintTerm: 0 },
    })
    const sent = server.sent()
    const probes = ofType(sent, 'append').map(({ rpc }) => [rpc.prevIndex, rpc.prevTerm])
    assert.deepEqual(probes, [[5, 1]])
    assert.deepEqual(chunksTo('c', sent), [])
  })

  test('has one chunk on its way, and sends the next once that one is held', () => {
    const server = openLeader()
    refuse(server)
    assert.deepEqual(chunksTo('c', server.sent()), [])
    assert.deepEqual(chunksTo('c', server.step('c', held(40)).sent()), [[8, 40, 40]])
    assert.deepEqual(chunksTo('c', server.step('c', held(80)).sent()), [[8, 80, 20]])
    assert.deepEqual(chunksTo('c', server.sent()), [])
  })

  test('goes on where the receiver says, wherever that is', () => {
    const server = openLeader()
    refuse(server)
    assert.deepEqual(chunksTo('c', server.step('c', held(70)).sent()), [[8, 70, 30]])
  })

  test('sends a chunk again: at once when the link breaks, after a timeout when it does not', () => {
    const server = openLeader()
    refuse(server)
    server.step('c', held(40)).turn()
    server.raft.linkLost('c')
    assert.deepEqual(chunksTo('c', server.sent()), [[8, 40, 40]])
    for (let n = 0; n < limits.electionTicksMin - 1; n++) {
      server.tick().step('b', beat)
      assert.deepEqual(chunksTo('c', server.sent()), [])
    }
    assert.deepEqual(chunksTo('c', server.tick().sent()), [[8, 40, 40]])
  })

  test('sends no entries meanwhile, but heartbeats', () => {
    const server = openLeader()
    refuse(server)
    server.raft.propose(new Uint8Array(5))
    const sent = server.tick(limits.heartbeatTicks).sent()
    assert.deepEqual(
      ofType(sent, 'append').map(({ to }) => to),
      ['b'],
    )
    assert.deepEqual(
      ofType(sent, 'heartbeat').map(({ to }) => to),
      ['b', 'c'],
    )
  })

  test('follows with entries from there, once the snapshot is installed', () => {
    const server = openLeader()
    refuse(server)
    const appends = ofType(server.step('c', installed(8)).sent(), 'append')
    const first = appends.filter(({ to }) => to === 'c').map(({ rpc }) => rpc)
    assert.deepEqual(
      first.flatMap(({ entries }) => entries.map(({ index }) => index)),
      [9, 10, 11],
    )
  })

  test('counts what is installed for commitment, and nothing before', () => {
    const server = new TestServer({ terms: Array(10).fill(1), cutAt: 5 })
    server.snapshots.newest = snapshotAt(10, 1)
    server.lead('b')
    refuse(server)
    server.step('c', held(100, 10)).turn()
    assert.equal(server.raft.status.commitIndex, 5)
    server.step('c', installed(10)).turn()
    // Entry 10 is of an older term (paper §5.4.2).
    assert.equal(server.raft.status.commitIndex, 5)
    server.step('c', installed(11)).turn()
    assert.equal(server.raft.status.commitIndex, 11)
  })

  test('takes a late answer about another snapshot, or of more bytes than there are, for nothing', () => {
    const server = openLeader()
    refuse(server)
    for (const reply of [held(40, 7), held(101), held(Number.MAX_SAFE_INTEGER)])
      assert.deepEqual(chunksTo('c', server.step('c', reply).sent()), [])
    server.raft.linkLost('c')
    assert.deepEqual(chunksTo('c', server.sent()), [[8, 0, 40]])
    assert.deepEqual(chunksTo('c', server.step('c', held(40)).sent()), [[8, 40, 40]])
  })

  test('names what is needed: until it is installed, and then until the log behind it is, too', () => {
    const server = openLeader()
    const inUse = (): (number | undefined)[] => server.raft.snapshotsInUse.map(({ index }) => index)
    assert.deepEqual(inUse(), [])
    refuse(server)
    server.snapshots.newest = snapshotAt(10, 1)
    assert.deepEqual(inUse(), [8])
    assert.deepEqual(chunksTo('c', server.step('c', held(40)).sent()), [[8, 40, 40]])
    server.step('c', installed(8)).turn()
    assert.deepEqual(inUse(), [8], 'it lacks what the newest stands for')
    server.step('c', installed(10)).turn()
    assert.deepEqual(inUse(), [])
  })

  test('does not keep the log for ever for one that takes nothing: it gets the newest', () => {
    const server = openLeader()
    refuse(server)
    const newest = snapshotAt(9, 1)
    server.snapshots.newest = newest
    for (let n = 0; n < 50 * limits.electionTicksMin; n++)
      server.tick().step('b', beat).step('c', beat).turn()
    assert.deepEqual(server.raft.snapshotsInUse, [newest])
  })

  test('keeps the log for one that lost its link only as long as it takes to come back', () => {
    const server = openLeader()
    refuse(server)
    const newest = snapshotAt(9, 1)
    server.snapshots.newest = newest
    server.raft.linkLost('c')
    for (const [elections, kept] of [
      [3, [taken]],
      [2, []],
      [50, []],
    ] as const) {
      for (let n = 0; n < elections * limits.electionTicksMin; n++)
        server.tick().step('b', beat).turn()
      assert.deepEqual(server.raft.snapshotsInUse, kept)
    }
    assert.deepEqual(chunksTo('c', server.step('c', beat).sent()), [[9, 0, 40]])
  })

  test('waits for one that goes on, however slowly', () => {
    const server = openLeader()
    refuse(server)
    server.snapshots.newest = snapshotAt(9, 1)
    for (let heldBytes = 1; heldBytes < 10; heldBytes++) {
      server.step('c', held(heldBytes))
      for (let n = 0; n < 20 * limits.electionTicksMin; n++)
        server.tick().step('b', beat).step('c', beat).turn()
    }
    assert.deepEqual(
      server.raft.snapshotsInUse.map(({ index }) => index),
      [8],
    )
  })

  test('has one that arrived damaged looked at, and sends the newest there is by then', () => {
    const server = openLeader()
    server.snapshots.chunkBytes = 100
    refuse(server)
    server.snapshots.newest = snapshotAt(9, 1)
    assert.deepEqual(chunksTo('c', server.step('c', held(0)).sent()), [[9, 0, 100]])
    assert.deepEqual(server.snapshots.suspected, [taken])
  })

  test('without a snapshot that is whole it waits for one', () => {
    const server = openLeader()
    server.snapshots.newest = null
    assert.deepEqual(chunksTo('c', refuse(server)), [])
    server.snapshots.newest = snapshotAt(9, 1)
    assert.deepEqual(chunksTo('c', server.tick(limits.electionTicksMin).sent()), [[9, 0, 40]])
  })

  test('sends a snapshot only while its state is agreed with up to there; after a doubt from the beginning', () => {
    const server = openLeader()
    refuse(server)
    assert.deepEqual(chunksTo('c', server.step('c', held(40)).sent()), [[8, 40, 40]])
    server.raft.stateDoubted()
    assert.deepEqual(chunksTo('c', server.step('c', held(80)).sent()), [])
    server.raft.stateAgreed(taken.index - 1)
    assert.deepEqual(chunksTo('c', refuse(server)), [])
    Object.assign(server.snapshots, { newest: snapshotAt(9, 1), older: taken })
    server.raft.stateAgreed(taken.index)
    assert.deepEqual(chunksTo('c', server.tick(limits.electionTicksMin).sent()), [[8, 0, 40]])
  })

  test('without a snapshot it asks, now and then, whether what was cut is there already', () => {
    const server = openLeader()
    server.snapshots.newest = null
    const probes = (sent: readonly Sent[]) =>
      ofType(sent, 'append').flatMap(({ to, rpc }) => (to === 'c' ? [rpc.prevIndex] : []))
    server.raft.linkLost('c')
    assert.deepEqual(probes(server.sent()), [], 'while it is not heard')
    assert.deepEqual(probes(server.step('c', beat).sent()), [5])
    const { term } = server.raft.status
    const no = { type: 'appendReply', term, accepted: false, rejectIndex: 5 } as const
    server.step('c', { ...no, hintIndex: 0, hintTerm: 0 })
    assert.deepEqual(probes(server.sent()), [], 'not at once again')
    assert.deepEqual(probes(server.tick(limits.electionTicksMin).sent()), [5])
    server.step('c', { type: 'appendReply', term, accepted: true, matchIndex: 11 })
    assert.deepEqual(chunksTo('c', server.sent()), [])
  })

  test('a new leader begins at the start, and is told where to go on', () => {
    const server = openLeader()
    assert.deepEqual(chunksTo('c', refuse(server)), [[8, 0, 40]])
    assert.deepEqual(chunksTo('c', server.step('c', held(80)).sent()), [[8, 80, 20]])
  })
})

/** One chunk of the leader `b`. */
function chunk(snapshot: SnapshotMark, offset = 0, term = 2) {
  const bytes = new Uint8Array(40)
  return { type: 'snapshot', term, snapshot, offset, chunk: bytes } as const
}

/** As the shell does it, once all of it is there. */
function install(server: TestServer, snapshot: SnapshotMark): void {
  server.disk.replace(snapshot)
  server.raft.restored(snapshot)
}

describe('paper §7: a follower', () => {
  test('hands over what it lacks, and says how much of it is there', () => {
    const server = new TestServer().step('b', chunk(taken))
    const { chunks } = server.raft.takeTurn()
    assert.deepEqual(
      chunks.map(({ from, snapshot, offset }) => [from, snapshot.index, offset]),
      [['b', 8, 0]],
    )
    server.disk.write({ hardState: { term: 2, votedFor: null }, truncateFrom: null, entries: [] })
    server.raft.settle()
    server.raft.chunkStored('b', taken, 40)
    assert.deepEqual(server.sent(), [{ to: 'b', rpc: held(40) }])
  })

  test('a snapshot of what stands in its log brings nothing, but says that it is committed', () => {
    const server = new TestServer({ terms: Array(10).fill(1) }).step('b', chunk(taken))
    const { late } = server.turn()
    assert.deepEqual(late, [{ to: 'b', rpc: { ...installed(8) } }])
    assert.deepEqual([server.raft.status.commitIndex, server.disk.lastIndex], [8, 10])
  })

  test('one whose entry has come into the log while it came in itself is not taken any more', () => {
    const server = new TestServer({ terms: [1] }).step('b', chunk(taken))
    server.turn()
    assert.equal(server.raft.wants(taken), true)
    // What is behind it may be acknowledged, and would be gone with the log.
    server.step('b', append(2, 1, 1, Array(9).fill(1), 1)).turn()
    assert.deepEqual([server.raft.status.lastIndex, server.raft.status.commitIndex], [10, 1])
    assert.equal(server.raft.wants(taken), false)
  })

  test('one that stands for less than its own snapshot does is refused with what it has', () => {
    const server = new TestServer({ terms: Array(10).fill(1), cutAt: 9 }).step('b', chunk(taken))
    assert.deepEqual(server.turn().late, [{ to: 'b', rpc: installed(8) }])
    assert.equal(server.raft.wants(taken), false)
    assert.equal(server.disk.base.index, 9)
  })

  test('log, commit index and members are those of the snapshot, and the leader is told', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).step('b', chunk(snapshotAt(8, 2)))
    server.turn()
    const snapshot = snapshotAt(8, 2, ['a', 'b', 'd'])
    assert.equal(server.raft.wants(snapshot), true)
    install(server, snapshot)
    const { term, commitIndex, lastIndex } = server.raft.status
    assert.deepEqual([term, commitIndex, lastIndex], [2, 8, 8])
    assert.deepEqual(server.raft.membership.members, membersOf(['a', 'b', 'd']))
    assert.deepEqual(server.turn().late, [{ to: 'b', rpc: installed(8) }])
    assert.deepEqual(server.applied(), [])
    assert.equal(server.raft.wants(snapshot), false)
  })

  test('uncommitted entries, and members among them, are gone with the log', () => {
    const server = new TestServer({ terms: [1, 1, 1, 1, 1, 1, 1, 1, 1] })
    const conflicting = { ...taken, term: 2 }
    server.step('b', chunk(conflicting)).turn()
    install(server, conflicting)
    assert.equal(server.raft.status.lastIndex, 8)
    server.step('b', append(2, 8, 2, [2], 9))
    server.turn()
    assert.deepEqual(server.applied(), [9])
  })

  test('goes on behind it with entries, and campaigns with it', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).step('b', chunk(snapshotAt(8, 2)))
    server.turn()
    install(server, snapshotAt(8, 2))
    server.turn()
    server.step('b', append(2, 8, 2, [2, 2], 9)).turn()
    assert.deepEqual(server.disk.entries(9, 10, 1_000), [batch(9, 2), batch(10, 2)])
    server.tick(limits.electionTicksMax)
    const [asked] = ofType(server.sent(), 'preVote')
    assert.deepEqual([asked?.rpc.lastIndex, asked?.rpc.lastTerm], [10, 2])
  })

  test('what is cut away counts as held: an append that begins before it is taken from there on', () => {
    const server = new TestServer({ terms: Array(10).fill(1), cutAt: 8 })
    server.step('b', append(2, 6, 1, [1, 1, 1, 1, 2], 11))
    const { late } = server.turn()
    assert.deepEqual(late, [{ to: 'b', rpc: installed(11) }])
    assert.deepEqual(
      server.disk.entries(9, 10, 1_000).map(({ term }) => term),
      [1, 1, 2],
    )
  })

  test('a chunk of an older term is refused with the newer one', () => {
    const server = new TestServer({ hardState: { term: 3, votedFor: null } })
    server.step('b', chunk(taken))
    const { late } = server.turn()
    assert.deepEqual(late, [{ to: 'b', rpc: { type: 'heartbeatReply', term: 3, round: 0 } }])
  })

  test('a chunk keeps it from campaigning, as a heartbeat does', () => {
    const server = new TestServer({ terms: [1] })
    for (let n = 0; n < 5; n++)
      server
        .tick(limits.electionTicksMin - 1)
        .step('b', chunk(taken))
        .turn()
    assert.equal(server.raft.status.role, 'follower')
  })

  test('what is installed under another leader is told to that one', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).step('b', chunk(taken))
    server.turn()
    server.step('c', heartbeat(3, 1)).turn()
    install(server, taken)
    const [reply] = ofType(server.turn().late, 'appendReply')
    assert.deepEqual([reply?.to, reply?.rpc.term], ['c', 3])
  })

  test('who leads by then wants no snapshot', () => {
    const server = new TestServer({ terms: [1, 1, 1] }).step('b', chunk(taken, 0, 1))
    server.turn()
    server.lead('b')
    assert.equal(server.raft.wants(taken), false)
    assert.throws(() => server.raft.restored(taken))
  })
})
