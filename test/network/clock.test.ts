import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startClock } from '../../src/network/clock.ts'

/** Resolves at the given tick, counted from 1. */
function ticking(tickMs: number): {
  count: () => number
  at(n: number): Promise<void>
  stop(): void
} {
  let count = 0
  const waiting = new Map<number, () => void>()
  const clock = startClock(tickMs, () => {
    count += 1
    waiting.get(count)?.()
  })
  return {
    count: () => count,
    at: (n) => new Promise((resolve) => waiting.set(n, resolve)),
    stop: () => clock.stop(),
  }
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('no more ticks come than time has passed for', async () => {
  const startMs = performance.now()
  const clock = ticking(5)
  await clock.at(20)
  clock.stop()
  // Late is allowed, early is not: a timer may fire up to a millisecond before its time.
  assert.ok(performance.now() - startMs >= 20 * 5 - 1)
})

test('a blocked event loop costs one tick, and the ticks after it come at their usual pace', async () => {
  const clock = ticking(20)
  await clock.at(1)
  block(400)
  const freedMs = performance.now()
  await clock.at(2)
  await clock.at(7)
  clock.stop()
  // Five ticks after the one for the stall; had the missed ones been made up for, they came at once.
  assert.ok(performance.now() - freedMs >= 5 * 20 - 1)
})

test('a stopped clock is silent, also when it is stopped by its own tick', async () => {
  let ticks = 0
  await new Promise<void>((resolve) => {
    const clock = startClock(1, () => {
      ticks += 1
      clock.stop()
      resolve()
    })
  })
  const other = ticking(1)
  await other.at(20)
  other.stop()
  assert.equal(ticks, 1)
})
