/**
 * Linearizable reads of our callers, between the moment they ask and the moment the local state is recent
 * enough. One question is on its way to the leader at a time; reads that come meanwhile share the next.
 */
import type { ReadyRead } from '../raft/turn.ts'
import type { Index, Term } from '../raft/types.ts'

export class Reads {
  readonly #retryTicks: number
  /** Number of the newest question. */
  #questions: number
  /** Not asked for yet. */
  #waiting: number[] = []
  #asked: { readonly id: number; reads: number[]; readonly term: Term; ticks: number } | null = null
  /** Confirmed; each waits until its index is applied. */
  #confirmed: { readonly index: Index; reads: number[] }[] = []

  /**
   * `firstQuestion` is drawn at random: a leader may still answer what this node asked before it was
   * started again, and that answer is too old for any question of now.
   */
  constructor(retryTicks: number, firstQuestion: number) {
    this.#retryTicks = retryTicks
    this.#questions = firstQuestion
  }

  add(id: number): void {
    this.#waiting.push(id)
  }

  /** Asks through `ask`, which is false when no leader is known. A leader of another term knows nothing of it. */
  pump(term: Term, ask: (id: number) => boolean): void {
    if (this.#asked !== null && this.#asked.term !== term) this.askAgain()
    if (this.#asked !== null || this.#waiting.length === 0) return
    const id = this.#questions + 1
    if (!ask(id)) return
    this.#questions = id
    this.#asked = { id, reads: this.#waiting, term, ticks: 0 }
    this.#waiting = []
  }

  /** What was asked is lost. */
  askAgain(): void {
    if (this.#asked === null) return
    this.#waiting = [...this.#asked.reads, ...this.#waiting]
    this.#asked = null
  }

  /** A question or its answer may be lost, and nobody says so. */
  tick(): void {
    if (this.#asked === null) return
    this.#asked.ticks++
    if (this.#asked.ticks >= this.#retryTicks) this.askAgain()
  }

  confirm({ id, index }: ReadyRead): void {
    if (this.#asked?.id !== id) return
    this.#confirmed.push({ index, reads: this.#asked.reads })
    this.#asked = null
  }

  /** Reads that the state now satisfies. */
  release(appliedIndex: Index): readonly number[] {
    if (this.#confirmed.length === 0) return []
    const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex)
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex)
    return ready.flatMap(({ reads }) => reads)
  }

  /** `waiting`: no leader was ever asked. `done`: it has been answered. */
  cancel(id: number): 'waiting' | 'asked' | 'done' {
    if (remove(this.#waiting, id)) return 'waiting'
    if (this.#asked !== null && remove(this.#asked.reads, id)) return 'asked'
    return this.#confirmed.some(({ reads }) => remove(reads, id)) ? 'asked' : 'done'
  }
}

function remove(ids: number[], id: number): boolean {
  const at = ids.indexOf(id)
  if (at >= 0) ids.splice(at, 1)
  return at >= 0
}
