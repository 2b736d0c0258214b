/**
 * The callers' reads. A linearizable one waits until storage has confirmed that the local state holds
 * everything acknowledged before (ReadIndex); all that are called in one event-loop turn wait together.
 * Then, and for stale ones at once, the state is read here, without a hop (storage/reader.ts).
 */
import type { Port } from '../actor/port.ts'
import { SkiffError, type SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import type { ReadOptions, ResolvedOptions } from '../options.ts'
import type { BoardReader } from '../storage/board.ts'
import type { StateReader } from '../storage/reader.ts'
import { now, onAbort, timeoutOf } from './deadline.ts'

interface Caller {
  /** Reads the state and resolves. */
  readonly run: () => void
  readonly reject: (error: unknown) => void
}

interface Question {
  readonly id: number
  readonly callers: Caller[]
  readonly deadline: number
  cancelledAt: number | null
}

/** As for writes (writes.ts). */
const cancelAnswerMs = 1_000

export class Reads {
  readonly #port: Port<NetworkToStorage, StorageToNetwork>
  readonly #options: ResolvedOptions
  readonly #board: BoardReader
  readonly #state: StateReader
  /** Called this turn, by timeout. */
  readonly #open = new Map<number, Caller[]>()
  readonly #asked = new Map<number, Question>()
  #questions = 0
  #requests = 0
  #flushScheduled = false

  constructor(
    port: Port<NetworkToStorage, StorageToNetwork>,
    options: ResolvedOptions,
    board: BoardReader,
    state: StateReader,
  ) {
    this.#port = port
    this.#options = options
    this.#board = board
    this.#state = state
  }

  get requests(): number {
    return this.#requests
  }

  /** What `read` makes of the state, once it is recent enough. */
  read<T>(options: ReadOptions | undefined, read: (state: StateReader) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#options.timeoutMs)
      const run = (): void => resolve(read(this.#state))
      if (this.#mayReadNow(options)) {
        this.#state.refresh()
        run()
        return
      }
      this.#wait(timeoutMs, run, reject, options?.signal)
    })
  }

  /** Storage has confirmed these: the local state is recent enough for them. */
  readable(ids: readonly number[]): void {
    this.#state.refresh()
    for (const id of ids) for (const { run, reject } of this.#take(id)) attempt(run, reject)
  }

  refused(id: number, error: SkiffErrorData): void {
    for (const { reject } of this.#take(id)) reject(SkiffError.fromData(error))
  }

  sweep(): void {
    const time = now()
    for (const question of this.#asked.values()) {
      if (question.cancelledAt === null && time >= question.deadline) {
        question.cancelledAt = time
        this.#port.post({ type: 'cancelRead', id: question.id })
      } else if (question.cancelledAt !== null && time >= question.cancelledAt + cancelAnswerMs) {
        this.refused(
          question.id,
          new SkiffError(
            'SKIFF_TIMEOUT',
            'not-applied',
            'the storage thread does not answer',
          ).toData(),
        )
      }
    }
    this.#port.flush()
  }

  failAll(failure: (outcome: 'not-applied' | 'unknown') => SkiffError): void {
    const waiting = [
      ...this.#open.values(),
      ...[...this.#asked.values()].map(({ callers }) => callers),
    ]
    this.#open.clear()
    this.#asked.clear()
    this.#requests = 0
    for (const { reject } of waiting.flat()) reject(failure('not-applied'))
  }

  #mayReadNow(options: ReadOptions | undefined): boolean {
    const consistency = options?.consistency ?? 'linearizable'
    if (consistency === 'stale') return true
    if (consistency !== 'linearizable') {
      throw new TypeError(
        `consistency: expected 'linearizable' or 'stale', got ${String(consistency)}`,
      )
    }
    return this.#board.leadsAlone
  }

  #wait(
    timeoutMs: number,
    run: () => void,
    reject: (error: unknown) => void,
    signal?: AbortSignal,
  ): void {
    if (this.#requests >= this.#options.requestsMax) {
      throw new SkiffError(
        'SKIFF_OVERLOADED',
        'not-applied',
        `${this.#requests} reads wait for an answer; the limit is ${this.#options.requestsMax}`,
      )
    }
    this.#requests++
    const release = onAbort(signal, reject)
    const caller: Caller = {
      run: () => {
        release()
        run()
      },
      reject: (error) => {
        release()
        reject(error)
      },
    }
    const open = this.#open.get(timeoutMs)
    if (open === undefined) this.#open.set(timeoutMs, [caller])
    else open.push(caller)
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#flushScheduled = false
    for (const [timeoutMs, callers] of this.#open) {
      this.#questions++
      this.#asked.set(this.#questions, {
        id: this.#questions,
        callers,
        deadline: now() + timeoutMs,
        cancelledAt: null,
      })
      this.#port.post({ type: 'read', id: this.#questions })
    }
    this.#open.clear()
    this.#port.flush()
  }

  #take(id: number): readonly Caller[] {
    const callers = this.#asked.get(id)?.callers ?? []
    this.#asked.delete(id)
    this.#requests -= callers.length
    return callers
  }
}

/** One caller's failure (a value that cannot be unpacked) is no other's. */
function attempt(run: () => void, reject: (error: unknown) => void): void {
  try {
    run()
  } catch (error) {
    reject(error)
  }
}
