/**
 * When callers stop waiting. Nothing here has a timer of its own: deadlines are looked at once a tick, for
 * a timer per operation would cost more than the operation.
 */
import type { CallOptions } from '../options.ts'

/** Milliseconds of a clock that is never set. */
export function now(): number {
  return performance.now()
}

/** @throws TypeError for a timeout that is none */
export function timeoutOf(options: CallOptions | undefined, defaultMs: number): number {
  const timeoutMs = options?.timeoutMs ?? defaultMs
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) {
    throw new TypeError(`timeoutMs: expected a positive number, got ${String(timeoutMs)}`)
  }
  return timeoutMs
}

/** Who waits for each signal. One listener serves all: thousands of calls may share one signal. */
const waitingFor = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>()

/** Calls back when the signal aborts, at once if it has; the returned function takes that back. */
export function onAbort(
  signal: AbortSignal | undefined,
  abort: (reason: unknown) => void,
): () => void {
  if (signal === undefined) return () => undefined
  if (signal.aborted) {
    abort(signal.reason)
    return () => undefined
  }
  const waiting = waitingFor.get(signal) ?? listenTo(signal)
  waiting.add(abort)
  return () => waiting.delete(abort)
}

function listenTo(signal: AbortSignal): Set<(reason: unknown) => void> {
  const waiting = new Set<(reason: unknown) => void>()
  waitingFor.set(signal, waiting)
  const tellAll = (): void => {
    for (const abort of waiting) abort(signal.reason)
    waiting.clear()
  }
  signal.addEventListener('abort', tellAll, { once: true })
  return waiting
}
