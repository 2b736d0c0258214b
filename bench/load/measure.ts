/** Puts a load on a store and says what came of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'
import { runClosedLoop } from './closed.ts'
import { runOpenLoop } from './open.ts'
import { type Operation, operationsOf } from './operations.ts'
import type { LoadProfile, LoadResult } from './profile.ts'
import { Window } from './window.ts'

/** For what is still unanswered at the end: longer than the deadline of any store. */
const patienceByDefaultMs = 15_000

export async function measureLoad(
  client: Client,
  profile: LoadProfile,
  patienceMs: number = patienceByDefaultMs,
): Promise<LoadResult> {
  await client.settle()
  const operation = operationsOf(client, profile)
  const window = await runLoad(operation, profile, () => new Window(profile), patienceMs)
  return { ...window.result(), notes: client.notes() }
}

/** Resolves once every operation has ended, or will not end any more. */
export async function runLoad(
  operation: Operation,
  { pace, warmUpMs, measureMs }: LoadProfile,
  open: () => Window,
  patienceMs: number = patienceByDefaultMs,
): Promise<Window> {
  let opened: Window | null = null
  const openOnce = () => {
    opened = open()
    return opened
  }
  const running =
    pace.type === 'closed'
      ? runClosedLoop(operation, pace.callers, openOnce)
      : runOpenLoop(operation, pace.perSecond, openOnce)
  const patience = new AbortController()
  const late = sleep(warmUpMs + measureMs + patienceMs, null, { signal: patience.signal })
  const window = await Promise.race([running, late.catch(() => null)])
  patience.abort()
  return window ?? opened ?? running
}
