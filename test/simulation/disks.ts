/** The files of one simulated node, and what the loss of power does to them. */
import type { Home } from '../../src/storage/opening.ts'
import { type Hooks, MemoryFile } from './memory.ts'
import type { Random } from './random.ts'
import { MemorySnapshots, type SnapshotWorld } from './snapshots.ts'

/** Tables in which equal logs leave equal rows. Of the revisions each node forgets those its log has lost. */
const stateTables = ['kv', 'prefixes', 'sessions']

export class Disks {
  readonly #log = new MemoryFile()
  readonly #states = new Map<number, MemoryFile>()
  readonly #snapshots = new MemorySnapshots()
  /** The state in use. */
  #generation = 0
  #stateSynced = false
  #boots = 1

  get stateHash(): number {
    return this.#state(null).hash(stateTables)
  }

  /** In the page cache, that is. */
  stateWritten(): void {
    this.#stateSynced = false
  }

  /** The log is synced with each write. Of the state, pages are on the disk as chance will have it. */
  losePower(random: Random, rots: boolean): void {
    this.#boots++
    this.#snapshots.losePower(random, rots)
    if (this.#stateSynced) return
    const kept = random.pick([0, 0.5, 0.9])
    for (const state of this.#states.values()) state.damage(() => random.chance(kept))
  }

  home(path: string, logHooks: Hooks, stateHooks: Hooks, world: SnapshotWorld): Home {
    return {
      path,
      bootId: () => `${this.#boots}`,
      openLog: () => this.#log.open(logHooks),
      openState: (generation) => {
        // Another one was never synced.
        if (generation !== this.#generation) this.#stateSynced = false
        this.#generation = generation
        return this.#state(generation).open(stateHooks)
      },
      hasState: () => this.#states.size > 0,
      discardStates: (kept) => {
        for (const generation of [...this.#states.keys()])
          if (generation !== kept) this.#states.delete(generation)
      },
      snapshots: this.#snapshots.open(world, this.#log, (generation) => this.#state(generation)),
      syncNames: () => undefined,
      syncState: () => {
        this.#stateSynced = true
      },
    }
  }

  #state(generation: number | null): MemoryFile {
    const wanted = generation ?? this.#generation
    let state = this.#states.get(wanted)
    if (state === undefined) {
      state = new MemoryFile()
      this.#states.set(wanted, state)
    }
    return state
  }
}
