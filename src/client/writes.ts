/**
 * The callers' writes: collected during one event-loop turn, packed once into one batch, sent as bytes,
 * and answered when storage says so.
 */
import type { Port } from '../actor/port.ts'
import { checkFields } from '../checks.ts'
import { BatchWriter } from '../codec/command.ts'
import type { Outcome, SkiffError, SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import {
  batchBytesMax,
  batchCommandsMax,
  callFields,
  type ResolvedOptions,
  type WriteOptions,
} from '../options.ts'
import { abortable, type Caller, timeoutOf } from './deadline.ts'
import type { Load } from './load.ts'
import { type Draft, Questions } from './questions.ts'

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
    return new Promise((resolve, reject) => {
      const draft = this.#open(options)
      const before = draft.content.byteLength
      draft.content.put(key, value)
      this.#join(draft, new Writing(resolve, reject, revisionMade), before, options)
    })
  }

  delete(key: string, options?: WriteOptions): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const draft = this.#open(options)
      const before = draft.content.byteLength
      draft.content.delete(key)
      this.#join(draft, new Writing(resolve, reject, hasExisted), before, options)
    })
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

  /** The batch that a command of now belongs to. */
  #open(options: WriteOptions | undefined): WriteDraft {
    checkFields(options, 'options', callFields)
    options?.signal?.throwIfAborted()
    const timeoutMs = timeoutOf(options, this.#timeoutMs)
    this.#load.checkWrite()
    return this.#batches.draft(timeoutMs)
  }

  /** An aborted caller hears of it at once; its command stays in the batch, and may happen. */
  #join(
    draft: WriteDraft,
    caller: Caller<number>,
    before: number,
    options: WriteOptions | undefined,
  ): void {
    const { byteLength, count } = draft.content
    this.#batches.join(draft, abortable(options?.signal, caller), byteLength - before)
    if (byteLength >= batchBytesMax || count === batchCommandsMax) this.#batches.flush()
  }
}

type WriteDraft = Draft<BatchWriter, number>

/** Who waits. A class, for there are as many as calls that wait, and each is one object. */
class Writing<Result> implements Caller<number> {
  readonly #settle: (result: Result) => void
  readonly reject: (error: unknown) => void
  readonly #resultOf: (revision: number) => Result

  constructor(
    settle: (result: Result) => void,
    reject: (error: unknown) => void,
    resultOf: (revision: number) => Result,
  ) {
    this.#settle = settle
    this.reject = reject
    this.#resultOf = resultOf
  }

  resolve(revision: number): void {
    this.#settle(this.#resultOf(revision))
  }
}

function revisionMade(revision: number): { revision: number } {
  return { revision }
}

/** What changed nothing made no revision. */
function hasExisted(revision: number): boolean {
  return revision > 0
}
