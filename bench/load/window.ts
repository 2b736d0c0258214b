/** The time in which a load is measured: after the warm-up, until it is over. Counts what ends within it. */
import { type LatencyCounts, noLatencies, recordLatency } from '../latencies.ts'
import { type Usage, usageOf } from '../usage.ts'
import type { LoadProfile, LoadResult, Spent, ThreadHealth } from './profile.ts'
import { ThreadWatch } from './thread-watch.ts'

type Counted = Omit<LoadResult, 'notes'>

interface Mark {
  readonly atMs: number
  readonly generator: Usage
  readonly others: Usage
}

export class Window {
  readonly #pids: readonly number[]
  readonly #beginMs: number
  readonly #endMs: number
  readonly #latencies: LatencyCounts = noLatencies()
  readonly #callLatencies: LatencyCounts = noLatencies()
  readonly #failures = new Map<string, number>()
  readonly #thread = new ThreadWatch()
  readonly #timers: readonly NodeJS.Timeout[]
  #firstFailure: string | null = null
  #health: ThreadHealth | null = null
  #begin: Mark | null = null
  #end: Mark | null = null
  #operations = 0
  #operationsInAll = 0
  #called = 0
  #missed = 0
  #unanswered = 0

  constructor({ warmUpMs, measureMs, pids }: LoadProfile) {
    this.#pids = pids
    this.#beginMs = performance.now() + warmUpMs
    this.#endMs = this.#beginMs + measureMs
    // Also where no operation ends.
    const look = () => this.isOpen(performance.now())
    this.#timers = [setTimeout(look, warmUpMs), setTimeout(look, warmUpMs + measureMs)]
  }

  /** Whether more operations may begin. Whoever asks first in a new phase takes the marks. */
  isOpen(nowMs: number): boolean {
    if (this.#begin === null && nowMs >= this.#beginMs) {
      this.#begin = this.#mark(nowMs)
      this.#thread.begin()
    }
    if (nowMs < this.#endMs) return true
    if (this.#end === null) {
      this.#end = this.#mark(nowMs)
      this.#health = this.#thread.end()
    }
    return false
  }

  get endMs(): number {
    return this.#endMs
  }

  called(): void {
    this.#unanswered++
    if (this.isCounting) this.#called++
  }

  missed(operations: number): void {
    this.#missed += operations
  }

  /** `dueMs`: when it was to begin; `startMs`: when it was called. */
  ended(dueMs: number, startMs: number, endMs: number): void {
    this.#operationsInAll++
    this.#unanswered--
    if (!this.isCounting) return
    this.#operations++
    recordLatency(this.#latencies, endMs - dueMs)
    if (startMs !== dueMs) recordLatency(this.#callLatencies, endMs - startMs)
  }

  failed(code: string, message: string): void {
    this.#unanswered--
    if (!this.isCounting) return
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
    this.#firstFailure ??= message
  }

  /** Once everything has ended, or nobody waits for it any more. */
  result(): Counted {
    for (const timer of this.#timers) clearTimeout(timer)
    this.isOpen(Math.max(this.#endMs, performance.now()))
    const { begin, end, health } = this.#marks()
    return {
      operations: this.#operations,
      operationsInAll: this.#operationsInAll,
      // Both at once where the thread was busy with something else all the time.
      elapsedMs: Math.max(1, end.atMs - begin.atMs),
      latencies: this.#latencies,
      callLatencies: this.#callLatencies,
      called: this.#called,
      missed: this.#missed,
      unanswered: this.#unanswered,
      failures: Object.fromEntries(this.#failures),
      firstFailure: this.#firstFailure,
      generator: spentBetween(begin.generator, end.generator),
      others: spentBetween(begin.others, end.others),
      threads: health,
    }
  }

  get isCounting(): boolean {
    return this.#begin !== null && this.#end === null
  }

  #marks(): { begin: Mark; end: Mark; health: ThreadHealth } {
    const [begin, end, health] = [this.#begin, this.#end, this.#health]
    if (begin === null || end === null || health === null) throw new Error('it is not over')
    return { begin, end, health }
  }

  #mark(atMs: number): Mark {
    return { atMs, generator: usageOf([process.pid]), others: usageOf(this.#pids) }
  }
}

function spentBetween(begin: Usage, end: Usage): Spent {
  return {
    cpuSeconds: end.cpuSeconds - begin.cpuSeconds,
    writtenBytes: end.writtenBytes - begin.writtenBytes,
    rssMiB: end.rssMiB,
  }
}
