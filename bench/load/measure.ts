/** Puts a load on a store and says what came of it. */
import type { Client } from './client.ts'
import { runClosedLoop } from './closed.ts'
import { runOpenLoop } from './open.ts'
import { type Operation, operationsOf } from './operations.ts'
import type { LoadProfile, LoadResult } from './profile.ts'
import { Window } from './window.ts'

export async function measureLoad(client: Client, profile: LoadProfile): Promise<LoadResult> {
  await client.settle()
  const window = await runLoad(operationsOf(client, profile), profile, () => new Window(profile))
  return { ...window.result(), notes: client.notes() }
}

/** Resolves once every operation has ended. */
export function runLoad(
  operation: Operation,
  { pace }: LoadProfile,
  open: () => Window,
): Promise<Window> {
  return pace.type === 'closed'
    ? runClosedLoop(operation, pace.callers, open)
    : runOpenLoop(operation, pace.perSecond, open)
}
