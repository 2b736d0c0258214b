/** Whatever goes wrong within a turn: nothing leaves it from there on, and there is no other turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome, SkiffErrorCode } from '../../src/errors.ts'
import type { NetworkToStorage } from '../../src/messages.ts'
import {
  append,
  type Came,
  leader,
  openStage,
  other,
  type Stage,
  spaceLow,
} from '../storage/stage.ts'
import { batchBytes, batchEntry, noop } from '../support/batches.ts'

interface Cause {
  readonly what: string
  /** Makes the fault; the turn that meets it takes these. */
  readonly plant: (stage: Stage) => readonly Came[]
  readonly code: SkiffErrorCode
  readonly outcome: Outcome
  readonly message: RegExp
  /** The write of the turn was durable: its acknowledgement may leave. */
  readonly acknowledges?: boolean
}

const entries = [noop(2), batchEntry(3, [['put', 'k', 1]], { sequence: 1 })]
const vote: Came = [other, { type: 'vote', term: 2, lastIndex: 9, lastTerm: 1, isTransfer: false }]
const followed: Came = [leader, append(entries, 0)]
const committed: Came = [leader, append(entries, 3)]

function fails(): never {
  throw new Error('EIO: i/o error')
}

const heartbeat = (from: string, commitIndex: number, term = 1): Came => [
  from,
  { type: 'heartbeat', term, commitIndex, round: 1 },
]

const causes: readonly Cause[] = [
  {
    what: 'a write of the log that fails, with an acknowledgement due',
    plant({ disk }) {
      disk.logCommit = fails
      return [followed]
    },
    ...{ code: 'SKIFF_STORAGE', outcome: 'unknown', message: /writing the log failed: EIO/ },
  },
  {
    what: 'a write of the log that fails, with a vote due',
    plant({ disk }) {
      disk.logCommit = fails
      return [vote]
    },
    ...{ code: 'SKIFF_STORAGE', outcome: 'unknown', message: /writing the log failed: EIO/ },
  },
  {
    what: 'a write of the state that fails',
    plant({ disk }) {
      disk.stateCommit = fails
      return [committed]
    },
    ...{ code: 'SKIFF_STORAGE', outcome: 'unknown', message: /applying the log failed: EIO/ },
    acknowledges: true,
  },
  {
    what: 'an entry that is found corrupt when it is read',
    plant({ disk }) {
      disk.corrupt(1)
      return [committed]
    },
    ...{ code: 'SKIFF_STORAGE', outcome: 'not-applied', message: /log entry 1 .* is corrupt/ },
    acknowledges: true,
  },
  {
    what: 'a disk below the hard mark',
    plant({ disk }) {
      disk.freeBytes = spaceLow / 4 - 1
      // It looks again before so many bytes.
      const value = 'x'.repeat(spaceLow / 8)
      return [[leader, append([batchEntry(2, [['put', 'k', value]])], 0)]]
    },
    ...{ code: 'SKIFF_STORAGE', outcome: 'unknown', message: /the disk is full/ },
  },
  {
    what: 'a heartbeat of more than the log holds',
    plant: () => [vote, heartbeat(other, 2, 2)],
    ...{ code: 'SKIFF_CRASHED', outcome: 'unknown', message: /leader says 2 is here/ },
  },
  {
    what: 'two leaders in one term',
    plant: () => [followed, heartbeat(other, 0)],
    ...{ code: 'SKIFF_CRASHED', outcome: 'unknown', message: /two leaders in term 1/ },
  },
  {
    what: 'an append that replaces what is committed',
    plant(stage) {
      stage.turn([committed])
      stage.rpcs.length = 0
      return [[other, append([{ ...noop(3), term: 2 }], 0, 2)]]
    },
    ...{ code: 'SKIFF_CRASHED', outcome: 'unknown', message: /truncate 3, but 3 is committed/ },
  },
]

const batch = (): NetworkToStorage => ({
  type: 'propose',
  batch: 1,
  bytes: batchBytes([['put', 'k', 2]]),
})

for (const { what, plant, code, outcome, message, acknowledges = false } of causes) {
  test(`${what} stops the node at once, for good`, () => {
    const stage = openStage()
    const fault = plant(stage)
    const before = stage.reports.length
    stage.turn(fault)
    const [failure, ...more] = stage.failures
    assert.deepEqual([failure?.code, failure?.outcome, more.length], [code, outcome, 0])
    assert.match(failure?.message ?? '', message)
    const answers = stage.rpcs.map(({ type }) => type)
    assert.deepEqual(answers, acknowledges ? ['appendReply'] : [])
    assert.equal(stage.reports.length, before, 'nothing is said to callers')
    assertStill(stage)
  })
}

/** Repaired or not: it neither votes, acknowledges, writes nor answers any more. */
function assertStill(stage: Stage): void {
  const { disk, rpcs, reports, failures } = stage
  disk.logCommit = () => undefined
  disk.stateCommit = () => undefined
  disk.freeBytes = 10 * spaceLow
  const before = [disk.commits, rpcs.length, reports.length, failures.length]
  const ticks: NetworkToStorage[] = [{ type: 'tick' }]
  stage.turn(
    [[other, { type: 'vote', term: 9, lastIndex: 9, lastTerm: 8, isTransfer: false }]],
    ticks,
  )
  stage.turn([[other, append(entries, 0, 9)]], [batch(), { type: 'read', id: 1 }])
  stage.turn([heartbeat(leader, 0)])
  for (let n = 0; n < 100; n++) stage.turn([], ticks)
  assert.deepEqual([disk.commits, rpcs.length, reports.length, failures.length], before)
}

test('without a fault the same turns vote, acknowledge and apply', () => {
  const voting = openStage()
  voting.turn([vote])
  assert.deepEqual(voting.rpcs, [{ type: 'voteReply', term: 2, granted: true }])
  const following = openStage()
  following.turn([committed])
  const { rpcs, reports, failures } = following
  assert.deepEqual(rpcs, [{ type: 'appendReply', term: 1, accepted: true, matchIndex: 3 }])
  assert.ok(reports.some(({ type }) => type === 'view'))
  assert.deepEqual(failures, [])
})
