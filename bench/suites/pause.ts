/**
 * Processes that wait for their turn are stopped (SIGSTOP), for an idle cluster is not idle: it has heartbeats and goes through
 * its rows. To those that come back it was one long tick.
 */

const paused = new Set<number>()

export function pause(pids: readonly number[]): void {
  for (const pid of pids) if (signal(pid, 'SIGSTOP')) paused.add(pid)
}

export function resume(pids: readonly number[]): void {
  for (const pid of pids) {
    paused.delete(pid)
    signal(pid, 'SIGCONT')
  }
}

/** Before we end: a stopped process does not notice that we are gone. */
export function resumeAll(): void {
  resume([...paused])
}

/** False where the process has ended. */
function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
