/** Fan-out: many watchers of the same keys in one program, and how long a put takes to reach the last of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Watcher } from '../../src/index.ts'
import { type LatencyCounts, noLatencies, recordLatency } from '../latencies.ts'
import type { Client } from './client.ts'
import { runLoad } from './measure.ts'
import { type Loaded, operationsOf } from './operations.ts'
import type { LoadProfile, Spent } from './profile.ts'
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
  /** Taken by all watchers together, while it was measured. */
  readonly events: number
  readonly puts: number
  readonly elapsedMs: number
  /** From the call of `put` to the event at a watcher. */
  readonly latencies: LatencyCounts
  readonly spent: Spent
  readonly failures: readonly string[]
}

const timeBytes = 8
/** For events that are on their way when the last put was answered. */
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
  const operation = operationsOf(stamping(client), load)
  const window = await runLoad(operation, load, () => seen.open(new Window(load)))
  await sleep(settleMs)
  await Promise.all(watching.map((watcher) => watcher.close()))
  await Promise.all(ends)
  const { operations: puts, elapsedMs, generator: spent } = window.result()
  const { events, latencies, failures } = seen
  return { events, puts, elapsedMs, latencies, spent, failures }
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
  #window: Window | null = null

  open(window: Window): Window {
    this.#window = window
    return window
  }

  async follow(watcher: Watcher<Buffer>): Promise<void> {
    try {
      for await (const event of watcher)
        if (event.type === 'put' && this.#window?.isCounting === true) this.#see(event.value)
    } catch (error) {
      this.failures.push(String(error))
    }
  }

  #see(value: Buffer): void {
    this.events++
    if (value.length < timeBytes) return
    const { buffer, byteOffset } = value
    const putMs = Buffer.from(buffer, byteOffset, timeBytes).readDoubleLE(0)
    recordLatency(this.latencies, performance.now() - putMs)
  }
}
