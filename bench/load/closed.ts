/** The closed loop: each caller waits for its answer before it goes on. */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { messageOf } from '../../src/errors.ts'
import type { Operation } from './operations.ts'
import type { Window } from './window.ts'

/** A store that answers at once, as one in memory does, must not keep the event loop from turning for longer. */
const withoutTurnMs = 5
const turnMs = 1
/** After a failure, so that a store that refuses everything is not asked all the time. */
const failedMs = 10

export async function runClosedLoop(
  operation: Operation,
  callers: number,
  open: () => Window,
): Promise<Window> {
  const window = open()
  const loop = new EventLoop()
  const call = async () => {
    let startMs = performance.now()
    while (window.isOpen(startMs)) {
      try {
        window.called()
        await operation()
        const endMs = performance.now()
        window.ended(startMs, startMs, endMs)
        startMs = endMs
      } catch (error) {
        window.failed(codeOf(error), messageOf(error))
        await pause(failedMs)
        startMs = performance.now()
      }
      if (loop.isStarved(startMs)) {
        await loop.turned()
        startMs = performance.now()
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: callers }, call))
    return window
  } finally {
    loop.close()
  }
}

export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error ? error.name : 'unknown'
}

/** Where answers come without a turn of the event loop, all callers wait for one now and then. */
class EventLoop {
  readonly #timer: NodeJS.Timeout
  #turnedAtMs = performance.now()
  #turning: Promise<void> | null = null

  constructor() {
    this.#timer = setInterval(() => {
      this.#turnedAtMs = performance.now()
    }, turnMs).unref()
  }

  isStarved(nowMs: number): boolean {
    return this.#turning !== null || nowMs - this.#turnedAtMs > withoutTurnMs
  }

  turned(): Promise<void> {
    this.#turning ??= turn().then(() => {
      this.#turnedAtMs = performance.now()
      this.#turning = null
    })
    return this.#turning
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
