/** Puts a load on a store and says what came of it. */
import type { Client } from './client.ts'
import { runClosedLoop } from './closed.ts'
import { runOpenLoop } from './open.ts'
import { operationsOf } from './operations.ts'
import type { LoadProfile, LoadResult } from './profile.ts'
import { Window } from './window.ts'

export async function measureLoad(client: Client, profile: LoadProfile): Promise<LoadResult> {
  await client.settle()
  const operation = operationsOf(client, profile)
  const window = new Window(profile)
  const { pace } = profile
  if (pace.type === 'closed') await runClosedLoop(operation, pace.callers, window)
  else await runOpenLoop(operation, pace.perSecond, window)
  return { ...window.result(), notes: client.notes() }
}
