/** Of a node whose leadership goes to another: what becomes of the batches of others, and of a low disk. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchOwner } from '../../src/codec/command.ts'
import { unpackEntries } from '../../src/codec/record.ts'
import type { NetworkToStorage, StorageToNetwork, WireRpc } from '../../src/messages.ts'
import { DiskSpace } from '../../src/storage/disk-space.ts'
import { Succession } from '../../src/storage/succession.ts'
import { limits, TestServer } from '../raft/harness.ts'
import { batchBytes, batchEntry } from '../support/batches.ts'
import {
  append,
  type Came,
  lead,
  leader,
  openStage,
  other,
  type Stage,
  self,
  spaceLow,
  tick,
} from './stage.ts'

/** The disk is looked at so often. */
const lookTicks = 40

function heard(from: string): Came {
  return [from, { type: 'heartbeatReply', term: 2, round: 0 }]
}

function forward(sequence: number): Came {
  const { bytes } = batchEntry(1, [['put', 'k', 1]], { node: other, sequence })
  return [other, { type: 'forward', batch: bytes }]
}

function relieve(id: number): NetworkToStorage {
  return { type: 'change', id, change: { type: 'relieve', member: self }, via: null }
}

/** Leads in term 2, and both others hold all it has. */
function openLeader(): Stage {
  const stage = openStage()
  lead(stage)
  acknowledge(stage)
  stage.rpcs.length = 0
  return stage
}

function acknowledge(stage: Stage): void {
  const matchIndex = stage.board.read().lastIndex
  const reply: WireRpc = { type: 'appendReply', term: 2, accepted: true, matchIndex }
  stage.turn([
    [leader, reply],
    [other, reply],
  ])
}

function pass(stage: Stage, ticks: number): void {
  for (let n = 0; n < ticks; n++) stage.turn([heard(leader), heard(other)], [tick])
}

function took(stage: Stage, type: WireRpc['type']): number {
  return stage.rpcs.filter((rpc) => rpc.type === type).length
}

function refusals(stage: Stage): Extract<StorageToNetwork, { type: 'refused' }>[] {
  return stage.reports.flatMap((report) => (report.type === 'refused' ? [report] : []))
}

test('what others forward waits while leadership is handed over, and is taken if it stays', () => {
  const stage = openLeader()
  const { lastIndex } = stage.board.read()
  stage.turn([], [relieve(1)])
  assert.equal(took(stage, 'timeoutNow'), 1)
  stage.turn([forward(1)])
  stage.turn([forward(2)])
  assert.equal(stage.board.read().lastIndex, lastIndex)
  stage.turn([[leader, { type: 'timeoutNowDeclined', term: 2 }]], [{ type: 'cancelChange', id: 1 }])
  assert.equal(stage.board.read().lastIndex, lastIndex + 2)
})

test('and taken in the order in which it was sent', () => {
  const stage = openLeader()
  stage.turn([], [relieve(1)])
  stage.turn([forward(1)])
  stage.rpcs.length = 0
  const no: Came = [leader, { type: 'timeoutNowDeclined', term: 2 }]
  stage.turn([no, forward(2)], [{ type: 'cancelChange', id: 1 }])
  const [sent] = stage.rpcs.flatMap((rpc) => (rpc.type === 'append' ? [rpc] : []))
  assert.ok(sent !== undefined)
  const taken = unpackEntries(sent.entries, sent.entryCount)
  assert.deepEqual(
    taken.map(({ bytes }) => batchOwner(bytes).sequence),
    [1, 2],
  )
})

test('if it goes, it is for its owner to send it to the next leader', () => {
  const stage = openLeader()
  const { lastIndex } = stage.board.read()
  stage.turn([], [relieve(1)])
  stage.turn([forward(1)])
  const candidacy = { term: 3, lastIndex, lastTerm: 2, isTransfer: true }
  stage.turn([[leader, { type: 'vote', ...candidacy }]])
  pass(stage, 3)
  assert.equal(stage.board.read().lastIndex, lastIndex)
})

test('own batches wait too, and go to the next leader at once', () => {
  const stage = openLeader()
  const { lastIndex } = stage.board.read()
  stage.turn([], [relieve(1)])
  stage.turn([], [{ type: 'propose', batch: 1, bytes: batchBytes([['put', 'k', 1]]) }])
  assert.equal(stage.board.read().lastIndex, lastIndex)
  stage.turn([
    [leader, { type: 'vote', term: 3, lastIndex, lastTerm: 2, isTransfer: true }],
    [leader, { type: 'heartbeat', term: 3, commitIndex: 0, round: 1 }],
  ])
  assert.equal(took(stage, 'forward'), 1)
  assert.deepEqual(refusals(stage), [])
})

test('a leader whose disk is low hands over by itself', () => {
  const stage = openLeader()
  stage.disk.freeBytes = spaceLow - 1
  pass(stage, lookTicks)
  assert.ok(took(stage, 'timeoutNow') > 0)
})

test('if nobody can take over, those who forward are told why', () => {
  const stage = openLeader()
  const { lastIndex } = stage.board.read()
  stage.disk.freeBytes = spaceLow - 1
  pass(stage, lookTicks)
  stage.turn([forward(1)])
  assert.equal(took(stage, 'forwardRefused'), 0, 'one is asked to take over')
  const no = { type: 'timeoutNowDeclined', term: 2 } as const
  for (let n = 0; n < 2 * limits.electionTicksMin; n++)
    stage.turn(
      [
        [leader, no],
        [other, no],
      ],
      [tick],
    )
  const [refused] = stage.rpcs.filter((rpc) => rpc.type === 'forwardRefused')
  assert.ok(refused?.type === 'forwardRefused')
  assert.match(
    refused.reason,
    /^the leader, 00000000000000aa, says: the disk has 999999 bytes left/,
  )
  assert.equal(stage.board.read().lastIndex, lastIndex)
  stage.disk.freeBytes = spaceLow
  pass(stage, lookTicks)
  stage.turn([forward(1)])
  assert.equal(stage.board.read().lastIndex, lastIndex + 1, 'and when there is room, it is taken')
})

test('a follower whose disk is low does not take over', () => {
  const stage = openStage()
  const wish: Came = [leader, { type: 'timeoutNow', term: 1, lastIndex: 1 }]
  stage.disk.freeBytes = spaceLow - 1
  for (let n = 0; n < lookTicks; n++)
    stage.turn([[leader, { type: 'heartbeat', term: 1, commitIndex: 0, round: 1 }]], [tick])
  stage.turn([wish])
  assert.deepEqual([took(stage, 'timeoutNowDeclined'), took(stage, 'vote')], [1, 0])
  stage.disk.freeBytes = spaceLow
  for (let n = 0; n < lookTicks; n++)
    stage.turn([[leader, { type: 'heartbeat', term: 1, commitIndex: 0, round: 1 }]], [tick])
  stage.turn([wish])
  assert.equal(took(stage, 'vote'), 1)
})

test('callers of a leader without room: what was sent may happen, what was not never does', () => {
  const stage = openStage()
  const propose = (batch: number): NetworkToStorage => {
    return { type: 'propose', batch, bytes: batchBytes([['put', 'k', batch]]) }
  }
  const beat: Came = [leader, { type: 'heartbeat', term: 1, commitIndex: 0, round: 1 }]
  stage.turn([beat], [propose(1)])
  stage.turn([[other, { type: 'forwardRefused', reason: 'no leader speaks here' }]])
  assert.deepEqual(refusals(stage), [])
  stage.turn([[leader, { type: 'forwardRefused', reason: 'the disk is low' }]], [propose(2)])
  const told = refusals(stage).map(({ batch, error }) => [batch, error.code, error.outcome])
  assert.deepEqual(told, [
    [1, 'SKIFF_STORAGE', 'unknown'],
    [2, 'SKIFF_STORAGE', 'not-applied'],
  ])
  const sent = took(stage, 'forward')
  // What was sent is sent on; once it has come through, so do others.
  const entry = batchEntry(2, [['put', 'k', 1]], { node: self, sequence: 1, incarnation: 2 ** 20 })
  stage.turn([[leader, append([entry], 2)]])
  stage.turn([beat])
  assert.equal(stage.appliedIndex(), 2)
  stage.turn([beat], [propose(3)])
  assert.equal(took(stage, 'forward'), sent + 1)
  assert.equal(refusals(stage).length, 2)
})

/** A leader in term 2 that is about to close, and has or has not yet ended to hand over. */
function openLeaving() {
  const server = new TestServer().lead('b').acknowledge(['b', 'c'])
  server.turn()
  const space = new DiskSpace(() => 2 ** 40, 1)
  const succession = new Succession(server.raft, space, limits.electionTicksMin)
  let isDone = false
  succession.leave(() => {
    isDone = true
  })
  const turn = (): boolean => {
    succession.pump(() => assert.fail('nothing was forwarded'))
    server.turn()
    return isDone
  }
  const pass = (ticks: number): boolean => {
    for (let n = 0; n < ticks; n++) {
      for (const id of ['b', 'c']) server.step(id, { type: 'heartbeatReply', term: 2, round: 1 })
      server.tick()
      succession.tick()
      turn()
    }
    return isDone
  }
  return { server, turn, pass }
}

test('a node that closes waits until it hears its successor, and not for the vote alone', () => {
  const { server, turn } = openLeaving()
  assert.ok(!turn())
  server.step('b', { type: 'vote', term: 3, lastIndex: 2, lastTerm: 2, isTransfer: true })
  assert.ok(!turn())
  server.step('b', { type: 'heartbeat', term: 3, commitIndex: 0, round: 1 })
  assert.ok(turn())
})

test('it asks another if one fails, and waits no longer than for two', () => {
  const { server, turn, pass } = openLeaving()
  turn()
  assert.ok(server.raft.isTransferring)
  assert.ok(!pass(limits.electionTicksMin + 1))
  assert.ok(server.raft.isTransferring)
  assert.ok(!pass(limits.electionTicksMin - 2))
  assert.ok(pass(1))
})

test('it does not wait where nobody can take over', () => {
  const { server, turn } = openLeaving()
  turn()
  for (const id of ['b', 'c']) server.raft.linkLost(id)
  assert.ok(turn())
})
