/**
 * What is asked of storage, and who waits for the answer. Callers of one event-loop turn with the same
 * timeout share a question. At its deadline storage is told that nobody waits any more, and answers that at
 * once, unless its disk hangs; then the question is given up. What a question says is the matter of
 * writes.ts and reads.ts.
 */
import type { Port } from '../actor/port.ts'
import { errorFromData, type Outcome, SkiffError, type SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import { type Caller, now } from './deadline.ts'
import type { Load } from './load.ts'

export interface QuestionKind<Content> {
  /** What a draft is filled with. */
  readonly begin: () => Content
  /** Posts the question and empties `content` for the next. */
  readonly ask: (id: number, content: Content) => void
  /** Posts that nobody waits any more. */
  readonly cancel: (id: number) => void
  /** The fate of what was asked and never answered. */
  readonly unanswered: Outcome
}

/** The question of this turn, while callers may still join it. */
export interface Draft<Content, Answer> {
  readonly content: Content
  callers: Caller<Answer>[]
  /** What these callers count as load. */
  bytes: number
}

interface Question<Answer> {
  readonly callers: readonly Caller<Answer>[]
  readonly bytes: number
  readonly deadline: number
  /** Storage was told that the deadline has passed; `null` before. */
  cancelledAt: number | null
}

/** Storage answers a cancellation at once, unless its disk hangs. Then the outcome stays as it is. */
const cancelAnswerMs = 1_000

export class Questions<Content, Answer> {
  readonly #port: Port<NetworkToStorage, StorageToNetwork>
  readonly #load: Load
  readonly #kind: QuestionKind<Content>
  /** By timeout. */
  readonly #drafts = new Map<number, Draft<Content, Answer>>()
  readonly #asked = new Map<number, Question<Answer>>()
  #ids = 0
  #flushScheduled = false

  constructor(
    port: Port<NetworkToStorage, StorageToNetwork>,
    load: Load,
    kind: QuestionKind<Content>,
  ) {
    this.#port = port
    this.#load = load
    this.#kind = kind
  }

  draft(timeoutMs: number): Draft<Content, Answer> {
    const known = this.#drafts.get(timeoutMs)
    if (known !== undefined) return known
    const fresh: Draft<Content, Answer> = { content: this.#kind.begin(), callers: [], bytes: 0 }
    this.#drafts.set(timeoutMs, fresh)
    return fresh
  }

  /** What is joined in one event-loop turn is asked at its end. */
  join(draft: Draft<Content, Answer>, caller: Caller<Answer>, bytes: number): void {
    this.#load.add(bytes)
    draft.callers.push(caller)
    draft.bytes += bytes
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => {
      this.flush()
      this.#load.endTurn()
    })
  }

  flush(): void {
    this.#flushScheduled = false
    for (const [timeoutMs, draft] of this.#drafts) {
      if (draft.callers.length > 0) this.#ask(draft, now() + timeoutMs)
      else this.#drafts.delete(timeoutMs)
    }
    this.#port.flush()
  }

  /** Those who wait for this answer, in the order in which they joined; they wait no longer. */
  take(id: number): readonly Caller<Answer>[] {
    const question = this.#asked.get(id)
    if (question === undefined) return []
    this.#asked.delete(id)
    this.#load.remove(question.callers.length, question.bytes)
    return question.callers
  }

  refuse(id: number, error: SkiffErrorData): void {
    for (const caller of this.take(id)) caller.reject(errorFromData(error))
  }

  /** Somebody waits for the answer. */
  isAsked(id: number): boolean {
    return this.#asked.has(id)
  }

  /** Once a tick. */
  sweep(): void {
    const time = now()
    for (const [id, question] of this.#asked) {
      if (question.cancelledAt !== null) {
        if (time >= question.cancelledAt + cancelAnswerMs) this.#giveUp(id)
      } else if (time >= question.deadline) {
        question.cancelledAt = time
        this.#kind.cancel(id)
      }
    }
    this.#port.flush()
  }

  /** Nothing more is asked; what was asked is still answered. */
  stopAsking(failure: (outcome: Outcome) => SkiffError): void {
    for (const { callers, bytes } of this.#drafts.values()) {
      this.#load.remove(callers.length, bytes)
      for (const caller of callers) caller.reject(failure('not-applied'))
    }
    this.#drafts.clear()
  }

  /** Nothing will be answered any more. */
  failAll(failure: (outcome: Outcome) => SkiffError): void {
    this.stopAsking(failure)
    for (const id of [...this.#asked.keys()])
      for (const caller of this.take(id)) caller.reject(failure(this.#kind.unanswered))
  }

  #ask(draft: Draft<Content, Answer>, deadline: number): void {
    const { callers, bytes, content } = draft
    this.#ids++
    this.#asked.set(this.#ids, { callers, bytes, deadline, cancelledAt: null })
    this.#kind.ask(this.#ids, content)
    draft.callers = []
    draft.bytes = 0
  }

  #giveUp(id: number): void {
    const { unanswered } = this.#kind
    const doubt = unanswered === 'unknown' ? '; the write may have happened, or still may' : ''
    const message = `the storage thread does not answer${doubt}`
    for (const caller of this.take(id))
      caller.reject(new SkiffError('SKIFF_TIMEOUT', unanswered, message))
  }
}
