/**
 * Waiting for a state of the cluster. `status()` is a snapshot that raises no event, so it is asked
 * again and again.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** Also the resolution of the measured time without a leader. */
const pollMs = 2
const waitMsMax = 60_000

/**
 * The first value that `probe` gives.
 * @throws Error naming `what`, when there was none for a minute
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined,
  signal: AbortSignal,
): Promise<T> {
  const endMs = performance.now() + waitMsMax
  for (;;) {
    const value = probe()
    if (value !== undefined) return value
    if (performance.now() > endMs) throw new Error(`waited ${waitMsMax} ms in vain for ${what}`)
    await sleep(pollMs, undefined, { signal })
  }
}
