/**
 * The closed loop: each caller puts, waits for the answer, and puts again. No queue builds up, so
 * throughput and latency belong together; an open loop would measure the queue.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { openHistogram, percentileMs, recordMs } from '../src/cli/report.ts'

export interface LoadOptions {
  readonly callers: number
  /** Runs before anything is counted. */
  readonly warmUpMs: number
  readonly measureMs: number
}

export interface Measurement {
  readonly opsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the whole process: every thread, user and system. */
  readonly cpuSecondsPerMillion: number
  readonly rssMiB: number
}

export async function measure(
  operation: () => Promise<unknown>,
  { callers, warmUpMs, measureMs }: LoadOptions,
): Promise<Measurement> {
  const latencies = openHistogram()
  let running = true
  const call = async () => {
    while (running) {
      const startMs = performance.now()
      await operation()
      recordMs(latencies, performance.now() - startMs)
    }
  }
  const stop = () => {
    running = false
  }
  const calls = Promise.all(Array.from({ length: callers }, call)).finally(stop)
  const timing = observe()
  const [measurement] = await Promise.all([timing, calls])
  return measurement

  async function observe(): Promise<Measurement> {
    await sleep(warmUpMs)
    latencies.reset()
    const cpu = process.cpuUsage()
    const startMs = performance.now()
    await sleep(measureMs)
    const elapsedMs = performance.now() - startMs
    const { user, system } = process.cpuUsage(cpu)
    stop()
    const operations = Math.max(1, latencies.count)
    return {
      opsPerSecond: (latencies.count * 1_000) / elapsedMs,
      p50Ms: percentileMs(latencies, 50),
      p99Ms: percentileMs(latencies, 99),
      // Microseconds per operation are seconds per million.
      cpuSecondsPerMillion: (user + system) / operations,
      rssMiB: process.memoryUsage.rss() / 2 ** 20,
    }
  }
}

/** xorshift32: quick, and the same keys for every system. */
export function randomIntegers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
