/** What the threads of this program were at, and whether the main one came to its work. */
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { threadSeconds } from '../usage.ts'
import type { ThreadHealth } from './profile.ts'

/** How often the event loop is asked; what it is late shows above that. */
const resolutionMs = 5
const nanosecondsPerMs = 1e6

export class ThreadWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: resolutionMs })
  readonly #observer: PerformanceObserver
  #before: ReadonlyMap<number, number> = new Map()
  #collections = 0
  #collectionsMs = 0
  #longestCollectionMs = 0

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#collected(list.getEntries()))
  }

  begin(): void {
    this.#before = threadSeconds()
    this.#delay.enable()
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  end(): ThreadHealth {
    this.#delay.disable()
    this.#collected(this.#observer.takeRecords())
    this.#observer.disconnect()
    return {
      ...this.#spent(),
      collections: this.#collections,
      collectionsMs: this.#collectionsMs,
      longestCollectionMs: this.#longestCollectionMs,
      delayP99Ms: lateMs(this.#delay.percentile(99)),
      longestDelayMs: lateMs(this.#delay.max),
    }
  }

  #spent(): Pick<ThreadHealth, 'mainSeconds' | 'busiestOtherSeconds'> {
    let [mainSeconds, busiestOtherSeconds] = [0, 0]
    for (const [id, seconds] of threadSeconds()) {
      const spent = seconds - (this.#before.get(id) ?? 0)
      if (id === process.pid) mainSeconds = spent
      else busiestOtherSeconds = Math.max(busiestOtherSeconds, spent)
    }
    return { mainSeconds, busiestOtherSeconds }
  }

  #collected(pauses: readonly { readonly duration: number }[]): void {
    this.#collections += pauses.length
    for (const { duration } of pauses) {
      this.#collectionsMs += duration
      this.#longestCollectionMs = Math.max(this.#longestCollectionMs, duration)
    }
  }
}

function lateMs(nanoseconds: number): number {
  return Math.max(0, nanoseconds / nanosecondsPerMs - resolutionMs)
}
