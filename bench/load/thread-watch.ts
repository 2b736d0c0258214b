/** Whether the main thread came to its work: pauses for garbage, and how late its event loop was. */
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import type { ThreadHealth } from './profile.ts'

/** How often the event loop is asked; what it is late shows above that. */
const resolutionMs = 5
const nanosecondsPerMs = 1e6

export class ThreadWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: resolutionMs })
  readonly #observer: PerformanceObserver
  #collections = 0
  #collectionsMs = 0
  #longestCollectionMs = 0

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#collected(list.getEntries()))
  }

  begin(): void {
    this.#delay.enable()
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  end(): ThreadHealth {
    this.#delay.disable()
    this.#collected(this.#observer.takeRecords())
    this.#observer.disconnect()
    return {
      collections: this.#collections,
      collectionsMs: this.#collectionsMs,
      longestCollectionMs: this.#longestCollectionMs,
      delayP99Ms: lateMs(this.#delay.percentile(99)),
      longestDelayMs: lateMs(this.#delay.max),
    }
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
