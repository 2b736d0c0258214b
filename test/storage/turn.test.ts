/** The turn of the storage actor, between ports and a disk in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkToStorage, WireRpc } from '../../src/messages.ts'
import { batchCommandsMax } from '../../src/options.ts'
import { configurationOf, encodeConfiguration } from '../../src/raft/membership.ts'
import type { Entry, Membership } from '../../src/raft/types.ts'
import { limits } from '../raft/harness.ts'
import { batchBytes, batchEntry, noop } from '../support/batches.ts'
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
  spaceLow,
  tick,
} from './stage.ts'

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

/** In term 1, with this commit index. */
function heartbeat(commitIndex: number): WireRpc {
  return { type: 'heartbeat', term: 1, commitIndex, round: 0 }
}

function membershipEntry(index: number, next: Membership): Entry {
  return { index, term: 1, type: 'membership', bytes: encodeConfiguration(configurationOf(next)) }
}

function watch(id: number): NetworkToStorage {
  return { type: 'watch', id, prefix: '', fromRevision: null, previous: false }
}

function watchesOf({ reports }: Stage): string[] {
  return reports.flatMap((report) =>
    report.type === 'watching' || report.type === 'watchEnded'
      ? [`${report.type} ${report.id}`]
      : [],
  )
}

const others = members.filter(({ id }) => id !== self)

test('a node that applies its removal ends its watches, until it is added again', () => {
  const stage = openStage()
  stage.turn([[leader, append([membershipEntry(2, members)], 2)]], [watch(1)])
  assert.deepEqual(watchesOf(stage), ['watching 1'])
  stage.turn([[leader, append([membershipEntry(3, others)], 3)]])
  stage.turn([[leader, append([membershipEntry(4, others)], 4)]], [watch(2)])
  assert.deepEqual(watchesOf(stage), ['watching 1', 'watchEnded 1', 'watchEnded 2'])
  const again = openFreshStage({ disks: stage.disks })
  again.turn([], [watch(3)])
  assert.deepEqual(watchesOf(again), ['watchEnded 3'])
  again.turn([[leader, append([membershipEntry(5, members)], 5)]])
  again.turn([], [watch(4)])
  assert.deepEqual(watchesOf(again), ['watchEnded 3', 'watching 4'])
})

test('a removal that the log takes back ends no watch, unless that is taken back itself', () => {
  const stage = openStage()
  stage.turn([[leader, heartbeat(1)]], [watch(1)])
  stage.turn([[leader, append([membershipEntry(2, others), membershipEntry(3, members)], 2)]])
  assert.equal(stage.appliedIndex(), 2)
  assert.deepEqual(watchesOf(stage), ['watching 1'])
  stage.turn([[leader, append([{ ...noop(3), term: 2 }], 2, 2)]])
  assert.deepEqual(watchesOf(stage), ['watching 1', 'watchEnded 1'])
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

test('where a map is nearly full a write is refused and not applied', () => {
  const stage = openStage()
  stage.disk.mapFreeBytes = 2 ** 30 - 1
  for (let n = 0; n < 40; n++) stage.turn([], [tick])
  stage.turn([], [{ type: 'propose', batch: 1, bytes: batchBytes([['put', 'k', 1]]) }])
  const refusal = stage.reports.find(({ type }) => type === 'refused')
  assert.ok(refusal?.type === 'refused')
  const { code, outcome } = refusal.error
  assert.deepEqual({ code, outcome }, { code: 'SKIFF_STORAGE', outcome: 'not-applied' })
})

function sentOf<Type extends WireRpc['type']>(stage: Stage, type: Type) {
  const isOfType = (rpc: WireRpc): rpc is Extract<WireRpc, { type: Type }> => rpc.type === type
  return stage.rpcs.filter(isOfType)
}

test('a batch goes again when the link to the leader is made anew, not when another is', () => {
  const stage = openStage()
  stage.turn([[leader, heartbeat(1)]])
  stage.turn([], [{ type: 'propose', batch: 1, bytes: batchBytes([['put', 'k', 1]]) }])
  const link = (id: string): NetworkToStorage => ({ type: 'peer', id, up: true })
  stage.turn([], [link(other)])
  assert.equal(sentOf(stage, 'forward').length, 1)
  stage.turn([], [link(leader)])
  assert.equal(sentOf(stage, 'forward').length, 2)
})

test('a read is asked for again when the link to the leader is made anew', () => {
  const stage = openStage()
  stage.turn([[leader, heartbeat(1)]])
  stage.turn([], [{ type: 'read', id: 7 }])
  const link = (id: string): NetworkToStorage => ({ type: 'peer', id, up: true })
  stage.turn([], [link(other)])
  assert.equal(sentOf(stage, 'readIndex').length, 1)
  stage.turn([], [link(leader)])
  const [first, second] = sentOf(stage, 'readIndex')
  assert.ok(first !== undefined && second !== undefined)
  assert.notEqual(first.id, second.id)
})

test('a read that a leader has confirmed times out as such, though no leader is known by then', () => {
  const stage = openStage()
  stage.turn([[leader, heartbeat(1)]])
  stage.turn([], [{ type: 'read', id: 7 }])
  const [question] = sentOf(stage, 'readIndex')
  assert.ok(question !== undefined)
  stage.turn([[leader, { type: 'readIndexReply', term: 1, id: question.id, index: 5 }]])
  for (let n = 0; n < limits.electionTicksMax; n++) stage.turn([], [tick])
  stage.turn([], [{ type: 'read', id: 8 }])
  stage.turn(
    [],
    [7, 8].map((id) => ({ type: 'cancelRead', id })),
  )
  const refused = stage.reports.flatMap((report) =>
    report.type === 'readRefused' ? [`${report.id} ${report.error.code}`] : [],
  )
  assert.deepEqual(refused, ['7 SKIFF_TIMEOUT', '8 SKIFF_NO_LEADER'])
})

test('a leader takes what others forward; while its disk is nearly full, it waits', () => {
  const stage = openStage()
  lead(stage)
  const forward = (sequence: number): Came => {
    const { bytes } = batchEntry(1, [['put', 'k', 1]], { node: other, sequence })
    return [other, { type: 'forward', batch: bytes }]
  }
  const { lastIndex } = stage.board.read()
  stage.turn([forward(1)])
  assert.equal(stage.board.read().lastIndex, lastIndex + 1)
  stage.disk.freeBytes = spaceLow - 1
  for (let n = 0; n < 40; n++)
    stage.turn([[other, { type: 'heartbeatReply', term: 2, round: 0 }]], [tick])
  stage.turn([forward(2)])
  assert.equal(stage.board.read().lastIndex, lastIndex + 1)
  stage.disk.freeBytes = spaceLow
  for (let n = 0; n < 40; n++)
    stage.turn([[other, { type: 'heartbeatReply', term: 2, round: 0 }]], [tick])
  assert.equal(stage.board.read().lastIndex, lastIndex + 2)
})

test('a leader alone says that it is no more before the entry that makes it so is written', () => {
  const stage = openStage({ first: members.filter(({ id }) => id === self) })
  for (let n = 0; n < limits.electionTicksMax; n++) stage.turn([], [tick])
  assert.ok(stage.board.leadsAlone)
  const { term, lastIndex } = stage.board.read()
  const change = { type: 'add', member: other, address: '127.0.0.1:3', role: 'voter' } as const
  stage.turn([[other, { type: 'change', id: 1, change }]])
  assert.ok(stage.board.leadsAlone, 'a learner counts in no majority')
  const seen: boolean[] = []
  stage.disk.logCommit = () => seen.push(stage.board.leadsAlone)
  stage.turn([[other, { type: 'appendReply', term, accepted: true, matchIndex: lastIndex + 1 }]])
  assert.equal(stage.board.read().lastIndex, lastIndex + 2, 'it is made a voter')
  assert.deepEqual(seen, [false])
})

test('what callers hear of is on the board before: a read that follows looks anew', () => {
  const stage = openStage({ first: members.filter(({ id }) => id === self) })
  for (let n = 0; n < limits.electionTicksMax; n++) stage.turn([], [tick])
  const before = stage.board.appliedIndex
  const seen: number[] = []
  stage.main.hears = ({ type }) => {
    if (type === 'applied') seen.push(stage.board.appliedIndex - before)
  }
  const full = Array.from({ length: batchCommandsMax }, (_, n) => ['put', `k${n}`, n] as const)
  const calls = [1, 2, 3].map(
    (batch) => ({ type: 'propose', batch, bytes: batchBytes(full) }) as const,
  )
  stage.turn([], calls)
  for (let n = 0; n < calls.length; n++) stage.turn([])
  assert.deepEqual(seen, [1, 2, 3], 'one slice after the other')
})

test('members that were not committed are not shown as such after a restart', () => {
  const stage = openStage()
  const fewer = members.filter(({ id }) => id !== other)
  stage.turn([[leader, append([membershipEntry(2, fewer)], 1)]])
  const again = openFreshStage({ disks: stage.disks })
  const shown = again.reports.flatMap((report) =>
    report.type === 'view' ? [report.view.members.length] : [],
  )
  assert.deepEqual(shown, [3])
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
