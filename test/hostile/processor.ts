/**
 * Time that this thread was at work, whatever else the machine does meanwhile: on a busy one the clock on the
 * wall says little about who held up whom.
 */
import { readFileSync } from 'node:fs'

/** How often the turns of the event loop are looked at: what is found is one turn, and this at most. */
const lookEveryMs = 1

/** Milliseconds since this thread began; where the system does not say, those of the whole process. */
export function threadMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  }
}

/** Finds the longest turn of this thread's event loop. */
export class TurnWatch {
  #longestMs = 0
  #seenMs = threadMs()
  // It keeps no process alive in which the watched has failed.
  readonly #timer = setInterval(() => this.#look(), lookEveryMs).unref()

  /** The longest of all turns since it was made. */
  stop(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.#longestMs
  }

  #look(): void {
    const now = threadMs()
    this.#longestMs = Math.max(this.#longestMs, now - this.#seenMs)
    this.#seenMs = now
  }
}
