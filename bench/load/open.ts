/**
 * The open loop: operations begin when they are due, however many are still unanswered. A thread of its own keeps the
 * time (pacer.ts), for a timer of the main thread is a millisecond late, and asking the clock all the time would
 * take a core from the store.
 */
import { messageOf } from '../../src/errors.ts'
import { codeOf } from './closed.ts'
import type { Operation } from './operations.ts'
import { Pacer } from './pacer.ts'
import { randomIntegers } from './random.ts'
import { Schedule } from './schedule.ts'
import type { Window } from './window.ts'

/** Calls begun in one turn of the event loop, so that a program that is late still hears answers. */
const callsPerTurnMax = 2_048
/** Unanswered calls; what is due beyond is missed, and counted. */
const pendingMax = 400_000
const seed = 20_251

/** `open` makes the window, once all is ready for it. */
export async function runOpenLoop(
  operation: Operation,
  perSecond: number,
  open: () => Window,
): Promise<Window> {
  const schedule = new Schedule(perSecond, randomIntegers(seed))
  const pacer = await Pacer.start()
  const unanswered = new Unanswered()
  const window = open()
  const startMs = performance.now()
  try {
    while (window.isOpen(performance.now())) {
      const nowMs = performance.now()
      let calls = 0
      while (startMs + schedule.dueMs <= nowMs && calls < callsPerTurnMax) {
        calls++
        if (unanswered.count < pendingMax) begin(startMs + schedule.dueMs)
        else window.missed(1)
        schedule.next()
      }
      await pacer.sleepUntil(Math.min(startMs + schedule.dueMs, window.endMs))
    }
    window.missed(schedule.dueBefore(window.endMs - startMs))
    await unanswered.none()
    return window
  } finally {
    await pacer.close()
  }

  function begin(dueMs: number): void {
    const calledMs = performance.now()
    window.called()
    unanswered.begun()
    operation()
      .then(() => window.ended(dueMs, calledMs, performance.now()))
      .catch((error: unknown) => window.failed(codeOf(error), messageOf(error)))
      .finally(() => unanswered.ended())
  }
}

class Unanswered {
  #count = 0
  #whenNone: (() => void) | null = null

  get count(): number {
    return this.#count
  }

  begun(): void {
    this.#count++
  }

  ended(): void {
    this.#count--
    if (this.#count === 0) this.#whenNone?.()
  }

  none(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenNone = resolve
      if (this.#count === 0) resolve()
    })
  }
}
