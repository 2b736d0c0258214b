/** The turn of the storage actor, between ports and a disk in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkToStorage, WireRpc } from '../../src/messages.ts'
import { limits } from '../raft/harness.ts'
import { batchEntry } from '../support/batches.ts'
import { append, leader, openFreshStage, openStage, other } from './stage.ts'

const tick: NetworkToStorage = { type: 'tick' }

test('however many ticks have waited, a turn counts one: a stall makes no campaign', () => {
  const stage = openStage()
  stage.turn([], Array(10 * limits.electionTicksMax).fill(tick))
  assert.ok(stage.rpcs.every(({ type }) => type !== 'preVote'))
  for (let n = 0; n < limits.electionTicksMax; n++) stage.turn([], [tick])
  assert.ok(stage.rpcs.some(({ type }) => type === 'preVote'))
})

test('what waited is heard before time is counted: a leader that has spoken is not given up', () => {
  const stage = openStage()
  for (let n = 0; n < limits.electionTicksMax; n++) {
    const heartbeat: WireRpc = { type: 'heartbeat', term: 1, commitIndex: 1, round: 0 }
    stage.turn([[leader, heartbeat]], [tick])
  }
  assert.ok(stage.rpcs.every(({ type }) => type !== 'preVote'))
})

test('what is committed and not applied yet is applied though nothing more comes in', () => {
  const stage = openStage()
  const windowEntries = limits.appendsInFlightMax * limits.appendEntriesMax
  const last = 8 * windowEntries
  const entries = Array.from({ length: last - 1 }, (_, n) =>
    batchEntry(n + 2, [['put', `k${n}`, n]], { sequence: n + 1 }),
  )
  stage.turn([[leader, append(entries, last)]])
  assert.ok(stage.appliedIndex() < last, 'one turn does not apply it all')
  while (stage.appliedIndex() < last) {
    const turn = stage.scheduled.shift()
    assert.ok(
      turn !== undefined,
      `nothing more to come, ${stage.appliedIndex()} of ${last} applied`,
    )
    turn()
  }
})

test('who does not lead says who does, and accepts no change', () => {
  const stage = openStage()
  stage.turn([[leader, { type: 'heartbeat', term: 1, commitIndex: 1, round: 0 }]])
  const change = { type: 'remove', member: other } as const
  stage.turn([[other, { type: 'change', id: 7, change }]])
  const reply = stage.rpcs.find(({ type }) => type === 'changeReply')
  assert.ok(reply?.type === 'changeReply')
  assert.equal(reply.id, 7)
  assert.ok(reply.answer.type === 'redirected')
  assert.equal(reply.answer.leader?.id, leader)
})

test('a node that has just started promises nobody its vote: a leader may count on it', () => {
  const stage = openFreshStage()
  const preVote: WireRpc = { type: 'preVote', term: 2, lastIndex: 9, lastTerm: 1 }
  stage.turn([[other, preVote]])
  for (let n = 1; n < limits.electionTicksMin; n++) stage.turn([], [tick])
  stage.turn([[other, preVote]])
  stage.turn([], [tick])
  const answers = () =>
    stage.rpcs.flatMap((rpc) => (rpc.type === 'preVoteReply' ? [rpc.granted] : []))
  assert.deepEqual(answers(), [false, false])
  stage.turn([[other, preVote]])
  assert.deepEqual(answers(), [false, false, true])
})
