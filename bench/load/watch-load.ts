/** Fan-out: many watchers of the same keys in one program, and how long a put takes to reach the last of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Watcher } from '../../src/index.ts'
import { type LatencyCounts, noLatencies, recordLatency } from '../latencies.ts'
import { type Usage, usageOf } from '../usage.ts'
import type { Client } from './client.ts'
import { runClosedLoop } from './closed.ts'
import { runOpenLoop } from './open.ts'
import { type Loaded, operationsOf } from './operations.ts'
import type { LoadProfile } from './profile.ts'
import { Window } from './window.ts'

/** A client whose keys can be watched. */
export interface WatchedClient extends Client {
  watch(prefix: string): Watcher<Buffer>
}

export interface WatchProfile {
  readonly watchers: number
  /** Its values carry the time at which they were put. */
  readonly load: LoadProfile
}

export interface WatchResult {
  /** Taken by all watchers together. */
  readonly events: number
  readonly puts: number
  readonly elapsedMs: number
  /** From the call of `put` to the event at a watcher. */
  readonly latencies: LatencyCounts
  readonly spent: Usage
  readonly failures: readonly string[]
}

const timeBytes = 8
const settleMs = 500

export async function measureWatch(
  client: Client,
  { watchers, load }: WatchProfile,
): Promise<WatchResult> {
  if (!isWatched(client)) throw new Error('nothing to watch')
  await client.settle()
  const watching = Array.from({ length: watchers }, () => client.watch('bench/'))
  await Promise.all(watching.map(({ ready }) => ready))
  const seen = new Seen()
  const ends = watching.map((watcher) => seen.follow(watcher))
  const window = new Window(load)
  const operation = operationsOf(stamping(client), load)
  const running =
    load.pace.type === 'closed'
      ? runClosedLoop(operation, load.pace.callers, window)
      : runOpenLoop(operation, load.pace.perSecond, window)
  await sleep(load.warmUpMs)
  seen.begin()
  const begin = usageOf([process.pid])
  const startMs = performance.now()
  await running
  const elapsedMs = performance.now() - startMs
  const events = seen.events
  const end = usageOf([process.pid])
  await sleep(settleMs)
  await Promise.all(watching.map((watcher) => watcher.close()))
  await Promise.all(ends)
  const { operationsInAll } = window.result()
  return {
    events,
    puts: operationsInAll,
    elapsedMs,
    latencies: seen.latencies,
    spent: { ...end, cpuSeconds: end.cpuSeconds - begin.cpuSeconds },
    failures: seen.failures,
  }
}

function isWatched(client: Client): client is WatchedClient {
  return 'watch' in client
}

function stamping(client: WatchedClient): Loaded {
  return {
    put: (key, value) => {
      const stamped = Buffer.from(value)
      stamped.writeDoubleLE(performance.now(), 0)
      return client.put(key, stamped)
    },
    get: (key) => client.get(key),
  }
}

class Seen {
  readonly latencies: LatencyCounts = noLatencies()
  readonly failures: string[] = []
  events = 0
  #isCounting = false

  begin(): void {
    this.#isCounting = true
  }

  async follow(watcher: Watcher<Buffer>): Promise<void> {
    try {
      for await (const event of watcher) {
        if (event.type !== 'put' || !this.#isCounting) continue
        this.events++
        if (event.value.length < timeBytes) continue
        const putMs = Buffer.from(event.value.buffer, event.value.byteOffset).readDoubleLE(0)
        recordLatency(this.latencies, performance.now() - putMs)
      }
    } catch (error) {
      this.failures.push(String(error))
    }
  }
}
