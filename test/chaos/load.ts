/**
 * What clients and watchers do meanwhile. Each client is pinned to a member and waits while that has no
 * process. Keys are used for an epoch and then left alone, so that each has a history that can be searched.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { SkiffError } from '../../src/errors.ts'
import type { Value } from '../linearizability/history.ts'
import { type RecordedClient, Recorder } from '../linearizability/recorder.ts'
import type { Random } from '../simulation/random.ts'
import { type Complaints, promised } from './complaints.ts'
import type { Fleet, Slot } from './fleet.ts'
import { WatchRecord } from './watching.ts'

export const prefixes = ['even/', 'odd/'] as const
const keysPerEpoch = 10
/** Longer than most faults: what a stalled leader remembers of a key must be outdated by then, not the key. */
const epochMs = 3_000
/** A client that was answered waits up to so long before it goes on, which limits the rate. */
const thinkMsMax = 8
/** After a failure, so that a member that refuses everything is not asked all the time. */
const refusedMs = 50
/**
 * Clients wait while their member is stalled, so none of their reads is late enough to find an old value
 * where a new one was acknowledged meanwhile. These do not wait: one read in so many milliseconds.
 */
const probeMs = 40
/** Of one member, under way. */
const probesMax = 60
/** Deadline of one operation. */
const operationMs = 3_000

export interface Counts {
  ok: number
  notApplied: number
  unknown: number
}

export class Load {
  readonly recorder: Recorder = new Recorder()
  readonly watches: readonly WatchRecord[]
  readonly counts: Counts = { ok: 0, notApplied: 0, unknown: 0 }
  /** The longest time without an acknowledged write. */
  longestGapMs = 0
  readonly #complaints: Complaints
  readonly #random: Random
  readonly #working: Promise<void>[] = []
  /** Of the harness itself, one per member. */
  readonly #touchers = new Map<Slot, RecordedClient>()
  readonly #startedAt = performance.now()
  #writtenAt = performance.now()
  #values = 0
  #running = true

  constructor(fleet: Fleet, clientsPerMember: number, random: Random, complaints: Complaints) {
    this.#complaints = complaints
    this.#random = random
    for (const slot of fleet.slots) {
      this.#touchers.set(slot, this.#client(slot))
      for (let n = 0; n < clientsPerMember; n++) this.#working.push(this.#work(slot, random.fork()))
      if (clientsPerMember > 0) this.#working.push(this.#probe(slot, random.fork()))
    }
    // Of everything on every other member, of a half on the others.
    this.watches = fleet.slots.map(
      (slot) => new WatchRecord(slot, slot.n % 2 === 0 ? '' : (prefixes[(slot.n >> 1) % 2] ?? '')),
    )
  }

  /** When nothing is under way any more. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#working)
  }

  /** A write through this member, until one succeeds. */
  async touch(slot: Slot): Promise<void> {
    await promised(
      'the cluster serves again once the faults are over',
      () => this.#tryTouch(slot),
      () => `no write through member ${slot.n} succeeded`,
    )
  }

  /** What a write through this member says, now. */
  async tryWrite(slot: Slot, key: string): Promise<{ revision: number }> {
    const client = this.#touchers.get(slot)
    if (client === undefined) throw new Error(`member ${slot.n} is not of this fleet`)
    const asked = client.put(key, this.#nextValue())
    return this.#counted(asked, true)
  }

  async #tryTouch(slot: Slot): Promise<boolean> {
    try {
      await this.tryWrite(slot, `even/touch/${slot.n}`)
      return true
    } catch (error) {
      this.#checkError(error)
      return false
    }
  }

  async #work(slot: Slot, random: Random): Promise<void> {
    const client = this.#client(slot)
    while (this.#running) {
      if (!slot.isUp) {
        await pause(refusedMs)
        continue
      }
      try {
        await this.#once(client, random)
        await pause(random.below(thinkMsMax))
      } catch (error) {
        this.#checkError(error)
        await pause(refusedMs)
      }
    }
  }

  async #probe(slot: Slot, random: Random): Promise<void> {
    const idle: RecordedClient[] = []
    const underWay = new Set<Promise<void>>()
    while (this.#running) {
      await pause(probeMs)
      if (!slot.isUp || underWay.size >= probesMax) continue
      const client = idle.pop() ?? this.#client(slot)
      const probe = this.#probeOnce(client, random).finally(() => {
        idle.push(client)
        underWay.delete(probe)
      })
      underWay.add(probe)
    }
    await Promise.all(underWay)
  }

  async #probeOnce(client: RecordedClient, random: Random): Promise<void> {
    try {
      await this.#counted(client.get(this.#key(random)), false)
    } catch (error) {
      this.#checkError(error)
    }
  }

  #once(client: RecordedClient, random: Random): Promise<unknown> {
    const key = this.#key(random)
    const kind = random.below(10)
    if (kind < 5) return this.#counted(client.get(key), false)
    const write = kind < 9 ? client.put(key, this.#nextValue()) : client.delete(key)
    return this.#counted<unknown>(write, true)
  }

  #client(slot: Slot): RecordedClient {
    const options = { timeoutMs: operationMs }
    return this.recorder.client(() => ({
      put: (key, value) => slot.member.put(key, value, options),
      get: (key) => slot.member.get(key, options),
      delete: (key) => slot.member.delete(key, options),
    }))
  }

  #key(random: Random): string {
    const epoch = Math.floor((performance.now() - this.#startedAt) / epochMs)
    const n = random.below(keysPerEpoch)
    return `${prefixes[n % 2]}${epoch}/${n}`
  }

  #nextValue(): Value {
    this.#values++
    return `${this.#values}.${this.#random.below(2 ** 32).toString(36)}`
  }

  async #counted<T>(asked: Promise<T>, isWrite: boolean): Promise<T> {
    try {
      const answer = await asked
      this.counts.ok++
      if (isWrite) this.#written()
      return answer
    } catch (error) {
      if ((error as SkiffError).outcome === 'not-applied') this.counts.notApplied++
      else this.counts.unknown++
      throw error
    }
  }

  #written(): void {
    const now = performance.now()
    this.longestGapMs = Math.max(this.longestGapMs, now - this.#writtenAt)
    this.#writtenAt = now
  }

  #checkError(error: unknown): void {
    if (error instanceof Error && error.name === 'SkiffError') return
    this.#complaints.add('calls fail with SkiffErrors', String(error))
  }
}
