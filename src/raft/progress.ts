import { assert } from './assert.ts'
import type { Index } from './types.ts'

/** What the leader knows about one other server (paper, figure 2: nextIndex, matchIndex). */
export class Progress {
  /**
   * The next entry to send. Starts after the leader's last entry, falls back while probing.
   * Always in [matchIndex + 1, lastIndex + 1]; entries in (matchIndex, nextIndex) are on their way.
   */
  nextIndex: Index
  /** The highest entry known to be on its disk and equal to ours. Never goes back. */
  matchIndex: Index = 0
  /** The highest commit index it was told. */
  commitSent: Index = 0
  /** Answered since the last check of the quorum. */
  active = true
  /** `probe`: one append at a time until one is accepted. `replicate`: a window of them. */
  mode: 'probe' | 'replicate' = 'probe'
  /** Last index of each append on its way, oldest first. */
  #inFlight: Index[] = []
  #ticksUnanswered = 0

  constructor(nextIndex: Index) {
    this.nextIndex = nextIndex
  }

  canSend(appendsInFlightMax: number): boolean {
    return this.#inFlight.length < (this.mode === 'probe' ? 1 : appendsInFlightMax)
  }

  /** An append up to `lastIndex` was sent (`nextIndex - 1` if it held no entries). */
  sent(lastIndex: Index): void {
    this.#inFlight.push(lastIndex)
    if (this.mode === 'replicate') this.nextIndex = lastIndex + 1
  }

  accepted(matchIndex: Index): void {
    this.#ticksUnanswered = 0
    this.matchIndex = Math.max(this.matchIndex, matchIndex)
    if (this.mode === 'probe') {
      this.mode = 'replicate'
      this.#inFlight = []
      this.nextIndex = this.matchIndex + 1
      return
    }
    this.#inFlight = this.#inFlight.filter((index) => index > matchIndex)
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1)
  }

  /** Is this the refusal of what we sent last, and not one that came late? */
  isCurrent(rejectIndex: Index): boolean {
    return this.mode === 'probe'
      ? rejectIndex === this.nextIndex - 1
      : rejectIndex > this.matchIndex
  }

  /** Sends again from `nextIndex`, one append at a time. */
  probe(nextIndex: Index): void {
    assert(nextIndex > this.matchIndex, `next ${nextIndex} is not above match ${this.matchIndex}`)
    this.mode = 'probe'
    this.nextIndex = nextIndex
    this.#inFlight = []
    this.#ticksUnanswered = 0
  }

  /** What was on its way is lost: the link broke, or nothing was answered for `ticksMax` ticks. */
  tick(ticksMax: number): void {
    if (this.#inFlight.length === 0) return
    this.#ticksUnanswered++
    if (this.#ticksUnanswered >= ticksMax) this.probe(this.matchIndex + 1)
  }
}
