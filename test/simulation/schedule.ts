/**
 * Simulated time: a ring of buckets, one for each unit of time. What falls into the same unit runs in the
 * order in which it was planned, so a seed fixes the whole run.
 */
import { assert } from '../../src/raft/assert.ts'

/** Nothing may be planned further ahead than this. A power of two. */
const horizon = 8_192

export class Schedule {
  now = 0
  /** Things that have happened. */
  events = 0
  readonly #ring: (() => void)[][] = Array.from({ length: horizon }, () => [])

  after(delay: number, run: () => void): void {
    assert(delay >= 0 && delay < horizon, `${delay} is beyond the horizon`)
    const bucket = this.#ring[(this.now + delay) & (horizon - 1)]
    assert(bucket !== undefined, 'the ring has a hole')
    bucket.push(run)
  }

  /** Runs all that happens before `end`. */
  runUntil(end: number): void {
    for (; this.now < end; this.now++) this.#runBucket()
  }

  #runBucket(): void {
    const slot = this.now & (horizon - 1)
    const bucket = this.#ring[slot] ?? []
    // Not `for of`: what happens now may plan more for now.
    for (let next = 0; next < bucket.length; next++) bucket[next]?.()
    this.events += bucket.length
    this.#ring[slot] = []
  }
}
