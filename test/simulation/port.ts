/**
 * A port in memory (src/actor/port.ts): what is posted waits for the flush, what comes in waits for the
 * turn. When a turn happens is for the node to say (node.ts).
 */
import type { Port } from '../../src/actor/port.ts'

export interface Posted<Out> {
  readonly message: Out
  readonly move: readonly ArrayBuffer[]
}

export class MemoryPort<Out, In> implements Port<Out, In> {
  readonly #flushed: (messages: readonly Posted<Out>[]) => void
  #outbox: Posted<Out>[] = []
  #inbox: In[] = []
  /** Runs a turn. */
  wake: () => void = () => undefined

  constructor(flushed: (messages: readonly Posted<Out>[]) => void) {
    this.#flushed = flushed
  }

  get isWaiting(): boolean {
    return this.#inbox.length > 0
  }

  deliver(message: In): void {
    this.#inbox.push(message)
  }

  post(message: Out, move: readonly ArrayBuffer[] = []): void {
    this.#outbox.push({ message, move })
  }

  flush(): void {
    const outbox = this.#outbox
    this.#outbox = []
    this.#flushed(outbox)
  }

  onWaiting(wake: () => void): void {
    this.wake = wake
  }

  receive(): readonly In[] {
    const inbox = this.#inbox
    this.#inbox = []
    return inbox
  }

  /** Both ends live and die together here. */
  onClosed(): void {}

  close(): void {
    this.#inbox = []
  }
}
