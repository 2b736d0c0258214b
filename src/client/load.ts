/** What waits for an answer in one node, writes and reads together, and how much of it there may be. */
import { type Outcome, SkiffError } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import { assert } from '../raft/assert.ts'

export class Load {
  readonly #requestsMax: number
  readonly #bytesMax: number
  #requests = 0
  #bytes = 0
  #failure: ((outcome: Outcome) => SkiffError) | null = null

  constructor({ requestsMax, requestBytesMax }: ResolvedOptions) {
    this.#requestsMax = requestsMax
    this.#bytesMax = requestBytesMax
  }

  get pending(): { requests: number; bytes: number } {
    return { requests: this.#requests, bytes: this.#bytes }
  }

  /** @throws SkiffError why the node has stopped */
  checkEnd(): void {
    if (this.#failure !== null) throw this.#failure('not-applied')
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  checkRead(): void {
    this.checkEnd()
    if (this.#requests >= this.#requestsMax) throw this.#overloaded()
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  checkWrite(): void {
    this.checkEnd()
    if (this.#requests >= this.#requestsMax || this.#bytes >= this.#bytesMax)
      throw this.#overloaded()
  }

  /** The node has stopped. A step of a call that began before would wait for ever. */
  end(failure: (outcome: Outcome) => SkiffError): void {
    this.#failure = failure
  }

  /** One more request waits. */
  add(bytes: number): void {
    this.#requests++
    this.#bytes += bytes
  }

  remove(requests: number, bytes: number): void {
    this.#requests -= requests
    this.#bytes -= bytes
    assert(
      this.#requests >= 0 && this.#bytes >= 0,
      `${this.#requests} requests and ${this.#bytes} bytes wait`,
    )
  }

  #overloaded(): SkiffError {
    return new SkiffError(
      'SKIFF_OVERLOADED',
      'not-applied',
      `${this.#requests} requests and ${this.#bytes} bytes of writes wait for an answer; the limits are ${this.#requestsMax} and ${this.#bytesMax}`,
    )
  }
}
