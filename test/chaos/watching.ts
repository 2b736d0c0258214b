/** One watch that outlives the processes of its member: it goes on from the last event that came. */
import type { SkiffError } from '../../src/errors.ts'
import type { WatchEvent } from '../../src/store.ts'
import type { Value } from '../linearizability/history.ts'
import type { Watched } from '../linearizability/watch.ts'
import type { RemoteMember } from '../support/member.ts'
import { promised } from './complaints.ts'
import type { Slot } from './fleet.ts'

export class WatchRecord {
  readonly slot: Slot
  readonly prefix: string
  readonly #events: WatchEvent<Value>[] = []
  #resumed = -1

  constructor(slot: Slot, prefix: string) {
    this.slot = slot
    this.prefix = prefix
    slot.onUp((member) => this.#resume(member))
  }

  /** How often it had to begin again. */
  get resumed(): number {
    return this.#resumed
  }

  get revision(): number {
    return this.#events.at(-1)?.revision ?? 0
  }

  /** All up to this revision, the last one of its prefix. */
  async upTo(revision: number): Promise<Watched> {
    await promised(
      'a watch misses nothing',
      () => this.revision >= revision,
      () => `that of '${this.prefix}' on member ${this.slot.n} stays at ${this.revision}`,
    )
    return { prefix: this.prefix, from: 1, to: revision, previous: false, events: this.#events }
  }

  #resume(member: RemoteMember): void {
    this.#resumed++
    const listener = {
      events: (events: readonly WatchEvent[]) => {
        for (const event of events) this.#events.push(event as WatchEvent<Value>)
      },
      ended: (error: Error) => this.#ended(member, error),
    }
    // A node that fails has its process started anew, which begins again, too.
    member.watch(this.prefix, this.revision + 1, listener).catch(() => undefined)
  }

  #ended(member: RemoteMember, error: Error): void {
    if ((error as SkiffError).code === 'SKIFF_SLOW_WATCHER') this.#resume(member)
  }
}
