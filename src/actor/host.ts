/**
 * Hosting: every actor is one never-ending task of a piscina pool. The task's promise is its death
 * certificate: resolved when the actor ended as it was told to, rejected when it crashed.
 */
import type { MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'

export interface ActorTask {
  /** The compiled entrance in `workers/`. */
  readonly entrance: 'storage' | 'codec'
  /** Plain data and ports. */
  readonly init: object
  readonly ports: readonly MessagePort[]
}

export class ActorHost {
  readonly #pool: Piscina

  /**
   * `atomics: 'disabled'`: otherwise an idle worker sleeps in `Atomics.wait` and hears no port. No `filename`:
   * every thread would load that one at its start, also those that are given the other actor.
   */
  constructor(threads: number) {
    this.#pool = new Piscina({
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
    })
  }

  /** Starts an actor; settles when it ends. */
  run({ entrance: name, init, ports }: ActorTask): Promise<void> {
    return this.#pool.run(init, { filename: entrance(name), transferList: [...ports] })
  }

  /** Ends the threads. The actors must have ended, or what they were doing is cut off. */
  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

function entrance(name: ActorTask['entrance']): string {
  return new URL(`../../workers/${name}.js`, import.meta.url).href
}
