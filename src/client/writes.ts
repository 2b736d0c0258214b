/**
 * The callers' writes: collected during one event-loop turn, packed once into one batch, sent as bytes,
 * and answered when storage says so.
 */
import type { Port } from '../actor/port.ts'
import { BatchWriter } from '../codec/command.ts'
import type { Outcome, SkiffError, SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import {
  batchBytesMax,
  batchCommandsMax,
  callFields,
  checkFields,
  type ResolvedOptions,
  type WriteOptions,
} from '../options.ts'
import { abortable, timeoutOf } from './deadline.ts'
import type { Load } from './load.ts'
import { Questions } from './questions.ts'

export class Writes {
  readonly #timeoutMs: number
  readonly #load: Load
  /** Each is a batch; a caller is told the revision its command made, 0 if it changed nothing. */
  readonly #batches: Questions<BatchWriter, number>

  constructor(
    port: Port<NetworkToStorage, StorageToNetwork>,
    options: ResolvedOptions,
    load: Load,
  ) {
    this.#timeoutMs = options.timeoutMs
    this.#load = load
    this.#batches = new Questions(port, load, {
      begin: () => new BatchWriter(options),
      ask: (batch, writer) => {
        const bytes = writer.finish()
        port.post({ type: 'propose', batch, bytes }, [bytes.buffer])
      },
      cancel: (batch) => port.post({ type: 'cancel', batch }),
      unanswered: 'unknown',
    })
  }

  put(key: string, value: unknown, options?: WriteOptions): Promise<{ revision: number }> {
    return this.#add(
      options,
      (writer) => writer.put(key, value),
      (revision) => ({ revision }),
    )
  }

  delete(key: string, options?: WriteOptions): Promise<boolean> {
    return this.#add(
      options,
      (writer) => writer.delete(key),
      (revision) => revision > 0,
    )
  }

  applied(batch: number, revisions: Float64Array): void {
    for (const [n, caller] of this.#batches.take(batch).entries()) caller.resolve(revisions[n] ?? 0)
  }

  refused(batch: number, error: SkiffErrorData): void {
    this.#batches.refuse(batch, error)
  }

  /** Once a tick. */
  sweep(): void {
    this.#batches.sweep()
  }

  stopAsking(failure: (outcome: Outcome) => SkiffError): void {
    this.#batches.stopAsking(failure)
  }

  failAll(failure: (outcome: Outcome) => SkiffError): void {
    this.#batches.failAll(failure)
  }

  /** An aborted caller hears of it at once; its command stays in the batch, and may happen. */
  #add<Result>(
    options: WriteOptions | undefined,
    write: (writer: BatchWriter) => void,
    resultOf: (revision: number) => Result,
  ): Promise<Result> {
    return new Promise((settle, reject) => {
      checkFields(options, 'options', callFields)
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#timeoutMs)
      this.#load.checkWrite()
      const draft = this.#batches.draft(timeoutMs)
      const writer = draft.content
      const before = writer.byteLength
      write(writer)
      const resolve = (revision: number): void => settle(resultOf(revision))
      const caller = abortable(options?.signal, { resolve, reject })
      this.#batches.join(draft, caller, writer.byteLength - before)
      if (writer.byteLength >= batchBytesMax || writer.count === batchCommandsMax)
        this.#batches.flush()
    })
  }
}
