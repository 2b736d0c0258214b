/** A snapshot of the leader takes the place of log and state, in the turn of the storage actor. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { SkiffErrorCode } from '../../src/errors.ts'
import type { NetworkToStorage, WireRpc } from '../../src/messages.ts'
import { configurationOf, encodeConfiguration } from '../../src/raft/membership.ts'
import type { Entry, SnapshotMark } from '../../src/raft/types.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { type Hooks, MemoryFile } from '../simulation/memory.ts'
import { batchBytes, batchEntry } from '../support/batches.ts'
import { append, leader, members, openStage, type Stage, self } from './stage.ts'

function nothing(): void {}
const quiet: Hooks = { begin: nothing, commit: nothing, done: nothing }

/** Of a member that has applied these entries, at the end. */
function snapshotOf(entries: readonly Entry[]): { snapshot: SnapshotMark; bytes: Buffer } {
  const file = new MemoryFile()
  const state = new StateMachine(file.open(quiet))
  const first: Entry = {
    index: 1,
    term: 1,
    type: 'membership',
    bytes: encodeConfiguration(configurationOf(members)),
  }
  state.apply([first, ...entries], null)
  const bytes = file.dump()
  const hash = createHash('sha256').update(bytes).digest('hex')
  const membership = { index: 1, ...configurationOf(members) }
  const { appliedIndex: index } = state
  return { snapshot: { index, term: 1, membership, bytes: bytes.length, hash }, bytes }
}

const other = 'cc'.padStart(16, '0')
const entries = Array.from({ length: 20 }, (_, n) =>
  batchEntry(n + 2, [['put', `key/${n}`, n]], { node: other, sequence: n + 1 }),
)
const { snapshot, bytes } = snapshotOf(entries)

function chunk(offset: number, end: number, of = snapshot, from: Buffer = bytes): WireRpc {
  return { type: 'snapshot', term: 1, snapshot: of, offset, chunk: from.subarray(offset, end) }
}

/** What ends a while later has ended, and the node has had its turn. */
function wait(stage: Stage): void {
  while (stage.later.length > 0 || stage.scheduled.length > 0) {
    stage.later.shift()?.()
    stage.scheduled.shift()?.()
  }
}

function receiveAll(stage: Stage, of = snapshot, from = bytes): void {
  stage.turn([[leader, chunk(0, 500, of, from)]])
  stage.turn([[leader, chunk(500, from.length, of, from)]])
  wait(stage)
}

function answers(stage: Stage): readonly WireRpc[] {
  return stage.rpcs.filter(({ type }) => type === 'snapshotReply' || type === 'appendReply')
}

test('chunks are answered as they come, and the last one once log and state are those of the snapshot', () => {
  const stage = openStage()
  stage.turn([[leader, chunk(0, 500)]])
  assert.deepEqual(answers(stage), [{ type: 'snapshotReply', term: 1, index: 21, heldBytes: 500 }])
  stage.turn([[leader, chunk(500, bytes.length)]])
  assert.equal(answers(stage).length, 1)
  wait(stage)
  assert.deepEqual(answers(stage).at(-1), {
    ...{ type: 'appendReply', term: 1, accepted: true, matchIndex: 21 },
  })
  const { appliedIndex, commitIndex, firstIndex, lastIndex, snapshotIndex } = stage.board.read()
  assert.deepEqual(
    [appliedIndex, commitIndex, firstIndex, lastIndex, snapshotIndex],
    [21, 21, 22, 21, 21],
  )
})

test('main is told which state it is from now on, before any read of it', () => {
  const stage = openStage()
  stage.turn([[leader, chunk(0, bytes.length)]], [{ type: 'read', id: 1 }])
  const term = { term: 1 }
  const asked = stage.rpcs.findLast((rpc) => rpc.type === 'readIndex')
  assert.ok(asked?.type === 'readIndex')
  stage.turn([[leader, { type: 'readIndexReply', ...term, id: asked.id, index: 21 }]])
  assert.ok(stage.reports.every(({ type }) => type !== 'readable'))
  wait(stage)
  const told = stage.reports.map(({ type }) => type)
  const [replaced, readable] = [told.indexOf('stateReplaced'), told.indexOf('readable')]
  assert.ok(replaced >= 0 && readable > replaced, `${told}`)
})

test('the log goes on behind it with what the leader sends', () => {
  const stage = openStage()
  receiveAll(stage)
  const next = batchEntry(22, [['put', 'next', 1]], { node: other, sequence: 21 })
  stage.turn([[leader, append([next], 22)]])
  assert.equal(stage.appliedIndex(), 22)
})

function endOf(stage: Stage, id: number): { code: SkiffErrorCode; revision: unknown } | null {
  for (const report of stage.reports)
    if (report.type === 'watchEnded' && report.id === id) {
      const { code, revision } = report.error as { code: SkiffErrorCode; revision?: unknown }
      return { code, revision }
    }
  return null
}

test('a watch that has not seen all that the snapshot stands for ends, and says from where to go on', () => {
  const stage = openStage()
  const watch = { type: 'watch', prefix: 'key/', previous: false } as const
  stage.turn([], [{ ...watch, id: 1, fromRevision: null }])
  stage.turn([], [{ ...watch, id: 2, fromRevision: 21 }])
  receiveAll(stage)
  assert.deepEqual(endOf(stage, 1)?.code, 'SKIFF_COMPACTED')
  assert.equal(endOf(stage, 2), null)
  const next = batchEntry(22, [['put', 'key/next', 1]], { node: other, sequence: 21 })
  stage.turn([[leader, append([next], 22)]])
  assert.ok(stage.reports.some(({ type }) => type === 'events'))
})

test('a write of ours that is in the snapshot was applied, and its answer is lost', () => {
  const stage = openStage()
  const bytes = batchBytes([['put', 'mine', 1]])
  const call: NetworkToStorage = { type: 'propose', batch: 7, bytes }
  stage.turn([[leader, { type: 'heartbeat', term: 1, commitIndex: 1, round: 0 }]], [call])
  const forwarded = stage.rpcs.findLast((rpc) => rpc.type === 'forward')
  assert.ok(forwarded?.type === 'forward')
  const mine: Entry = { index: 22, term: 1, type: 'batch', bytes: forwarded.batch }
  const theirs = snapshotOf([...entries, mine])
  receiveAll(stage, theirs.snapshot, theirs.bytes)
  const refused = stage.reports.find((report) => report.type === 'refused')
  assert.ok(refused?.type === 'refused' && refused.batch === 7)
  assert.equal(refused.error.outcome, 'unknown')
})

test('one that arrives damaged is asked for again, and log and state stay what they are', () => {
  const stage = openStage()
  const damaged = Buffer.from(bytes)
  damaged[700] = (damaged[700] ?? 0) ^ 1
  receiveAll(stage, snapshot, damaged)
  assert.deepEqual(answers(stage).at(-1), {
    ...{ type: 'snapshotReply', term: 1, index: 21, heldBytes: 0 },
  })
  assert.equal(stage.board.read().lastIndex, 1)
  receiveAll(stage)
  assert.equal(stage.appliedIndex(), 21)
})

test('one that has become superfluous while it was checked changes nothing', () => {
  const stage = openStage()
  stage.turn([[leader, chunk(0, bytes.length)]])
  stage.turn([[leader, append(entries, 21)]])
  wait(stage)
  const { appliedIndex, firstIndex } = stage.board.read()
  assert.deepEqual([appliedIndex, firstIndex], [21, 1])
  assert.ok(stage.reports.every(({ type }) => type !== 'stateReplaced'))
})

test('a log that fails while one is installed stops the node; the next start has all of it or nothing', () => {
  for (const holds of [false, true]) {
    const stage = openStage()
    stage.turn([[leader, chunk(0, bytes.length)]])
    const before = stage.disk.logCommit
    stage.disk.logCommit = () => {
      stage.disk.logCommit = before
      if (!holds) throw new Error('EIO')
    }
    wait(stage)
    assert.equal(stage.failures.length, holds ? 0 : 1)
    const again = openStage({ disks: stage.disks })
    const { appliedIndex, lastIndex } = again.board.read()
    assert.deepEqual([appliedIndex, lastIndex], holds ? [21, 21] : [0, 1])
    receiveAll(again)
    assert.equal(again.appliedIndex(), 21)
  }
})

test('a snapshot of the members before does not take this node for removed', () => {
  const stage = openStage()
  receiveAll(stage)
  const view = stage.reports.findLast((report) => report.type === 'view')
  assert.ok(view?.type === 'view' && view.view.members.some(({ id }) => id === self))
})

test('what has lost its state gets that of a snapshot, and keeps what is behind it in the log', () => {
  const stage = openStage()
  const hear = (rpc: WireRpc): void => {
    stage.turn([[leader, rpc]])
    wait(stage)
    // What is said late leaves with the next turn.
    stage.turn([])
  }
  const behind = batchEntry(22, [['put', 'behind', 1]], { node: other, sequence: 21 })
  hear(append([...entries, behind], 22))
  stage.turn([], [{ type: 'watch', id: 1, prefix: '', fromRevision: null, previous: false }])
  hear({ type: 'audit', index: 22 })
  const [reply] = stage.rpcs.filter(({ type }) => type === 'auditReply')
  assert.ok(reply?.type === 'auditReply' && reply.digest !== null, JSON.stringify(stage.rpcs))
  hear({ type: 'verdict', index: 22, digest: reply.digest + 1 })
  assert.ok(stage.board.isStateBad)
  receiveAll(stage)
  stage.turn([])
  assert.ok(!stage.board.isStateBad)
  assert.equal(endOf(stage, 1)?.code, 'SKIFF_STORAGE', 'what it was told may be wrong')
  const { appliedIndex, lastIndex, commitIndex } = stage.board.read()
  assert.deepEqual([appliedIndex, lastIndex, commitIndex], [22, 22, 22])
})
