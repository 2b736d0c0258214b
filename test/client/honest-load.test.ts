/** Honest callers of a whole node's load, who must not be refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Load } from '../../src/client/load.ts'
import { SkiffError } from '../../src/errors.ts'
import { resolveOptions } from '../../src/options.ts'

const options = resolveOptions({})

/** Answers as they come: in slices, in bursts, and whoever got one asks again. */
class Callers {
  nowMs = 5_000
  refused = 0
  readonly load = new Load(options, () => this.nowMs)
  ask(count: number): void {
    for (let n = 0; n < count; n++) {
      try {
        this.load.checkWrite()
        this.load.add(0)
      } catch (error) {
        assert(error instanceof SkiffError)
        this.refused++
      }
    }
  }
  /** Main takes all messages that wait in one macrotask; the callers go on behind it, in microtasks. */
  answer(count: number, again = true): void {
    let answered = 0
    for (let left = Math.min(count, this.load.pending.requests); left > 0; left -= 256) {
      const slice = Math.min(256, left)
      this.load.remove(slice, 0)
      answered += slice
    }
    if (again) this.ask(answered)
    this.load.endTurn()
  }
}

test('a program that is busy for a moment is not refused for it, though its answers wait', () => {
  const callers = new Callers()
  callers.ask(16_000)
  callers.load.endTurn()
  const ms = (n: number) => {
    for (let i = 0; i < n; i++) {
      callers.nowMs++
      callers.answer(100)
    }
  }
  ms(2_000)
  assert.equal(callers.refused, 0, 'no pause, no refusal')
  callers.nowMs += 120
  // Storage went on meanwhile, what it answered is in the port.
  callers.answer(100 * 120)
  ms(500)
  assert.equal(callers.refused, 0)
})

test('a disk whose every sync takes long is no overload', () => {
  const callers = new Callers()
  callers.ask(5_000)
  callers.load.endTurn()
  callers.nowMs += 1
  callers.ask(5_000)
  callers.load.endTurn()
  // From the second turn on; what one more turn asks starts the measuring.
  callers.ask(1)
  callers.load.endTurn()
  for (let sync = 0; sync < 20; sync++) {
    callers.nowMs += 100
    const due = callers.load.pending.requests
    // Slices of 256, told as they are applied, 50 of them a burst.
    for (let done = 0; done < due; done += 256) {
      callers.nowMs += 0.5
      callers.answer(Math.min(256, due - done))
    }
  }
  assert.equal(callers.refused, 0)
})

test('the pace of those who ask little is no limit', () => {
  const callers = new Callers()
  callers.ask(5_000)
  callers.load.endTurn()
  callers.ask(1)
  callers.load.endTurn()
  for (let n = 0; n < 10; n++) {
    callers.nowMs++
    callers.answer(500, false)
  }
  callers.nowMs += 230
  callers.answer(1, false)
  assert.equal(callers.load.pending.requests, 0)
  callers.nowMs += 100
  for (let turn = 0; turn < 3; turn++) {
    callers.ask(4_000)
    callers.load.endTurn()
  }
  assert.equal(callers.refused, 0)
})

test('nobody is refused while there is no leader, whatever the pace was before', () => {
  const callers = new Callers()
  callers.ask(6_000)
  callers.load.endTurn()
  for (let n = 0; n < 1_000; n++) {
    callers.nowMs++
    callers.answer(40)
  }
  assert.equal(callers.refused, 0)
  // An election: nothing is answered. What comes in the first 500 ms may be taken for slowness.
  callers.nowMs += 501
  for (let n = 0; n < 500; n++) {
    callers.nowMs++
    callers.ask(40)
    callers.load.endTurn()
  }
  assert.equal(callers.refused, 0)
})
