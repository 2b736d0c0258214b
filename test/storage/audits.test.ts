/** Whose state counts where they differ, and who hands it out: one member of three or five that leads. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireRpc } from '../../src/messages.ts'
import { configurationOf } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import { Audits } from '../../src/storage/audits.ts'
import type { StateMachine } from '../../src/storage/state-machine.ts'
import { limits, membersOf } from '../raft/harness.ts'
import { Random } from '../simulation/random.ts'
import { batchEntry } from '../support/batches.ts'
import {
  askedFor,
  beat,
  beats,
  count,
  digestAt,
  finishCopies,
  found,
  last,
  openFollower,
  openLeader,
  openLeaderOfFive,
  put,
  tickUntil,
  turn,
} from './health-stage.ts'
import {
  type Came,
  lead,
  leader,
  members,
  openFreshStage,
  other,
  type Stage,
  self,
  tick,
} from './stage.ts'

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

test('a leader hands out no snapshot before a majority has agreed with its state, or it was asked in vain', () => {
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
      else for (const _ of [1, 2, 3]) askedFor(stage)
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

/** With a snapshot that nobody has agreed with yet, which `d` waits for. */
function openLeaderOfFiveWithSnapshot() {
  const { stage, matchIndex } = openLeaderOfFive()
  const want: Came = ['d', { type: 'stateWanted', base: 0 }]
  turn(stage, [want])
  finishCopies(stage)
  assert.equal(stage.board.read().snapshotIndex, matchIndex)
  return { stage, index: matchIndex, want }
}

test('where no majority answers, a leader with whom fewer agree than with another hands over, and hands out no state', () => {
  const { stage, index, want } = openLeaderOfFiveWithSnapshot()
  const own = digestAt(stage, index) ?? assert.fail()
  const came = [leader, other].flatMap((from): Came[] => [
    [from, { type: 'heartbeatReply', term: 2, round: 0 }],
    [from, { type: 'auditReply', index, digest: own + 1 }],
  ])
  tickUntil(stage, [...came, want], () => count(stage, 'timeoutNow') > 0)
  assert.equal(count(stage, 'snapshot'), 0)
  assert.deepEqual(found(stage), [], 'who is silent might know better')
})

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

test('who was silent and turns out to know better stops a snapshot that is on its way', () => {
  const { stage, index, want } = openLeaderOfFiveWithSnapshot()
  tickUntil(stage, [...beats, want], () => count(stage, 'snapshot') > 0)
  const held = (heldBytes: number): Came => {
    return ['d', { type: 'snapshotReply', term: 2, index, heldBytes }]
  }
  turn(stage, [held(64)])
  assert.equal(count(stage, 'snapshot'), 2)
  const own = digestAt(stage, index) ?? assert.fail()
  for (const from of [leader, other])
    turn(stage, [[from, { type: 'auditReply', index, digest: own + 1 }]])
  turn(stage, [held(128), want])
  assert.equal(count(stage, 'snapshot'), 2)
})

test('of those that outvote a leader another is asked to take over each time', () => {
  const { stage, index } = openLeaderOfFiveWithSnapshot()
  const own = digestAt(stage, index) ?? assert.fail()
  const came = [leader, other].flatMap((from): Came[] => [
    [from, { type: 'heartbeatReply', term: 2, round: 0 }],
    [from, { type: 'auditReply', index, digest: own + 1 }],
    [from, { type: 'timeoutNowDeclined', term: 2 }],
  ])
  const asked = (): readonly string[] =>
    stage.posted.flatMap(({ to, rpc }) => (rpc.type === 'timeoutNow' ? to : []))
  tickUntil(stage, came, () => new Set(asked()).size === 2)
})

test('who leads without a state says once in an election timeout that nobody can take over', () => {
  const { disks, ...before } = openFollower()
  const right = digestAt({ disks, ...before }, last) ?? assert.fail()
  turn({ disks, ...before }, [[leader, { type: 'verdict', index: last, digest: right + 1 }]])
  const stage = openFreshStage({ disks })
  for (let n = 0; n < 2 * limits.electionTicksMax; n++) turn(stage, [], [tick])
  lead(stage)
  const { term, lastIndex } = stage.board.read()
  turn(stage, [[leader, { type: 'appendReply', term, accepted: true, matchIndex: lastIndex }]])
  turn(stage, [[leader, { type: 'timeoutNowDeclined', term }]])
  const timeouts = 3
  for (let n = 0; n < timeouts * limits.electionTicksMin; n++)
    turn(stage, [beat, [leader, { type: 'timeoutNowDeclined', term }]], [tick])
  const { length } = found(stage)
  assert.ok(length >= 1 && length <= timeouts, `${length} times`)
})

test('where nobody answers a snapshot is sent that was taken since the question', () => {
  const { stage } = openLeaderOfFive()
  const asked = askedFor(stage)
  put(stage, 1, [leader, other])
  const want: Came = ['d', { type: 'stateWanted', base: asked + 1 }]
  turn(stage, [want])
  finishCopies(stage)
  assert.equal(stage.board.read().snapshotIndex, asked + 1)
  tickUntil(stage, [...beats, want], () => count(stage, 'snapshot') > 0)
  assert.equal(count(stage, 'audit'), 3 * 4, 'four were asked three times, and then nothing else')
})

test('who has left while it was asked is waited for no more: the majority is that of those that are left', () => {
  const said: string[] = []
  let names = 'abcde'
  const raft = {
    ...{ id: 'a', isLeader: true, stateLost: false },
    get membership() {
      return configurationOf(membersOf([...names]))
    },
    stateAgreed: (index: number) => void said.push(`agreed up to ${index}`),
    stateDoubted: () => undefined,
  } as unknown as Raft
  const state = { appliedIndex: 7, keepDigest: () => 1 } as unknown as StateMachine
  const say = (what: string) => () => void said.push(what)
  const audits = new Audits(
    { raft, state },
    {
      send: () => undefined,
      contradicted: say('contradicted'),
      undecided: say('undecided'),
      outvoted: say('outvoted'),
    },
  )
  for (let n = 0; n < 3; n++) audits.ask()
  audits.answered('b', { index: 7, digest: 1 })
  assert.deepEqual(said, [])
  names = 'ab'
  audits.ask()
  assert.deepEqual(said, ['agreed up to 7'])
})
