/** How long one thing takes, done over and over. */
import { noLatencies, percentileOf, recordLatency } from '../latencies.ts'

export interface Timing {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** Of this process, per million. */
  readonly cpuSecondsPerMillion: number
}

/** The first are not counted. */
const warmUpPart = 0.2

/** Without a turn of the event loop. */
export function timeFor(ms: number, work: () => void): Timing {
  const recorder = new Recorder(ms)
  while (recorder.goesOn()) work()
  return recorder.timing()
}

export async function timeForAsync(ms: number, work: () => Promise<unknown>): Promise<Timing> {
  const recorder = new Recorder(ms)
  while (recorder.goesOn()) await work()
  return recorder.timing()
}

class Recorder {
  readonly #beginMs: number
  readonly #endMs: number
  readonly #latencies = noLatencies()
  #lastMs = performance.now()
  #times = 0
  #cpu: NodeJS.CpuUsage | null = null

  constructor(ms: number) {
    this.#beginMs = performance.now() + ms * warmUpPart
    this.#endMs = this.#beginMs + ms
  }

  goesOn(): boolean {
    const nowMs = performance.now()
    if (this.#cpu !== null) {
      recordLatency(this.#latencies, nowMs - this.#lastMs)
      this.#times++
    } else if (nowMs >= this.#beginMs) this.#cpu = process.cpuUsage()
    this.#lastMs = nowMs
    return nowMs < this.#endMs || this.#times === 0
  }

  timing(): Timing {
    const { user, system } = process.cpuUsage(this.#cpu ?? undefined)
    return {
      perSecond: (this.#times * 1_000) / (this.#lastMs - this.#beginMs),
      p50Ms: percentileOf(this.#latencies, 50),
      p99Ms: percentileOf(this.#latencies, 99),
      p999Ms: percentileOf(this.#latencies, 99.9),
      // Microseconds each are seconds per million.
      cpuSecondsPerMillion: (user + system) / this.#times,
    }
  }
}
