import assert from 'node:assert/strict'
import type { Port } from '../../src/actor/port.ts'

/** A port without a thread: delivers what it is told to, and records what is posted. */
export class ScriptedPort<Out, In> implements Port<Out, In> {
  readonly posted: { message: Out; move: readonly ArrayBuffer[] }[] = []
  #wake: () => void = () => assert.fail('nobody listens')
  #waiting: readonly In[] = []

  deliver(waiting: readonly In[]): void {
    this.#waiting = waiting
    this.#wake()
  }

  post(message: Out, move: readonly ArrayBuffer[] = []): void {
    this.posted.push({ message, move })
  }

  onWaiting(wake: () => void): void {
    this.#wake = wake
  }

  receive(): readonly In[] {
    const taken = this.#waiting
    this.#waiting = []
    return taken
  }

  flush(): void {}
  onClosed(): void {}
  close(): void {}
}
