/**
 * How long what waits for an answer will need. A number of requests says little: a hundred thousand are a second of
 * one node's work, and ten of a slow disk's. So once many wait, the pace at which answers come is measured; and where
 * none come, as while there is no leader, nothing is known, and nobody is refused for it.
 */
import { backlogRequestsMin } from '../options.ts'

/** Long enough that a slice of answers more or less does not matter. */
const windowMs = 50
/** No answer for so long is a pause, of a disk or of an election, and no pace. Longer than what waits may take by default. */
const pauseMs = 500
/** What was measured is as good as nothing when so much time has passed in which few were waiting. */
const memoryMs = 1_000

export class Backlog {
  readonly #waitMsMax: number
  readonly #now: () => number
  /** Many wait: when an answer came last, or else when they became many. `null`: few wait. */
  #heardMs: number | null = null
  /** Began with an answer, which it does not count: they come in bursts, and the first says nothing of those behind it. */
  #windowStartMs: number | null = null
  #answers = 0
  /** Answers per millisecond of the last two windows, newest first. */
  #paces: readonly number[] = []
  #measuredAtMs = Number.NEGATIVE_INFINITY

  constructor(waitMsMax: number, clock: () => number) {
    this.#waitMsMax = waitMsMax
    this.#now = clock
  }

  /** One more request, before which so many wait, would wait too long. Where many wait, the pace is measured from then on. */
  isTooLong(requests: number): boolean {
    if (requests < backlogRequestsMin) return false
    const nowMs = this.#now()
    this.#heardMs ??= this.#measureFrom(nowMs)
    if (nowMs - this.#heardMs > pauseMs || this.#paces.length === 0) return false
    // One that was cut short by a pause is followed by one with what had piled up.
    return requests > Math.max(...this.#paces) * this.#waitMsMax
  }

  /** How many were answered, and how many are left. */
  answered(count: number, left: number): void {
    if (this.#heardMs === null) return
    const nowMs = this.#now()
    const isPause = nowMs - this.#heardMs > pauseMs
    // Of few, what comes is what is asked, not what can be answered.
    this.#heardMs = left < backlogRequestsMin ? null : nowMs
    if (this.#windowStartMs === null || isPause) this.#openWindow(nowMs)
    else this.#count(count, nowMs - this.#windowStartMs, nowMs)
  }

  #measureFrom(nowMs: number): number {
    if (nowMs > this.#measuredAtMs + memoryMs) this.#paces = []
    this.#windowStartMs = null
    return nowMs
  }

  #count(answers: number, tookMs: number, nowMs: number): void {
    this.#answers += answers
    // One that ends with few is thrown away.
    if (tookMs < windowMs || this.#heardMs === null) return
    this.#paces = [this.#answers / tookMs, ...this.#paces.slice(0, 1)]
    this.#measuredAtMs = nowMs
    this.#openWindow(nowMs)
  }

  #openWindow(nowMs: number): void {
    this.#windowStartMs = nowMs
    this.#answers = 0
  }
}
