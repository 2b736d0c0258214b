/** What waits for an answer in one node, writes and reads together, and how much of it there may be. */
import { SkiffError } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import { assert } from '../raft/assert.ts'

export class Load {
  readonly #requestsMax: number
  readonly #bytesMax: number
  #requests = 0
  #bytes = 0

  constructor({ requestsMax, requestBytesMax }: ResolvedOptions) {
    this.#requestsMax = requestsMax
    this.#bytesMax = requestBytesMax
  }

  get pending(): { requests: number; bytes: number } {
    return { requests: this.#requests, bytes: this.#bytes }
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  checkRead(): void {
    if (this.#requests >= this.#requestsMax) throw this.#overloaded()
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  checkWrite(): void {
    if (this.#requests >= this.#requestsMax || this.#bytes >= this.#bytesMax)
      throw this.#overloaded()
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
