/** Whose state is wrong, and what becomes of it: one member of three, over a disk in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkToStorage, WireRpc } from '../../src/messages.ts'
import { sortMembers } from '../../src/raft/membership.ts'
import { limits } from '../raft/harness.ts'
import { Random } from '../simulation/random.ts'
import { batchEntry } from '../support/batches.ts'
import {
  append,
  type Came,
  lead,
  leader,
  members,
  openFreshStage,
  openStage,
  other,
  type Stage,
  self,
  tick,
} from './stage.ts'

const last = 4

/** And what follows of itself: entries that were left to be applied, answers that leave with the next turn. */
function turn(stage: Stage, came: readonly Came[], calls: readonly NetworkToStorage[] = []): void {
  stage.turn(came, calls)
  for (let next = stage.scheduled.shift(); next !== undefined; next = stage.scheduled.shift())
    next()
  stage.turn([])
}

/** What takes a while, and what follows of it. */
function finishCopies(stage: Stage): void {
  for (let end = stage.later.shift(); end !== undefined; end = stage.later.shift()) {
    end()
    turn(stage, [])
  }
}

/** It follows, and has applied three batches. */
function openFollower(): Stage {
  const stage = openStage()
  const entries = [2, 3, last].map((index) =>
    batchEntry(index, [['put', `k${index}`, index]], { sequence: index - 1 }),
  )
  turn(stage, [[leader, append(entries, last)]])
  assert.equal(stage.appliedIndex(), last)
  return stage
}

function digestAt(stage: Stage, index: number): number | null {
  const known = replies(stage).length
  turn(stage, [[leader, { type: 'audit', index }]])
  return replies(stage)[known]?.digest ?? null
}

function replies({ rpcs }: Stage) {
  return rpcs.flatMap((rpc) => (rpc.type === 'auditReply' ? [rpc] : []))
}

function found({ reports }: Stage): readonly string[] {
  return reports.flatMap((report) => (report.type === 'stateFound' ? [report.reason] : []))
}

function count({ rpcs }: Stage, type: WireRpc['type']): number {
  return rpcs.filter((rpc) => rpc.type === type).length
}

test('the hash is told of exactly the entry that was asked for, also later, and not of one of long ago', () => {
  const stage = openFollower()
  const digests = [2, 3, last].map((index) => digestAt(stage, index))
  assert.equal(new Set(digests).size, 3)
  assert.deepEqual(
    replies(stage).map(({ index }) => index),
    [2, 3, last],
  )
  const known = replies(stage).length
  turn(stage, [[leader, { type: 'audit', index: last + 1 }]])
  assert.equal(replies(stage).length, known, 'not applied yet')
  turn(stage, [
    [leader, append([batchEntry(last + 1, [['put', 'k', 1]], { sequence: last })], last + 1)],
  ])
  assert.equal(replies(stage)[known]?.index, last + 1)
})

test('a row that is not what was written is found, and the state made anew of the log', () => {
  const stage = openFollower()
  const digest = digestAt(stage, last)
  stage.disks.damage(new Random(3))
  assert.ok(stage.disks.isDamaged([]))
  for (let n = 0; n < 8; n++) turn(stage, [], [tick])
  assert.equal(found(stage).length, 1)
  assert.ok(!stage.disks.isDamaged([]))
  const { repairs, stateBad, appliedIndex } = stage.board.read()
  assert.deepEqual([repairs, stateBad, appliedIndex], [1, 0, last])
  assert.equal(digestAt(stage, last), digest)
  const generations = stage.reports.flatMap((each) =>
    each.type === 'stateReplaced' ? [each.generation] : [],
  )
  assert.deepEqual(generations, [1])
})

test('rows that change while they are looked at are no damage', () => {
  const stage = openFollower()
  for (let index = last + 1; index < last + 60; index++) {
    const entry = batchEntry(
      index,
      [
        ['put', `k${index % 7}`, index],
        ['delete', `k${(index + 3) % 7}`],
        ['put', 'a/b', index],
      ],
      { sequence: index - 1 },
    )
    turn(stage, [[leader, append([entry], index)]], [tick])
  }
  assert.deepEqual(found(stage), [])
})

test('a verdict counts only from the leader, of an entry that is known, and where it is another', () => {
  const stage = openFollower()
  const digest = digestAt(stage, last) ?? assert.fail()
  turn(stage, [[other, { type: 'verdict', index: last, digest: digest + 1 }]])
  turn(stage, [[leader, { type: 'verdict', index: last, digest }]])
  turn(stage, [[leader, { type: 'verdict', index: last + 1, digest: digest + 1 }]])
  assert.deepEqual(found(stage), [])
  turn(stage, [[leader, { type: 'verdict', index: last, digest: digest + 1 }]])
  assert.equal(found(stage).length, 1)
})

test('a node that has lost its state serves no reads, keeps its log, and asks for a snapshot', () => {
  const stage = openFollower()
  const digest = digestAt(stage, last) ?? assert.fail()
  // Its log leads to what it has; the others have it otherwise.
  turn(stage, [[leader, { type: 'verdict', index: last, digest: digest + 1 }]])
  assert.ok(stage.board.isStateBad)
  turn(stage, [], [{ type: 'read', id: 1 }])
  turn(stage, [[leader, { type: 'readIndexReply', term: 1, id: 1, index: last }]])
  const entry = batchEntry(last + 1, [['put', 'k', 1]], { sequence: last })
  turn(stage, [[leader, append([entry], last + 1)]])
  assert.equal(stage.appliedIndex(), 0)
  const held = stage.rpcs.flatMap((rpc) =>
    rpc.type === 'appendReply' && rpc.accepted ? [rpc.matchIndex] : [],
  )
  assert.equal(held.at(-1), last + 1, 'what it acknowledges is in its log')
  for (let n = 0; n < 3 * limits.electionTicksMax; n++) turn(stage, [], [tick])
  assert.ok(stage.reports.every(({ type }) => type !== 'readable'))
  assert.ok(count(stage, 'stateWanted') > 0)

  const again = openFreshStage({ disks: stage.disks })
  assert.ok(again.board.isStateBad, 'nor after a restart')
})

/** Elected, with all its entries committed by the other. */
function openLeader(first = members): Stage {
  const stage = openStage({ first })
  lead(stage)
  const { term, lastIndex } = stage.board.read()
  turn(stage, [[leader, { type: 'appendReply', term, accepted: true, matchIndex: lastIndex }]])
  return stage
}

/** Ticks until the leader asks the others; `heard` keeps it in its office. Returns the entry it asks about. */
function askedFor(stage: Stage): number {
  const before = count(stage, 'audit')
  const { term } = stage.board.read()
  while (count(stage, 'audit') === before)
    turn(stage, [[leader, { type: 'heartbeatReply', term, round: 0 }]], [tick])
  const asked = stage.rpcs.flatMap((rpc) => (rpc.type === 'audit' ? [rpc.index] : []))
  return asked.at(-1) ?? assert.fail()
}

const beat: Came = [leader, { type: 'heartbeatReply', term: 2, round: 0 }]

/** A batch of the other's is committed. */
function put(stage: Stage, sequence: number): void {
  const { bytes: batch } = batchEntry(0, [['put', 'k', 1]], { node: other, sequence })
  turn(stage, [[other, { type: 'forward', batch }]])
  const { lastIndex: matchIndex } = stage.board.read()
  turn(stage, [[leader, { type: 'appendReply', term: 2, accepted: true, matchIndex }]])
  assert.equal(stage.board.read().commitIndex, matchIndex)
}

test('nothing is applied to a state that was found to be wrong, though it cannot be made anew while it is copied', () => {
  const stage = openLeader()
  put(stage, 1)
  const applied = stage.appliedIndex()
  turn(stage, [[other, { type: 'stateWanted', base: 0 }]])
  stage.disks.damage(new Random(3))
  for (let n = 0; n < 8; n++) turn(stage, [beat], [tick])
  assert.equal(found(stage).length, 1)
  put(stage, 2)
  assert.equal(stage.appliedIndex(), applied)
  finishCopies(stage)
  turn(stage, [beat], [tick])
  assert.equal(stage.appliedIndex(), applied + 1)
})

test('where two of three have one hash, it is the third that is told, and only that one', () => {
  const stage = openLeader()
  const index = askedFor(stage)
  const own = digestAt(stage, index) ?? assert.fail()
  turn(stage, [[leader, { type: 'auditReply', index, digest: own + 1 }]])
  assert.equal(count(stage, 'verdict'), 0, 'one against one says nothing')
  turn(stage, [[other, { type: 'auditReply', index: index - 1, digest: own }]])
  assert.equal(count(stage, 'verdict'), 0, 'the hash of another entry says nothing')
  turn(stage, [[other, { type: 'auditReply', index, digest: own }]])
  const verdicts = stage.rpcs.flatMap((rpc) => (rpc.type === 'verdict' ? [rpc] : []))
  assert.deepEqual(verdicts, [{ type: 'verdict', index, digest: own }])
  assert.deepEqual(found(stage), [])
})

test('a leader that two others contradict is the one that is wrong', () => {
  const stage = openLeader()
  const index = askedFor(stage)
  const own = digestAt(stage, index) ?? assert.fail()
  turn(stage, [[leader, { type: 'auditReply', index, digest: own + 1 }]])
  turn(stage, [[other, { type: 'auditReply', index, digest: own + 1 }]])
  assert.equal(found(stage).length, 1)
  assert.ok(stage.board.isStateBad)
  assert.equal(count(stage, 'verdict'), 0)
})

test('a snapshot that leads to a wrong state is used no more: not here, not by others, not after a restart', () => {
  const { disks, ...before } = openFollower()
  const right = digestAt({ disks, ...before }, last) ?? assert.fail()
  disks.divergeAtStart()
  disks.beforeStart(new Random(3), [])
  const stage = openFreshStage({ disks })
  for (let n = 0; n < limits.electionTicksMin; n++) turn(stage, [], [tick])
  lead(stage)
  const { term, lastIndex } = stage.board.read()
  turn(stage, [[leader, { type: 'appendReply', term, accepted: true, matchIndex: lastIndex }]])
  turn(stage, [[other, { type: 'stateWanted', base: 0 }]])
  finishCopies(stage)
  assert.equal(stage.board.read().snapshotIndex, lastIndex)
  const index = askedFor(stage)
  for (const from of [leader, other])
    turn(stage, [[from, { type: 'auditReply', index, digest: right }]])
  assert.equal(digestAt(stage, index), right, 'the log alone has led to it')
  assert.equal(stage.board.read().snapshotIndex, 0)
  assert.equal(openFreshStage({ disks }).board.read().snapshotIndex, 0)
})

test('a leader hands out no snapshot before a majority has agreed with its state, or two questions were in vain', () => {
  const want: Came = [other, { type: 'stateWanted', base: 0 }]
  const open = (): Stage => {
    const stage = openLeader()
    turn(stage, [want])
    finishCopies(stage)
    turn(stage, [want], [tick])
    assert.ok(stage.board.read().snapshotIndex > 0)
    assert.equal(count(stage, 'snapshot'), 0)
    return stage
  }
  const agreed = open()
  const index = askedFor(agreed)
  const digest = digestAt(agreed, index) ?? assert.fail()
  turn(agreed, [[leader, { type: 'auditReply', index, digest }]], [tick])
  turn(agreed, [want])
  assert.equal(count(agreed, 'snapshot'), 1)

  const alone = open()
  askedFor(alone)
  turn(alone, [want])
  assert.equal(count(alone, 'snapshot'), 0)
  for (const _ of [1, 2]) askedFor(alone)
  turn(alone, [want])
  assert.equal(count(alone, 'snapshot'), 1)
})

test('a state that was found to be wrong is handed out no further, nor the one in its place before others agreed', () => {
  const want: Came = [other, { type: 'stateWanted', base: 0 }]
  for (const isAnswered of [true, false]) {
    const stage = openLeader()
    put(stage, 1)
    turn(stage, [want])
    finishCopies(stage)
    const { snapshotIndex } = stage.board.read()
    assert.ok(snapshotIndex > 0)
    const agree = (): void => {
      const index = askedFor(stage)
      const digest = digestAt(stage, index) ?? assert.fail()
      if (isAnswered) turn(stage, [[leader, { type: 'auditReply', index, digest }]])
      else for (const _ of [1, 2]) askedFor(stage)
    }
    agree()
    turn(stage, [want])
    const held = (heldBytes: number): Came => {
      return [other, { type: 'snapshotReply', term: 2, index: snapshotIndex, heldBytes }]
    }
    turn(stage, [held(64)])
    assert.equal(count(stage, 'snapshot'), 2)
    stage.disks.damage(new Random(3))
    for (let n = 0; n < 8; n++) turn(stage, [beat], [tick])
    assert.equal(found(stage).length, 1)
    turn(stage, [held(128)])
    turn(stage, [want])
    assert.equal(count(stage, 'snapshot'), 2)
    agree()
    turn(stage, [want])
    assert.equal(count(stage, 'snapshot'), 3)
  }
})

test('where no majority answers, a leader with whom fewer agree than with another hands over, and hands out no state', () => {
  const { stage, matchIndex } = openLeaderOfFive()
  turn(stage, [['d', { type: 'stateWanted', base: 0 }]])
  finishCopies(stage)
  assert.ok(stage.board.read().snapshotIndex > 0)
  const own = digestAt(stage, matchIndex) ?? assert.fail()
  const came = [leader, other].flatMap((from): Came[] => [
    [from, { type: 'heartbeatReply', term: 2, round: 0 }],
    [from, { type: 'auditReply', index: matchIndex, digest: own + 1 }],
  ])
  for (let ticks = 0; count(stage, 'timeoutNow') === 0; ticks++) {
    assert.ok(ticks < 1_000)
    turn(stage, [...came, ['d', { type: 'stateWanted', base: 0 }]], [tick])
    assert.equal(count(stage, 'snapshot'), 0)
  }
  assert.deepEqual(found(stage), [], 'who is silent might know better')
})

/** All of them hold its log. */
function openLeaderOfFive() {
  const five = [...'de'].map(
    (id, n) => ({ id, address: `127.0.0.1:${n + 4}`, role: 'voter' }) as const,
  )
  const stage = openLeader(sortMembers([...members, ...five]))
  const { lastIndex: matchIndex } = stage.board.read()
  for (const from of [leader, other])
    turn(stage, [[from, { type: 'appendReply', term: 2, accepted: true, matchIndex }]])
  return { stage, matchIndex }
}

test('where all have answered and no majority is of one mind, one of those leads who are most', () => {
  for (const [theirs, isOutvoted] of [
    [[1, 1, 2, 3], true],
    [[0, 1, 1, 2], false],
    [[1, 2, 3, 4], false],
  ] as const) {
    const { stage, matchIndex } = openLeaderOfFive()
    const index = askedFor(stage)
    const own = digestAt(stage, index) ?? assert.fail()
    const digests = theirs.map((difference) => own + difference)
    turn(
      stage,
      [leader, other, 'd', 'e'].map((from, n) => [
        from,
        { type: 'auditReply', index, digest: digests[n] ?? assert.fail() },
      ]),
    )
    turn(stage, [[leader, { type: 'appendReply', term: 2, accepted: true, matchIndex }]])
    assert.equal(count(stage, 'timeoutNow'), isOutvoted ? 1 : 0)
    assert.equal(found(stage).length, isOutvoted ? 0 : 1)
    assert.equal(count(stage, 'verdict'), 0)
  }
})

test('a leader that has lost its state hands over to one that has one; callers wait, and hear if there is none', () => {
  const stage = openLeader()
  const index = askedFor(stage)
  const digest = (digestAt(stage, index) ?? assert.fail()) + 1
  turn(
    stage,
    [leader, other].map((id) => [id, { type: 'auditReply', index, digest }]),
  )
  assert.ok(stage.board.isStateBad)
  const { term, lastIndex } = stage.board.read()
  const matching = { type: 'appendReply', term, accepted: true, matchIndex: lastIndex } as const
  const { bytes: batch } = batchEntry(1, [['put', 'k', 1]], { node: other, sequence: 1 })
  turn(stage, [[other, { type: 'forward', batch }]])
  turn(stage, [[leader, matching]], [tick])
  assert.equal(count(stage, 'timeoutNow'), 1)
  assert.equal(count(stage, 'forwardRefused'), 0)
  const no: WireRpc = { type: 'timeoutNowDeclined', term }
  const before = count(stage, 'timeoutNow')
  const ticks = 4 * limits.electionTicksMin
  for (let n = 0; n < ticks; n++)
    turn(
      stage,
      [
        [leader, no],
        [other, no],
        [other, matching],
      ],
      [tick],
    )
  assert.equal(stage.board.read().lastIndex, lastIndex, 'nothing was taken')
  assert.ok(count(stage, 'forwardRefused') > 0)
  assert.match(found(stage).at(-1) ?? '', /^SKIFF_STORAGE: the state is lost, and nobody can take/)
  assert.ok(count(stage, 'timeoutNow') - before <= 2 * 4 + 2, 'each is asked once in a timeout')
  assert.equal(count(stage, 'stateWanted'), 0, 'not itself')
})

test('of two that differ the leader makes its state anew first, and then the other yields', () => {
  const stage = openLeader(members.filter(({ id }) => id === self || id === leader))
  const answer = () => {
    const index = askedFor(stage)
    const digest = (digestAt(stage, index) ?? assert.fail()) + 1
    turn(stage, [[leader, { type: 'auditReply', index, digest }]])
  }
  answer()
  assert.match(found(stage)[0] ?? '', /no majority says who is right/)
  assert.deepEqual([count(stage, 'verdict'), stage.board.isStateBad], [0, false])
  answer()
  assert.deepEqual([count(stage, 'verdict'), found(stage).length], [1, 1])
})

test('a leader that was deposed meanwhile makes its state anew again before others have to yield', () => {
  const stage = openLeader(members.filter(({ id }) => id === self || id === leader))
  const answer = () => {
    const index = askedFor(stage)
    const digest = (digestAt(stage, index) ?? assert.fail()) + 1
    turn(stage, [[leader, { type: 'auditReply', index, digest }]])
  }
  answer()
  turn(stage, [[leader, { type: 'heartbeat', term: 3, commitIndex: 0, round: 0 }]], [tick])
  lead(stage, 4)
  const { lastIndex: matchIndex } = stage.board.read()
  turn(stage, [[leader, { type: 'appendReply', term: 4, accepted: true, matchIndex }]])
  answer()
  assert.deepEqual([count(stage, 'verdict'), found(stage).length], [0, 2])
})

test('who is asked about an entry is judged by what it said, however much it has applied since', () => {
  const stage = openFollower()
  const index = last + 1
  turn(stage, [[leader, { type: 'audit', index }]])
  for (let at = index; at < index + 1_100; at += 100) {
    const entries = Array.from({ length: 100 }, (_, n) =>
      batchEntry(at + n, [['put', 'k', at + n]], { sequence: at + n - 1 }),
    )
    turn(stage, [[leader, append(entries, at + 99)]])
  }
  const [told] = replies(stage)
  assert.equal(told?.index, index)
  turn(stage, [[leader, { ...told, type: 'verdict' }]])
  assert.deepEqual(found(stage), [])
  turn(stage, [[leader, { type: 'verdict', index, digest: told.digest + 1 }]])
  assert.equal(found(stage).length, 1)
  assert.ok(stage.board.isStateBad, 'its log leads to what it had')
})

test('a state that several starts do not survive is made anew; one that was looked at is trusted', () => {
  const { disks } = openFollower()
  disks.damage(new Random(3))
  for (let start = 1; start <= 4; start++) openFreshStage({ disks })
  assert.ok(disks.isDamaged([]))
  const next = openFreshStage({ disks })
  assert.ok(!disks.isDamaged([]))
  for (let n = 0; n < 8; n++) turn(next, [], [tick])
  disks.damage(new Random(3))
  openFreshStage({ disks })
})

test('a state that could not be written is made anew at the next start', () => {
  const stage = openFollower()
  stage.disk.stateCommit = () => {
    throw new Error('EIO')
  }
  turn(stage, [
    [leader, append([batchEntry(last + 1, [['put', 'k', 1]], { sequence: last })], last + 1)],
  ])
  assert.equal(stage.failures.length, 1)
  assert.equal(openFreshStage({ disks: stage.disks }).appliedIndex(), 0)
})
