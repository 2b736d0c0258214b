/** Real time as ticks, the only time the consensus core knows. */

export interface Clock {
  stop(): void
}

/**
 * Ticks steadily: a late tick does not delay the ones after it. But ticks that were missed, because the
 * event loop was blocked or the machine asleep, are not made up for: a node must not campaign because of
 * its own stall. The clock keeps the process alive until it is stopped.
 */
export function startClock(tickMs: number, tick: () => void): Clock {
  let dueMs = performance.now() + tickMs
  let timer = setTimeout(beat, tickMs)

  function beat(): void {
    const nowMs = performance.now()
    dueMs += tickMs
    if (dueMs <= nowMs) dueMs = nowMs + tickMs
    timer = setTimeout(beat, dueMs - nowMs)
    tick()
  }

  return { stop: () => clearTimeout(timer) }
}
