/** When operations of the open loop are due, in milliseconds from its start. */
import type { RandomIntegers } from './random.ts'

const fractionSteps = 2 ** 32

/** A Poisson process: the gaps are exponential, as between callers who know nothing of each other. */
export class Schedule {
  readonly #gapMs: number
  readonly #random: RandomIntegers
  #dueMs = 0

  constructor(perSecond: number, random: RandomIntegers) {
    this.#gapMs = 1_000 / perSecond
    this.#random = random
    this.next()
  }

  /** Of the next operation. */
  get dueMs(): number {
    return this.#dueMs
  }

  next(): void {
    const fraction = (this.#random(fractionSteps) + 1) / (fractionSteps + 1)
    this.#dueMs -= Math.log(fraction) * this.#gapMs
  }

  /** How many that is, up to then. */
  dueBefore(ms: number): number {
    let operations = 0
    for (; this.#dueMs < ms; operations++) this.next()
    return operations
  }
}
