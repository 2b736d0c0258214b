/**
 * The callers' writes: collected during one event-loop turn, packed once into one batch, sent as bytes,
 * and answered when storage says so.
 */
import type { Port } from '../actor/port.ts'
import { BatchWriter } from '../codec/command.ts'
import { SkiffError, type SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import {
  batchBytesMax,
  batchCommandsMax,
  type ResolvedOptions,
  type WriteOptions,
} from '../options.ts'
import { now, onAbort, timeoutOf } from './deadline.ts'

/** One caller: told the revision its command made, 0 if it changed nothing. */
interface Caller {
  readonly resolve: (revision: number) => void
  readonly reject: (error: unknown) => void
}

interface Batch {
  readonly id: number
  readonly callers: readonly Caller[]
  readonly bytes: number
  readonly deadline: number
  /** Storage was told that the deadline has passed; `null` before. */
  cancelledAt: number | null
}

/** A batch that is being filled; all of its commands have the same timeout. */
interface OpenBatch {
  readonly writer: BatchWriter
  callers: Caller[]
}

/** Storage answers a cancellation at once, unless its disk hangs. Then the outcome stays unknown. */
const cancelAnswerMs = 1_000

export class Writes {
  readonly #port: Port<NetworkToStorage, StorageToNetwork>
  readonly #options: ResolvedOptions
  /** By timeout. */
  readonly #open = new Map<number, OpenBatch>()
  readonly #sent = new Map<number, Batch>()
  #batches = 0
  #requests = 0
  #bytes = 0
  #flushScheduled = false

  constructor(port: Port<NetworkToStorage, StorageToNetwork>, options: ResolvedOptions) {
    this.#port = port
    this.#options = options
  }

  get pending(): { requests: number; bytes: number } {
    return { requests: this.#requests, bytes: this.#bytes }
  }

  put(key: string, value: unknown, options?: WriteOptions): Promise<number> {
    return this.#add(options, (writer) => writer.put(key, value))
  }

  delete(key: string, options?: WriteOptions): Promise<number> {
    return this.#add(options, (writer) => writer.delete(key))
  }

  applied(id: number, revisions: Float64Array): void {
    const batch = this.#take(id)
    if (batch === null) return
    for (const [n, caller] of batch.callers.entries()) caller.resolve(revisions[n] ?? 0)
  }

  refused(id: number, error: SkiffErrorData): void {
    const batch = this.#take(id)
    if (batch === null) return
    for (const caller of batch.callers) caller.reject(SkiffError.fromData(error))
  }

  /** Once a tick. */
  sweep(): void {
    const time = now()
    for (const batch of this.#sent.values()) {
      if (batch.cancelledAt === null && time >= batch.deadline) {
        batch.cancelledAt = time
        this.#port.post({ type: 'cancel', batch: batch.id })
      } else if (batch.cancelledAt !== null && time >= batch.cancelledAt + cancelAnswerMs) {
        const silent = new SkiffError(
          'SKIFF_TIMEOUT',
          'unknown',
          'the storage thread does not answer; the write may have happened, or still may',
        )
        this.refused(batch.id, silent.toData())
      }
    }
    this.#port.flush()
  }

  /** Nothing will be answered any more. */
  failAll(failure: (outcome: 'not-applied' | 'unknown') => SkiffError): void {
    for (const { callers } of this.#open.values())
      for (const caller of callers) caller.reject(failure('not-applied'))
    for (const { callers } of this.#sent.values())
      for (const caller of callers) caller.reject(failure('unknown'))
    this.#open.clear()
    this.#sent.clear()
    this.#requests = 0
    this.#bytes = 0
  }

  #add(options: WriteOptions | undefined, write: (writer: BatchWriter) => void): Promise<number> {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#options.timeoutMs)
      this.#checkLoad()
      const open = this.#openBatch(timeoutMs)
      const before = open.writer.byteLength
      write(open.writer)
      this.#requests++
      this.#bytes += open.writer.byteLength - before
      open.callers.push(
        options?.signal === undefined
          ? { resolve, reject }
          : abortable(options.signal, resolve, reject),
      )
      if (open.writer.byteLength >= batchBytesMax || open.writer.count === batchCommandsMax)
        this.#flush()
      else this.#scheduleFlush()
    })
  }

  #checkLoad(): void {
    const { requestsMax, requestBytesMax } = this.#options
    if (this.#requests < requestsMax && this.#bytes < requestBytesMax) return
    throw new SkiffError(
      'SKIFF_OVERLOADED',
      'not-applied',
      `${this.#requests} writes and ${this.#bytes} bytes wait for an answer; the limits are ${requestsMax} and ${requestBytesMax}`,
    )
  }

  #openBatch(timeoutMs: number): OpenBatch {
    const known = this.#open.get(timeoutMs)
    if (known !== undefined) return known
    const fresh: OpenBatch = { writer: new BatchWriter(this.#options), callers: [] }
    this.#open.set(timeoutMs, fresh)
    return fresh
  }

  /** At the end of the event-loop turn: what was called in it goes together. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#flushScheduled = false
    for (const [timeoutMs, { writer, callers }] of this.#open) {
      if (callers.length === 0) {
        this.#open.delete(timeoutMs)
        continue
      }
      this.#batches++
      const bytes = writer.finish()
      this.#sent.set(this.#batches, {
        id: this.#batches,
        callers,
        bytes: bytes.length,
        deadline: now() + timeoutMs,
        cancelledAt: null,
      })
      this.#port.post({ type: 'propose', batch: this.#batches, bytes }, [bytes.buffer])
      this.#open.set(timeoutMs, { writer, callers: [] })
    }
    this.#port.flush()
  }

  #take(id: number): Batch | null {
    const batch = this.#sent.get(id)
    if (batch === undefined) return null
    this.#sent.delete(id)
    this.#requests -= batch.callers.length
    this.#bytes = Math.max(0, this.#bytes - batch.bytes)
    return batch
  }
}

/** An aborted caller hears of it at once; its command stays in the batch, and may happen. */
function abortable(
  signal: AbortSignal,
  resolve: (revision: number) => void,
  reject: (error: unknown) => void,
): Caller {
  const release = onAbort(signal, reject)
  return {
    resolve: (revision) => {
      release()
      resolve(revision)
    },
    reject: (error) => {
      release()
      reject(error)
    },
  }
}
