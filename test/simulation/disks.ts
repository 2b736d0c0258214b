/** The files of one simulated node, and what the loss of power does to them. */

import type { Index } from '../../src/raft/types.ts'
import {
  keyRecordHeaderBytes,
  positionKey,
  readPosition,
  writePosition,
} from '../../src/storage/layout.ts'
import type { Home } from '../../src/storage/opening.ts'
import { StateHash } from '../../src/storage/state-hash.ts'
import { type Hooks, MemoryFile } from './memory.ts'
import type { Random } from './random.ts'
import { MemorySnapshots, type SnapshotWorld } from './snapshots.ts'

/** Tables in which equal logs leave equal rows. Of the revisions each node forgets those its log has lost. */
const stateTables = ['kv', 'prefixes', 'sessions']

/** A row that no log has made, with a hash as if one had. */
export interface Forged {
  /** Each byte a character. */
  readonly key: string
  readonly row: Buffer
}

export class Disks {
  /** Of the snapshot that the state was last made of while it was used: perhaps one of another node's. */
  installedIndex: Index = 0
  readonly #log = new MemoryFile()
  readonly #states = new Map<number, MemoryFile>()
  readonly #snapshots = new MemorySnapshots()
  /** The state in use. */
  #generation = 0
  #stateSynced = false
  #diverges = false
  #boots = 1

  get stateHash(): number {
    return this.#state(null).hash(stateTables)
  }

  /** The state in use holds a row that the log has not made, perhaps one of these, which came by a snapshot. */
  isDamaged(forged: readonly Forged[]): boolean {
    const state = this.#state(null)
    const holds = ({ key, row }: Forged): boolean => state.value('kv', key)?.equals(row) === true
    return state.isDamaged || forged.some(holds)
  }

  /** Nothing was applied to it, or what was is lost. */
  get hasNoState(): boolean {
    return this.#state(null).value('meta', positionKey.toString('latin1')) === undefined
  }

  /** A row of the state in use has another bit, or is gone. */
  damage(random: Random): void {
    const state = this.#state(null)
    const key = drawKey(state, random)
    if (key === null || state.isDamaged) return
    const value = random.chance(0.5) ? flipped(state.value('kv', key), random) : undefined
    state.put('kv', key, value)
    state.isDamaged = true
  }

  /** None of its snapshots will be what it was. */
  rotSnapshots(): void {
    this.#snapshots.rot()
  }

  /** It will be damaged at its next start. */
  get willDiverge(): boolean {
    return this.#diverges
  }

  /** At its next start the state will be one that was written otherwise, and says so of itself. */
  divergeAtStart(): void {
    this.#diverges = true
  }

  beforeStart(random: Random, forged: Forged[]): void {
    if (this.#diverges) this.#diverge(random, forged)
    this.#diverges = false
  }

  #diverge(random: Random, forged: Forged[]): void {
    const state = this.#state(null)
    const key = drawKey(state, random)
    const name = positionKey.toString('latin1')
    const position = readPosition(state.value('meta', name))
    const value = key === null ? undefined : state.value('kv', key)
    if (key === null || value === undefined || state.isDamaged) return
    const other = flipped(value, random)
    const hash = new StateHash(position.hash)
    hash.remove('kv', Buffer.from(key, 'latin1'), value)
    hash.add('kv', Buffer.from(key, 'latin1'), other)
    state.put('kv', key, other)
    state.put('meta', name, writePosition({ ...position, hash }))
    forged.push({ key, row: other })
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

function drawKey(state: MemoryFile, random: Random): string | null {
  const keys = state.keys('kv')
  return keys.length === 0 ? null : random.pick(keys)
}

/** One bit of the value. */
function flipped(row: Buffer | undefined, random: Random): Buffer {
  const other = Buffer.from(row ?? [])
  const at = random.between(keyRecordHeaderBytes, other.length - 1)
  other[at] = (other[at] ?? 0) ^ (1 << random.below(8))
  return other
}
