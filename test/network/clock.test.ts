import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Clock, startClock } from '../../src/network/clock.ts'

const tickMs = 20

/** A clock in a world where time passes when the test says so. */
class World {
  readonly clock: Clock
  ticks = 0
  readonly #timers: TestContext['mock']['timers']
  #nowMs = 1_000

  constructor({ mock }: TestContext) {
    mock.timers.enable({ apis: ['setTimeout'] })
    mock.method(performance, 'now', () => this.#nowMs)
    this.#timers = mock.timers
    this.clock = startClock(tickMs, () => {
      this.ticks += 1
    })
  }

  /** Time passes, and the event loop comes to its timers `lateMs` behind it. */
  pass(ms: number, lateMs = 0): number {
    this.#nowMs += ms + lateMs
    this.#timers.tick(ms)
    return this.ticks
  }
}

test('a tick comes whenever its time has passed, and not before', (t) => {
  const world = new World(t)
  for (let tick = 1; tick <= 5; tick++) {
    assert.equal(world.pass(tickMs - 1), tick - 1)
    assert.equal(world.pass(1), tick)
  }
})

test('a late tick does not delay the ones after it', (t) => {
  const world = new World(t)
  assert.equal(world.pass(tickMs, 15), 1)
  assert.equal(world.pass(4), 1)
  assert.equal(world.pass(1), 2)
  assert.equal(world.pass(tickMs), 3)
})

test('a blocked event loop costs one tick, and the ticks after it come at their usual pace', (t) => {
  const world = new World(t)
  assert.equal(world.pass(tickMs, 50 * tickMs), 1)
  assert.equal(world.pass(tickMs - 1), 1)
  assert.equal(world.pass(1), 2)
  assert.equal(world.pass(tickMs), 3)
})

test('a stopped clock is silent', (t) => {
  const world = new World(t)
  world.pass(tickMs)
  world.clock.stop()
  assert.equal(world.pass(10 * tickMs), 1)
})

test('a clock stopped by its own tick is silent, in real time', async () => {
  let ticks = 0
  await new Promise<void>((resolve) => {
    const clock = startClock(1, () => {
      ticks += 1
      clock.stop()
      resolve()
    })
  })
  await new Promise<void>((resolve) => {
    let others = 0
    const other = startClock(1, () => {
      others += 1
      if (others === 20) resolve()
      if (others === 20) other.stop()
    })
  })
  assert.equal(ticks, 1)
})
