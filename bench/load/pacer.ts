/** Sleeps to the tenth of a millisecond, in a thread of its own (pacer-thread.ts). One sleep at a time. */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

/** In one Int32Array: what the thread is to do … */
export const order = { none: 0, sleep: 1, end: 2 } as const
/** … and behind it, in a Float64Array, until when, on the clock that all threads share. */
export const dueAt = 8
export const sharedBytes: number = 16

/** More often the main thread is not woken: what is due meanwhile begins with the next. */
const sleepMsMin = 0.1
const nanosecondsPerMs = 1e6

export function clockMs(): number {
  return Number(process.hrtime.bigint()) / nanosecondsPerMs
}

export class Pacer {
  readonly #shared = new SharedArrayBuffer(sharedBytes)
  readonly #order = new Int32Array(this.#shared, 0, 1)
  readonly #due = new Float64Array(this.#shared, dueAt, 1)
  readonly #worker: Worker
  #wake: () => void = () => undefined

  /** Once its thread has slept for the first time. */
  static async start(): Promise<Pacer> {
    const pacer = new Pacer()
    await pacer.sleepUntil(performance.now())
    return pacer
  }

  private constructor() {
    const program = join(import.meta.dirname, 'pacer-thread.js')
    this.#worker = new Worker(program, { workerData: this.#shared })
    this.#worker.on('message', () => this.#wake())
  }

  /** `dueMs` on the clock of this thread. */
  sleepUntil(dueMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#due[0] = clockMs() + Math.max(sleepMsMin, dueMs - performance.now())
      this.#tell(order.sleep)
    })
  }

  async close(): Promise<void> {
    const exited = once(this.#worker, 'exit')
    this.#tell(order.end)
    await exited
  }

  #tell(what: number): void {
    Atomics.store(this.#order, 0, what)
    Atomics.notify(this.#order, 0)
  }
}
