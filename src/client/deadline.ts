/**
 * When callers stop waiting. Nothing here has a timer of its own: deadlines are looked at once a tick, for
 * a timer per operation would cost more than the operation.
 */
import type { CallOptions } from '../options.ts'

/** Who waits for an answer. */
export interface Caller<Answer> {
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Milliseconds of a clock that is never set. */
export function now(): number {
  return performance.now()
}

/** @throws TypeError for an invalid timeout */
export function timeoutOf(options: CallOptions | undefined, defaultMs: number): number {
  const timeoutMs = options?.timeoutMs ?? defaultMs
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) {
    throw new TypeError(`timeoutMs: expected a positive number, got ${String(timeoutMs)}`)
  }
  return timeoutMs
}

/**
 * Gives the options of each step of a call that has several: the deadline is that of the whole call.
 * It throws when the signal has aborted.
 * @throws TypeError for an invalid timeout
 */
export function shareDeadline(
  options: CallOptions | undefined,
  defaultMs: number,
): () => CallOptions & { timeoutMs: number } {
  const deadline = now() + timeoutOf(options, defaultMs)
  return () => {
    options?.signal?.throwIfAborted()
    // A step that begins too late gets to say so itself.
    return { ...options, timeoutMs: Math.max(1, deadline - now()) }
  }
}

/** The caller until its signal aborts: then it hears the reason at once, and no answer any more. */
export function abortable<Answer>(
  signal: AbortSignal | undefined,
  caller: Caller<Answer>,
): Caller<Answer> {
  if (signal === undefined) return caller
  let aborted = false
  const release = onAbort(signal, (reason) => {
    aborted = true
    caller.reject(reason)
  })
  const settle = (act: () => void): void => {
    release()
    if (!aborted) act()
  }
  return {
    resolve: (answer) => settle(() => caller.resolve(answer)),
    reject: (error) => settle(() => caller.reject(error)),
  }
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

/** How many wait for it to abort. */
export function waitingOn(signal: AbortSignal): number {
  return waitingFor.get(signal)?.size ?? 0
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
