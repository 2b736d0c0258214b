/**
 * The callers' watchers. Storage filters, packs and counts (storage/watchers.ts); here events wait, still
 * packed, until they are taken, and what was taken is reported back, which makes room for more.
 */
import type { Port } from '../actor/port.ts'
import { type PackedEvent, readEvents } from '../codec/event.ts'
import { prefixBytes } from '../codec/key.ts'
import { unpackValue } from '../codec/value.ts'
import { errorFromData, SkiffError, type SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import type { ResolvedOptions, WatchOptions } from '../options.ts'
import type { WatchEvent, Watcher } from '../store.ts'
import { onAbort } from './deadline.ts'
import { Queue } from './queue.ts'

export class Watchers {
  readonly #port: Port<NetworkToStorage, StorageToNetwork>
  readonly #options: ResolvedOptions
  readonly #watchers = new Map<number, LocalWatcher>()
  #ids = 0

  constructor(port: Port<NetworkToStorage, StorageToNetwork>, options: ResolvedOptions) {
    this.#port = port
    this.#options = options
  }

  /** @throws TypeError, SkiffError `SKIFF_OVERLOADED` */
  watch<T>(prefix: string, options: WatchOptions = {}): Watcher<T> {
    const { fromRevision = null, previous = false, signal } = options
    checkWatch(prefix, fromRevision, previous)
    signal?.throwIfAborted()
    if (this.#watchers.size >= this.#options.watchersMax) {
      throw new SkiffError(
        'SKIFF_OVERLOADED',
        'not-applied',
        `${this.#watchers.size} watchers are open, the limit`,
      )
    }
    this.#ids++
    const id = this.#ids
    const watcher = new LocalWatcher(prefix, fromRevision, previous, {
      consumed: (bytes) => this.#post({ type: 'consumed', id, bytes }),
      closed: () => this.#close(id),
    })
    watcher.follow(signal)
    this.#watchers.set(id, watcher)
    this.#post({ type: 'watch', id, prefix, fromRevision, previous })
    return watcher as Watcher<T>
  }

  watching(id: number, revision: number): void {
    this.#watchers.get(id)?.live(revision)
  }

  history(id: number, events: Uint8Array): void {
    const watcher = this.#watchers.get(id)
    for (const event of readEvents(events)) watcher?.push(event)
  }

  events(events: Uint8Array): void {
    for (const event of readEvents(events))
      for (const watcher of this.#watchers.values()) watcher.offer(event)
  }

  ended(id: number, error: SkiffErrorData): void {
    this.#watchers.get(id)?.end(errorFromData(error))
    this.#watchers.delete(id)
  }

  failAll(error: SkiffError): void {
    for (const watcher of this.#watchers.values()) watcher.end(error)
    this.#watchers.clear()
  }

  #close(id: number): void {
    if (this.#watchers.delete(id)) this.#post({ type: 'unwatch', id })
  }

  #post(message: NetworkToStorage): void {
    this.#port.post(message)
    this.#port.flush()
  }
}

interface Upstream {
  consumed(bytes: number): void
  closed(): void
}

interface Waiting {
  readonly resolve: (result: IteratorResult<WatchEvent>) => void
  readonly reject: (error: unknown) => void
}

/** Taken bytes are reported at this many, or when nothing is left to take. */
const reportBytes = 64 * 1024

class LocalWatcher implements Watcher {
  readonly ready: Promise<void>
  readonly #prefix: string
  readonly #previous: boolean
  readonly #upstream: Upstream
  #becomeReady: () => void = () => undefined
  #failReady: (error: unknown) => void = () => undefined
  /** Live events from this revision on are ours; `null` while the past is still being read. */
  #liveFrom: number | null = null
  readonly #beginsNow: boolean
  readonly #fromRevision: number
  readonly #queue = new Queue<PackedEvent>()
  readonly #waiting = new Queue<Waiting>()
  /** Revision of the newest event handed out, or behind which it began. */
  #delivered: number
  #consumedBytes = 0
  /** Set once nothing more will come; `error` is thrown to one taker, after what was queued. */
  #ended: { error: unknown } | null = null
  #release: () => void = () => undefined

  constructor(prefix: string, fromRevision: number | null, previous: boolean, upstream: Upstream) {
    this.#prefix = prefix
    this.#beginsNow = fromRevision === null
    this.#fromRevision = fromRevision ?? 1
    this.#delivered = this.#fromRevision - 1
    this.#previous = previous
    this.#upstream = upstream
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve
      this.#failReady = reject
    })
    // Whoever iterates sees the error there; it must not also count as unhandled here.
    this.ready.catch(() => undefined)
  }

  follow(signal: AbortSignal | undefined): void {
    this.#release = onAbort(signal, (reason) => {
      this.#queue.drain()
      this.end(reason)
      this.#upstream.closed()
    })
  }

  get revision(): number {
    const idle = this.#queue.length === 0 && this.#liveFrom !== null
    return idle ? Math.max(this.#delivered, (this.#liveFrom ?? 1) - 1) : this.#delivered
  }

  live(revision: number): void {
    this.#liveFrom = Math.max(revision + 1, this.#fromRevision)
    // What was before is none of its matter, so it is behind it.
    if (this.#beginsNow) this.#delivered = revision
    this.#becomeReady()
  }

  offer(event: PackedEvent): void {
    if (this.#liveFrom === null || event.revision < this.#liveFrom) return
    if (event.key.startsWith(this.#prefix)) this.push(event)
  }

  push(event: PackedEvent): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#queue.push(this.#own(event))
    else this.#hand(event, waiting)
  }

  /** What is queued can still be taken; then `error` is thrown, or, if `undefined`, iteration ends. */
  end(error: unknown): void {
    if (this.#ended !== null) return
    this.#ended = { error }
    this.#release()
    this.#failReady(
      error ?? new SkiffError('SKIFF_CLOSED', 'not-applied', 'the watcher was closed'),
    )
    for (const waiting of this.#waiting.drain()) this.#finish(waiting)
  }

  next(): Promise<IteratorResult<WatchEvent>> {
    return new Promise((resolve, reject) => {
      const event = this.#queue.shift()
      if (event !== undefined) this.#hand(event, { resolve, reject })
      else if (this.#ended !== null) this.#finish({ resolve, reject })
      else this.#waiting.push({ resolve, reject })
    })
  }

  async return(): Promise<IteratorResult<WatchEvent>> {
    await this.close()
    return { done: true, value: undefined }
  }

  async close(): Promise<void> {
    this.#queue.drain()
    this.end(undefined)
    this.#upstream.closed()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Its values are views: they would keep the events of everybody's whole turn in memory. */
  #own(event: PackedEvent): PackedEvent {
    const { value, previous } = event
    return { ...event, value: copyOf(value), previous: this.#previous ? copyOf(previous) : null }
  }

  #hand(event: PackedEvent, waiting: Waiting): void {
    this.#delivered = event.revision
    this.#consumedBytes += event.byteLength
    if (this.#consumedBytes >= reportBytes || this.#queue.length === 0) {
      this.#upstream.consumed(this.#consumedBytes)
      this.#consumedBytes = 0
    }
    try {
      waiting.resolve({ done: false, value: this.#unpack(event) })
    } catch (error) {
      waiting.reject(error)
    }
  }

  #finish({ resolve, reject }: Waiting): void {
    const error = this.#ended?.error
    this.#ended = { error: undefined }
    if (error === undefined) resolve({ done: true, value: undefined })
    else reject(error)
  }

  #unpack({ type, key, value, revision, previous }: PackedEvent): WatchEvent {
    const before = this.#previous && previous !== null ? { previous: unpackValue(previous) } : {}
    if (type === 'delete' || value === null) return { type: 'delete', key, revision, ...before }
    return { type: 'put', key, value: unpackValue(value), revision, ...before }
  }
}

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes)
}

function checkWatch(prefix: unknown, fromRevision: number | null, previous: boolean): void {
  prefixBytes(prefix)
  if (fromRevision === null) return
  if (!Number.isSafeInteger(fromRevision) || fromRevision < 1) {
    throw new TypeError(`fromRevision: expected an integer from 1 on, got ${String(fromRevision)}`)
  }
  if (previous) {
    throw new TypeError('previous: not together with fromRevision, for the log keeps no old values')
  }
}
