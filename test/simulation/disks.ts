/** The files of one simulated node, and what the loss of power does to them. */
import type { Home } from '../../src/storage/opening.ts'
import { type Hooks, MemoryFile } from './memory.ts'
import type { Random } from './random.ts'

/** Tables in which equal logs leave equal rows. */
const stateTables = ['kv', 'prefixes', 'sessions', 'revisions']

export class Disks {
  readonly #log = new MemoryFile()
  readonly #state = new MemoryFile()
  #hasState = false
  #stateSynced = false
  #boots = 1

  get stateHash(): number {
    return this.#state.hash(stateTables)
  }

  /** In the page cache, that is. */
  stateWritten(): void {
    this.#stateSynced = false
  }

  /** The log is synced with each write. Of the state, pages are on the disk as chance will have it. */
  losePower(random: Random): void {
    this.#boots++
    if (this.#stateSynced) return
    const kept = random.pick([0, 0.5, 0.9])
    this.#state.damage(() => random.chance(kept))
  }

  home(path: string, logHooks: Hooks, stateHooks: Hooks): Home {
    return {
      path,
      bootId: () => `${this.#boots}`,
      openLog: () => this.#log.open(logHooks),
      openState: () => {
        this.#hasState = true
        return this.#state.open(stateHooks)
      },
      hasState: () => this.#hasState,
      discardState: () => this.#state.clear(),
      syncNames: () => undefined,
      syncState: () => {
        this.#stateSynced = true
      },
    }
  }
}
