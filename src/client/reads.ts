/**
 * The callers' reads. A linearizable one waits until storage has confirmed that the local state holds
 * everything acknowledged before (ReadIndex); all that are called in one event-loop turn wait together.
 * Then, and for stale ones at once, the state is read here, without a hop (storage/reader.ts).
 */
import type { Port } from '../actor/port.ts'
import type { Outcome, SkiffError, SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import type { CallOptions, ReadOptions, ResolvedOptions } from '../options.ts'
import type { BoardReader } from '../storage/board.ts'
import type { StateReader } from '../storage/reader.ts'
import { abortable, timeoutOf } from './deadline.ts'
import type { Load } from './load.ts'
import { Questions } from './questions.ts'

export interface ReadParts {
  readonly port: Port<NetworkToStorage, StorageToNetwork>
  readonly options: ResolvedOptions
  readonly load: Load
  readonly board: BoardReader
  readonly state: StateReader
}

export class Reads {
  readonly #port: Port<NetworkToStorage, StorageToNetwork>
  readonly #timeoutMs: number
  readonly #load: Load
  readonly #board: BoardReader
  readonly #state: StateReader
  readonly #questions: Questions<null, StateReader>
  /** As of which the state was looked at last. */
  #seenIndex = -1

  constructor({ port, options, load, board, state }: ReadParts) {
    this.#port = port
    this.#timeoutMs = options.timeoutMs
    this.#load = load
    this.#board = board
    this.#state = state
    this.#questions = new Questions(port, load, {
      begin: () => null,
      ask: (id) => port.post({ type: 'read', id }),
      cancel: (id) => port.post({ type: 'cancelRead', id }),
      unanswered: 'not-applied',
    })
  }

  /** What `read` makes of the state, once it is recent enough. */
  read<T>(options: ReadOptions | undefined, read: (state: StateReader) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#timeoutMs)
      // From then on the state is closed.
      this.#load.checkEnd()
      if (this.#mayReadNow(options)) {
        this.#refresh()
        resolve(read(this.#state))
        return
      }
      this.#wait(timeoutMs, options?.signal, reject, (state) => resolve(read(state)))
    })
  }

  /**
   * Resolves when this thread has heard of everything acknowledged before. Asks storage in any case: the
   * board may know more than the messages that are on their way.
   */
  catchUp(options?: CallOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#timeoutMs)
      this.#wait(timeoutMs, options?.signal, reject, () => resolve())
    })
  }

  /** Storage has confirmed these: the local state is recent enough for them. */
  readable(ids: readonly number[]): void {
    // It was, and has turned out to be wrong since, or been replaced: asked again, storage answers for the next.
    if (this.#board.isStateBad) {
      this.#askAgain(ids)
      return
    }
    const callers = ids.flatMap((id) => this.#questions.take(id))
    // An answer to nobody may come after the end.
    if (callers.length === 0) return
    this.#state.refresh()
    for (const caller of callers) caller.resolve(this.#state)
  }

  refused(id: number, error: SkiffErrorData): void {
    this.#questions.refuse(id, error)
  }

  /** Once a tick. */
  sweep(): void {
    this.#questions.sweep()
  }

  stopAsking(failure: (outcome: Outcome) => SkiffError): void {
    this.#questions.stopAsking(failure)
  }

  failAll(failure: (outcome: Outcome) => SkiffError): void {
    this.#questions.failAll(failure)
  }

  /** Only where something was applied since: it costs more than the read. The board knows before any caller does. */
  #refresh(): void {
    const { appliedIndex } = this.#board
    if (appliedIndex === this.#seenIndex) return
    this.#seenIndex = appliedIndex
    this.#state.refresh()
  }

  #askAgain(ids: readonly number[]): void {
    for (const id of ids) if (this.#questions.isAsked(id)) this.#port.post({ type: 'read', id })
    this.#port.flush()
  }

  #mayReadNow(options: ReadOptions | undefined): boolean {
    const consistency = options?.consistency ?? 'linearizable'
    // What is here is no older state but a wrong one: then the leader is asked, and the right one waited for.
    if (consistency === 'stale') return !this.#board.isStateBad
    if (consistency !== 'linearizable') {
      throw new TypeError(
        `consistency: expected 'linearizable' or 'stale', got ${String(consistency)}`,
      )
    }
    return this.#board.leadsAlone
  }

  #wait(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    reject: (error: unknown) => void,
    run: (state: StateReader) => void,
  ): void {
    this.#load.checkRead()
    // One caller's failure (a value that cannot be unpacked) is no other's.
    const resolve = (state: StateReader): void => {
      try {
        run(state)
      } catch (error) {
        reject(error)
      }
    }
    const caller = abortable(signal, { resolve, reject })
    this.#questions.join(this.#questions.draft(timeoutMs), caller, 0)
  }
}
