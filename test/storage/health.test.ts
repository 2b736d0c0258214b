/** Whose state is wrong, and what becomes of it: one member of three, over a disk in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../raft/harness.ts'
import { Random } from '../simulation/random.ts'
import { batchEntry } from '../support/batches.ts'
import {
  beat,
  count,
  digestAt,
  finishCopies,
  found,
  last,
  openFollower,
  openLeader,
  put,
  replies,
  turn,
} from './health-stage.ts'
import { append, leader, openFreshStage, other, tick } from './stage.ts'

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
  turn(stage, [[other, { type: 'audit', index: index + 1 }]])
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
