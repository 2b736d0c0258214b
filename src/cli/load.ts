/**
 * Puts a key per file, many at a time, and goes on while nodes die under it: a put whose outcome is
 * not known is simply put again, since the same value under the same key changes nothing.
 */
import type { RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SkiffErrorCode } from '../errors.ts'
import type { Store } from '../store.ts'
import { forEachConcurrently } from './concurrently.ts'
import { openHistogram, recordMs } from './report.ts'
import type { FileValue } from './walk.ts'

export interface LoadOptions {
  readonly signal: AbortSignal
  /** After each acknowledgement. What it returns is waited for, while the other puts go on. */
  readonly onPut?: (done: number, total: number) => void | Promise<void>
}

export interface Load {
  /** By the clock of `performance.now()`. */
  readonly startedAtMs: number
  /** The last acknowledgement. */
  readonly endedAtMs: number
  /** Microseconds from the first attempt of a put to its acknowledgement. */
  readonly latencies: RecordableHistogram
  /** How often a put was tried again, by the code of the error. */
  readonly retries: ReadonlyMap<string, number>
}

/** Puts waiting for an answer at once. */
const putsInFlightMax = 512
/** Attempts of one put. With the deadline of each, minutes: longer than any election. */
const attemptsMax = 10
const retryPauseMs = 50

/** Says that a node, and not the cluster, is gone, or that it is busy. */
const passingCodes: readonly SkiffErrorCode[] = [
  'SKIFF_NO_LEADER',
  'SKIFF_CRASHED',
  'SKIFF_CLOSED',
  'SKIFF_OVERLOADED',
]

export async function putFiles(
  store: Pick<Store, 'put'>,
  files: ReadonlyMap<string, FileValue>,
  { signal, onPut }: LoadOptions,
): Promise<Load> {
  const latencies = openHistogram()
  const retries = new Map<string, number>()
  const onRetry = (code: string) => retries.set(code, (retries.get(code) ?? 0) + 1)
  const startedAtMs = performance.now()
  let endedAtMs = startedAtMs
  let done = 0
  await forEachConcurrently(files, putsInFlightMax, async ([key, value]) => {
    const putMs = performance.now()
    await retrying(() => store.put(key, value, { signal }), onRetry, signal)
    endedAtMs = performance.now()
    recordMs(latencies, endedAtMs - putMs)
    await onPut?.(++done, files.size)
  })
  return { startedAtMs, endedAtMs, latencies, retries }
}

async function retrying(
  attempt: () => Promise<unknown>,
  onRetry: (code: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    signal.throwIfAborted()
    try {
      await attempt()
      return
    } catch (error) {
      const code = passingCode(error)
      if (code === null || attempts === attemptsMax) throw error
      onRetry(code)
    }
    await sleep(retryPauseMs, undefined, { signal })
  }
}

/** The code of an error after which an idempotent put may be tried again, else `null`. */
function passingCode(error: unknown): string | null {
  if (!(error instanceof Error && 'code' in error && 'outcome' in error)) return null
  const passing = error.outcome === 'unknown' || passingCodes.some((code) => code === error.code)
  return passing ? String(error.code) : null
}
