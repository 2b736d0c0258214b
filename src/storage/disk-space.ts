/**
 * Watches the space that is left. Below the low mark writes are refused; far below it the node stops, for
 * the state is written through a memory map, where a full disk is no error but the end of the process
 * (SIGBUS).
 */
import { SkiffError } from '../errors.ts'

/** Writes are refused below the low mark; the node stops below this part of it. */
const hardMarkPart = 1 / 4
/** Written since the last look; much less than what lies between the marks. */
const lookEveryPart = 1 / 16
/** About once a second: others may fill the disk as well. */
const lookEveryTicks = 40

export class DiskSpace {
  readonly #measure: () => number
  readonly #lowMark: number
  #freeBytes: number
  #spentBytes = 0
  #ticks = 0

  /** A low mark of 0 asks for no care. */
  constructor(measure: () => number, lowMark: number) {
    this.#measure = measure
    this.#lowMark = lowMark
    this.#freeBytes = measure()
  }

  /** Why no write may be taken now, or `null`. */
  get trouble(): string | null {
    if (this.#freeBytes >= this.#lowMark) return null
    return `the disk has ${this.#freeBytes} bytes left, fewer than diskFreeBytesMin (${this.#lowMark}); free some space`
  }

  tick(): void {
    this.#ticks++
    if (this.#ticks >= lookEveryTicks) this.#look()
  }

  /**
   * Before so many bytes are written.
   * @throws SkiffError `SKIFF_STORAGE` when there may not be room for them
   */
  spend(bytes: number): void {
    this.#spentBytes += bytes
    if (this.#spentBytes > this.#lowMark * lookEveryPart) this.#look()
    const hardMark = this.#lowMark * hardMarkPart
    if (this.#freeBytes >= hardMark) return
    this.#look()
    if (this.#freeBytes >= hardMark) return
    throw new SkiffError(
      'SKIFF_STORAGE',
      'unknown',
      `the disk is full: ${this.#freeBytes} bytes left, fewer than a quarter of diskFreeBytesMin (${this.#lowMark}). The node has stopped; free some space, then start it again`,
    )
  }

  #look(): void {
    this.#freeBytes = this.#measure()
    this.#spentBytes = 0
    this.#ticks = 0
  }
}
