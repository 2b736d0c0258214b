/** What waits for an answer in one node, writes and reads together, and how much of it there may be. */
import { type Outcome, SkiffError } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import { assert } from '../raft/assert.ts'
import { Backlog } from './backlog.ts'
import { now } from './deadline.ts'

export class Load {
  readonly #requestsMax: number
  readonly #bytesMax: number
  readonly #backlogMsMax: number
  readonly #backlog: Backlog
  #requests = 0
  /** Of them, those of earlier turns: one turn may ask for as much as it likes. */
  #earlier = 0
  #bytes = 0
  #failure: ((outcome: Outcome) => SkiffError) | null = null

  constructor(
    { requestsMax, requestBytesMax, backlogMsMax }: ResolvedOptions,
    clock: () => number = now,
  ) {
    this.#requestsMax = requestsMax
    this.#bytesMax = requestBytesMax
    this.#backlogMsMax = backlogMsMax
    this.#backlog = new Backlog(backlogMsMax, clock)
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
    this.#checkRequests()
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  checkWrite(): void {
    this.checkEnd()
    this.#checkRequests()
    this.#checkBytes()
    this.#checkBacklog()
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

  /** What follows is asked for while this waits already. */
  endTurn(): void {
    this.#earlier = this.#requests
  }

  remove(requests: number, bytes: number): void {
    this.#requests -= requests
    this.#earlier = Math.max(0, this.#earlier - requests)
    this.#bytes -= bytes
    assert(
      this.#requests >= 0 && this.#bytes >= 0,
      `${this.#requests} requests and ${this.#bytes} bytes wait`,
    )
    this.#backlog.answered(requests, this.#requests)
  }

  #checkRequests(): void {
    if (this.#requests < this.#requestsMax) return
    const limit = `\`requestsMax\` is ${this.#requestsMax}`
    throw overloaded(`${this.#requests} requests wait for an answer; ${limit}`)
  }

  /** Not of reads: a round of heartbeats confirms all that wait. */
  #checkBacklog(): void {
    if (!this.#backlog.isTooLong(this.#earlier)) return
    const limit = `\`backlogMsMax\` is ${this.#backlogMsMax}`
    const reason = `${this.#earlier} requests wait for an answer, too many for the pace of the answers`
    throw overloaded(`${reason}; ${limit}`)
  }

  #checkBytes(): void {
    if (this.#bytes < this.#bytesMax) return
    const limit = `\`requestBytesMax\` is ${this.#bytesMax}`
    throw overloaded(`${this.#bytes} bytes of writes wait for an answer; ${limit}`)
  }
}

/** Without a stack trace, which takes longer than a put: so many of them would take the time of what was let in. */
function overloaded(reason: string): SkiffError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new SkiffError('SKIFF_OVERLOADED', 'not-applied', reason)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
