/**
 * How long what waits for an answer will need. A number of requests says little: a hundred thousand are a second of
 * one node's work, and ten of a slow disk's. So once many wait, the pace at which answers come is measured; and where
 * none come, as while there is no leader, nothing is known, and nobody is refused for it.
 */
import { backlogRequestsMin } from '../options.ts'

/** Long enough that a slice of answers more or less does not matter. */
const windowMs = 50
/** No answer for so long is a pause, of a disk or of an election, and no pace. */
const pauseMs = 250
/** What was measured is as good as nothing when so much time has passed in which few were waiting. */
const memoryMs = 1_000

export class Backlog {
  readonly #waitMsMax: number
  readonly #now: () => number
  /** Answers per millisecond, as last measured. */
  #pace = Number.POSITIVE_INFINITY
  /** Of the window in which it is being measured; `null`: not so many wait. */
  #windowSince: number | null = null
  #answers = 0
  #measuredAt = Number.NEGATIVE_INFINITY

  constructor(waitMsMax: number, clock: () => number) {
    this.#waitMsMax = waitMsMax
    this.#now = clock
  }

  /** One more request, before which so many wait, would wait too long. */
  isTooLong(requests: number): boolean {
    if (requests < backlogRequestsMin) return false
    this.#windowSince ??= this.#measureFrom(this.#now())
    return requests > this.#pace * this.#waitMsMax
  }

  /** How many were answered, and how many are left. */
  answered(count: number, left: number): void {
    if (this.#windowSince === null) return
    const nowMs = this.#now()
    this.#answers += count
    const tookMs = nowMs - this.#windowSince
    if (tookMs < windowMs) return
    if (tookMs < pauseMs) {
      this.#pace = this.#answers / tookMs
      this.#measuredAt = nowMs
    }
    this.#answers = 0
    this.#windowSince = left < backlogRequestsMin ? null : nowMs
  }

  #measureFrom(nowMs: number): number {
    this.#answers = 0
    if (nowMs > this.#measuredAt + memoryMs) this.#pace = Number.POSITIVE_INFINITY
    return nowMs
  }
}
