/**
 * A watcher that moves to another local node when its own stops, or is removed from the cluster, from the
 * revision it had reached.
 */
import { SkiffError, type SkiffErrorCode } from '../errors.ts'
import type { WatchOptions } from '../options.ts'
import type { WatchEvent, Watcher } from '../store.ts'

/** Opens a watcher on a node that lives; without a revision it begins with the present. */
export type OpenWatcher<T> = (from: { fromRevision?: number }) => Watcher<T>

/** Local nodes that could serve a watcher. */
export interface Refuge {
  hasLive(): boolean
  hasLiveMember(): boolean
}

const stopped: readonly SkiffErrorCode[] = ['SKIFF_CLOSED', 'SKIFF_CRASHED', 'SKIFF_STORAGE']

export class MovingWatcher<T> implements Watcher<T> {
  readonly ready: Promise<void>
  readonly #open: OpenWatcher<T>
  readonly #refuge: Refuge
  /** Old values are not in the log, so such a watcher cannot go on elsewhere without a gap. */
  readonly #previous: boolean
  #watcher: Watcher<T>
  /** It is known where it began, so that it can go on from there. */
  #begun: boolean
  #closed = false

  constructor(
    open: OpenWatcher<T>,
    refuge: Refuge,
    { fromRevision, previous = false }: WatchOptions = {},
  ) {
    this.#open = open
    this.#refuge = refuge
    this.#previous = previous
    this.#begun = fromRevision !== undefined
    this.#watcher = open({})
    this.ready = this.#become()
    // Whoever iterates sees the error there; it must not also count as unhandled here.
    this.ready.catch(() => undefined)
  }

  get revision(): number {
    return this.#watcher.revision
  }

  async next(): Promise<IteratorResult<WatchEvent<T>>> {
    for (;;) {
      const watcher = this.#watcher
      try {
        const result = await watcher.next()
        // Of several takers one is told why a watcher ended; the others go where that one goes.
        if (!result.done || watcher === this.#watcher) return result
      } catch (error) {
        this.#leave(watcher, error)
      }
    }
  }

  async return(): Promise<IteratorResult<WatchEvent<T>>> {
    await this.close()
    return { done: true, value: undefined }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#watcher.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #become(): Promise<void> {
    for (;;) {
      const watcher = this.#watcher
      try {
        await watcher.ready
        this.#begun = true
        return
      } catch (error) {
        this.#leave(watcher, error)
      }
    }
  }

  /** Moves on from a watcher that ended with `error`, or throws that. */
  #leave(watcher: Watcher<T>, error: unknown): void {
    if (!this.#mayMove(error)) throw error
    if (watcher !== this.#watcher) return
    this.#watcher = this.#open(this.#begun ? { fromRevision: watcher.revision + 1 } : {})
  }

  #mayMove(error: unknown): boolean {
    if (!(error instanceof SkiffError) || this.#closed || this.#previous) return false
    // Where no member is left, whoever serves would refuse it again.
    if (error.code === 'SKIFF_MEMBERSHIP') return this.#refuge.hasLiveMember()
    // Of a node that lives, and whose state was wrong: so may be what it has told, and the revision it had reached.
    if (error.code === 'SKIFF_STORAGE' && error.revision !== null) return false
    return stopped.includes(error.code) && this.#refuge.hasLive()
  }
}
