import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchOwner } from '../../src/codec/command.ts'
import { Proposals, type Route } from '../../src/storage/proposals.ts'
import { batchBytes, owner } from '../support/batches.ts'

const incarnation = 5

/** A leader that hears what is handed to it. */
function routeTo(leaderId: string | null, term = 1, isLossy = true) {
  const heard: number[] = []
  const route: Route = {
    leaderId,
    term,
    isLossy,
    send: (batch) => {
      heard.push(batchOwner(batch).sequence)
      return true
    },
  }
  return { route, heard }
}

function proposalsOf(...batches: number[]): Proposals {
  const proposals = new Proposals(owner, incarnation, 3)
  for (const batch of batches) proposals.add(batch, batchBytes([['put', 'k', batch]]))
  return proposals
}

function applied(proposals: Proposals, sequence: number, node = owner, life = incarnation) {
  const revisions = new Float64Array([sequence])
  return proposals.applied({
    owner: { node, incarnation: life, sequence },
    revisions,
    gap: false,
  })
}

test('batches go out in order, each once, numbered 1, 2, 3 …', () => {
  const proposals = proposalsOf(10, 11)
  const { route, heard } = routeTo('leader')
  proposals.pump(route)
  proposals.pump(route)
  proposals.add(12, batchBytes([['put', 'k', 12]]))
  proposals.pump(route)
  assert.deepEqual(heard, [1, 2, 3])
})

test('nothing goes out while no leader is known', () => {
  const proposals = proposalsOf(10)
  const { route, heard } = routeTo(null)
  proposals.pump(route)
  assert.deepEqual(heard, [])
  assert.equal(proposals.cancel(10), 'dropped')
  const later = routeTo('leader')
  proposals.pump(later.route)
  assert.deepEqual(later.heard, [], 'what was dropped never goes')
})

test('a new leader, and a new term of the old one, get all that is not applied', () => {
  const proposals = proposalsOf(10, 11, 12)
  const first = routeTo('a', 1)
  proposals.pump(first.route)
  assert.equal(applied(proposals, 1)?.batch, 10)
  const second = routeTo('b', 2)
  proposals.pump(second.route)
  const third = routeTo('b', 3)
  proposals.pump(third.route)
  assert.deepEqual(
    [first.heard, second.heard, third.heard],
    [
      [1, 2, 3],
      [2, 3],
      [2, 3],
    ],
  )
})

test('go-back-N: after a gap, or silence on a lossy way, all that is not applied goes again', () => {
  const proposals = proposalsOf(10, 11)
  const { route, heard } = routeTo('leader')
  proposals.pump(route)
  const gap = { owner: { node: owner, incarnation, sequence: 2 }, revisions: null, gap: true }
  assert.equal(proposals.applied(gap), null)
  proposals.pump(route)
  assert.deepEqual(heard, [1, 2, 1, 2])
  for (let tick = 0; tick < 3; tick++) proposals.tick(route)
  proposals.pump(route)
  assert.deepEqual(heard, [1, 2, 1, 2, 1, 2])
})

test('in our own log nothing is lost, so silence sends nothing again', () => {
  const proposals = proposalsOf(10)
  const { route, heard } = routeTo(owner, 1, false)
  proposals.pump(route)
  for (let tick = 0; tick < 10; tick++) proposals.tick(route)
  proposals.pump(route)
  assert.deepEqual(heard, [1])
})

test('a batch that was handed out cannot be dropped: it keeps its number, but answers nobody', () => {
  const proposals = proposalsOf(10, 11)
  const { route } = routeTo('leader')
  proposals.pump(route)
  assert.equal(proposals.cancel(10), 'sent')
  assert.equal(applied(proposals, 1), null)
  assert.equal(applied(proposals, 2)?.batch, 11)
  assert.equal(proposals.cancel(11), 'done')
})

test('batches of others, and of our former lives, are not ours to answer', () => {
  const proposals = proposalsOf(10)
  proposals.pump(routeTo('leader').route)
  assert.equal(applied(proposals, 1, '00000000000000bb'), null)
  assert.equal(applied(proposals, 1, owner, incarnation - 1), null)
  assert.equal(applied(proposals, 1)?.batch, 10)
})

test('a repetition is ours, but was answered before', () => {
  const proposals = proposalsOf(10, 11)
  proposals.pump(routeTo('leader').route)
  applied(proposals, 1)
  const repeated = { owner: { node: owner, incarnation, sequence: 1 }, revisions: null, gap: false }
  assert.equal(proposals.applied(repeated), null)
  assert.deepEqual(proposals.skipTo(2), [11])
})

test('what a snapshot has applied is not sent again, and its callers hear that nobody knows the answer', () => {
  const proposals = proposalsOf(10, 11, 12)
  proposals.pump(routeTo('leader').route)
  assert.equal(proposals.cancel(10), 'sent')
  assert.deepEqual(proposals.skipTo(2), [11])
  const { route, heard } = routeTo('leader')
  proposals.pump(route)
  assert.deepEqual(heard, [3])
  assert.equal(applied(proposals, 3)?.batch, 12)
})

test('what the window does not take waits, where it can still be dropped', () => {
  const proposals = new Proposals(owner, incarnation, 3)
  const large = 'x'.repeat(1_000_000)
  for (let batch = 1; batch <= 12; batch++) proposals.add(batch, batchBytes([['put', 'k', large]]))
  const { route, heard } = routeTo('leader')
  proposals.pump(route)
  assert.deepEqual(heard, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(proposals.cancel(12), 'dropped')
  applied(proposals, 1)
  proposals.pump(route)
  assert.equal(heard.at(-1), 10)
  assert.deepEqual([proposals.cancel(10), proposals.cancel(11)], ['sent', 'dropped'])
})

test('the window is empty again for a new leader, and after a resend', () => {
  const proposals = new Proposals(owner, incarnation, 3)
  const large = 'x'.repeat(1_000_000)
  for (let batch = 1; batch <= 9; batch++) proposals.add(batch, batchBytes([['put', 'k', large]]))
  const [first, second] = [routeTo('a', 1), routeTo('a', 2)]
  proposals.pump(first.route)
  proposals.pump(second.route)
  proposals.resend()
  proposals.pump(second.route)
  assert.deepEqual([first.heard.length, second.heard.length], [9, 18])
})

test('a lost batch is answered once, however many batches behind it find it missing', () => {
  const proposals = proposalsOf(10, 11, 12)
  const { route, heard } = routeTo('leader')
  proposals.pump(route)
  // The first was lost; the others come out of the log, each in a turn of its own.
  for (const sequence of [2, 3]) {
    proposals.applied({ owner: { node: owner, incarnation, sequence }, revisions: null, gap: true })
    proposals.pump(route)
  }
  assert.deepEqual(heard, [1, 2, 3, 1, 2, 3])
  // The next loss is another one.
  applied(proposals, 1)
  proposals.applied({
    owner: { node: owner, incarnation, sequence: 3 },
    revisions: null,
    gap: true,
  })
  proposals.pump(route)
  assert.deepEqual(heard.slice(6), [2, 3])
})

/** In vain, for the leader of this route. */
function ticksUntilResend(proposals: Proposals, { route, heard }: ReturnType<typeof routeTo>) {
  const before = heard.length
  for (let ticks = 1; ; ticks++) {
    proposals.tick(route)
    proposals.pump(route)
    if (heard.length > before) return ticks
  }
}

test('a new leader is given the first patience again', () => {
  const proposals = proposalsOf(10)
  const [first, second] = [routeTo('a', 1), routeTo('b', 2)]
  proposals.pump(first.route)
  for (const ticks of [3, 6, 12]) assert.equal(ticksUntilResend(proposals, first), ticks)
  proposals.pump(second.route)
  assert.equal(ticksUntilResend(proposals, second), 3)
})

test('a leader that stays silent is given the same ever more seldom, until something is applied', () => {
  const proposals = proposalsOf(10, 11)
  const silent = routeTo('leader')
  proposals.pump(silent.route)
  for (const ticks of [3, 6, 12, 24, 24]) assert.equal(ticksUntilResend(proposals, silent), ticks)
  applied(proposals, 1)
  assert.equal(ticksUntilResend(proposals, silent), 3)
})
