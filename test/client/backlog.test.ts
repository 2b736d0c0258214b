/** Who comes while more wait than can be answered soon is refused, and nobody for a pause of the others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backlog } from '../../src/client/backlog.ts'

const waitMsMax = 100

/** A queue that is told of every request and every answer, by a clock of the test's. */
class Waiting {
  readonly #backlog = new Backlog(waitMsMax, () => this.nowMs)
  nowMs = 5_000
  requests = 0

  /** How many of so many were let in. */
  offer(count: number): number {
    const before = this.requests
    for (let n = 0; n < count; n++) if (!this.#backlog.isTooLong(this.requests)) this.requests++
    return this.requests - before
  }

  answer(count: number): void {
    this.requests -= count
    this.#backlog.answered(count, this.requests)
  }

  /** `perMs` are offered and `answersPerMs` answered, for so long. How many were refused. */
  run(ms: number, perMs: number, answersPerMs: number): number {
    let refused = 0
    for (let n = 0; n < ms; n++) {
      this.nowMs++
      refused += perMs - this.offer(perMs)
      if (answersPerMs > 0) this.answer(Math.min(answersPerMs, this.requests))
    }
    return refused
  }
}

test('at ten times the pace no more is let in than can be answered in time', () => {
  const waiting = new Waiting()
  waiting.run(1_000, 1_000, 100)
  for (let n = 0; n < 100; n++) {
    const refused = waiting.run(10, 1_000, 100)
    assert.ok(waiting.requests <= 100 * waitMsMax + 1_000, `${waiting.requests} wait`)
    assert.ok(waiting.requests > 5_000, 'what can be answered in time is still let in')
    assert.ok(refused > 0)
  }
})

test('a few thousand may wait, however slow the answers', () => {
  const waiting = new Waiting()
  assert.equal(waiting.run(10_000, 1, 1), 0)
  assert.equal(waiting.offer(4_000), 4_000)
  assert.equal(waiting.run(1_000, 1, 1), 0)
})

test('while no answer comes nobody is refused, nor for what had piled up meanwhile', () => {
  const waiting = new Waiting()
  assert.equal(waiting.run(1_000, 20, 20), 0)
  assert.equal(waiting.run(500, 20, 0), 0, 'there is no leader')
  assert.equal(waiting.run(1_000, 20, 140), 0, 'there is one')
})

test('nor where the pace was known before', () => {
  const waiting = new Waiting()
  waiting.run(1_000, 1_000, 100)
  waiting.run(600, 0, 0)
  assert.equal(waiting.run(100, 10, 0), 0)
})

test('what was measured is forgotten once few have waited for a while', () => {
  const waiting = new Waiting()
  waiting.run(1_000, 1_000, 50)
  assert.ok(waiting.offer(1_000) < 1_000)
  waiting.run(3_000, 10, 50)
  assert.equal(waiting.offer(50_000), 50_000)
})

test('what was measured holds where the many come back at once', () => {
  const waiting = new Waiting()
  waiting.run(1_000, 1_000, 50)
  waiting.run(200, 0, 50)
  assert.ok(waiting.requests < 4_096)
  assert.ok(waiting.offer(50_000) < 10_000)
})

test('two pauses with an answer between them are no pace either', () => {
  const waiting = new Waiting()
  waiting.offer(20_000)
  waiting.offer(1)
  for (let n = 0; n < 3; n++) {
    waiting.nowMs += 600
    waiting.answer(256)
  }
  assert.equal(waiting.offer(1_000), 1_000)
})

test('answers that leave few are no pace: there was no more to answer', () => {
  const waiting = new Waiting()
  waiting.offer(4_100)
  waiting.offer(1)
  waiting.answer(1)
  waiting.nowMs += 60
  waiting.answer(100)
  assert.ok(waiting.requests < 4_096)
  assert.equal(waiting.offer(10_000), 10_000)
})
