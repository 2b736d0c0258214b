/** One simulated watcher: every event of its prefix must come, once, in order, and as it was. */
import { type PackedEvent, readEvents } from '../../src/codec/event.ts'
import type { Truth } from './truth.ts'
import { Violation } from './violation.ts'

export interface WatchOptions {
  readonly name: string
  readonly prefix: string
  readonly fromRevision: number | null
  readonly previous: boolean
  /** Chance that it takes what waits for it when it could. */
  readonly patience: number
  readonly truth: Truth
}

export class WatchedPrefix {
  unreadBytes = 0
  readonly prefix: string
  readonly patience: number
  /** Everything up to here has come; `null`: whatever comes first is the first. */
  #seen: number | null
  /** Live events count from behind this revision on; `null`: not live yet. */
  #liveFrom: number | null = null
  readonly #options: WatchOptions

  constructor(options: WatchOptions) {
    this.#options = options
    this.prefix = options.prefix
    this.patience = options.patience
    this.#seen = options.fromRevision === null ? null : options.fromRevision - 1
  }

  watching(revision: number): void {
    if (this.#seen === null) this.#seen = revision
    else this.#expectNothingUpTo(revision)
    this.#liveFrom = revision
  }

  history(events: Uint8Array): void {
    if (this.#liveFrom !== null) this.#broken('history behind the present')
    for (const event of readEvents(events)) this.#event(event, false)
  }

  live(events: Uint8Array): void {
    if (this.#liveFrom === null) return
    for (const event of readEvents(events)) {
      if (event.revision > this.#liveFrom && event.key.startsWith(this.prefix))
        this.#event(event, true)
    }
  }

  ended(revision: number): void {
    this.#expectNothingUpTo(revision - 1)
  }

  /** It was told from where on, or given something. */
  get hasBegun(): boolean {
    return this.#liveFrom !== null || this.unreadBytes > 0
  }

  /** All there is has come. */
  get isComplete(): boolean {
    const { changes } = this.#options.truth
    const rest = this.#seen === null ? [] : changes.slice(this.#seen)
    return this.#liveFrom !== null && rest.every(({ key }) => !key.startsWith(this.prefix))
  }

  #event({ revision, key, type, value, previous, byteLength }: PackedEvent, live: boolean): void {
    const change = this.#options.truth.changes[revision - 1]
    this.#expectNothingUpTo(revision - 1)
    this.#seen = revision
    this.unreadBytes += byteLength
    const isTrue =
      change?.key === key &&
      (type === 'delete') === (change.value === null) &&
      same(value, change.value)
    if (!isTrue) this.#broken(`event ${revision} of ${key} is not true`)
    const wanted = live && this.#options.previous
    if (wanted && !same(previous, change.previous)) this.#broken(`previous of ${revision}`)
  }

  /** Skipping what does not concern it. */
  #expectNothingUpTo(revision: number): void {
    if (this.#seen === null) return
    if (revision < this.#seen) this.#broken(`${revision} comes behind ${this.#seen}`)
    const { changes } = this.#options.truth
    for (let n = this.#seen + 1; n <= revision; n++)
      if (changes[n - 1]?.key.startsWith(this.prefix)) this.#broken(`event ${n} is missing`)
    this.#seen = revision
  }

  #broken(details: string): never {
    const { name, prefix } = this.#options
    throw new Violation(
      'a watch is complete, in order, and true',
      `${name} '${prefix}': ${details}`,
    )
  }
}

function same(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}
