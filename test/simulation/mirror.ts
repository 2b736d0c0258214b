/** What the log environment of a node holds, kept in step with its transactions. */
import { decodeRecord } from '../../src/codec/record.ts'
import type {
  Entry,
  HardState,
  Index,
  LogPosition,
  SnapshotMark,
  Term,
} from '../../src/raft/types.ts'
import { keyNumber } from '../../src/storage/environment.ts'
import type { Write } from './memory.ts'

/** One transaction, decoded. */
export interface LogChange {
  readonly hardState: HardState | null
  readonly removedFrom: Index | null
  readonly entries: readonly Entry[]
  /** What the log begins behind, where that has changed. */
  readonly base: LogPosition | null
  /** Was it cut for a snapshot taken in the middle of a change of voters? */
  readonly isJoint: boolean
}

/** What the log says of that (src/storage/log-store.ts). */
interface Cut {
  readonly base: LogPosition
  readonly snapshots: readonly SnapshotMark[]
}

export class LogMirror {
  hardState: HardState = { term: 0, votedFor: null }
  base: LogPosition = { index: 0, term: 0 }
  readonly #entries: Entry[] = []

  get lastIndex(): Index {
    return this.#entries.length
  }

  entry(index: Index): Entry | undefined {
    return this.#entries[index - 1]
  }

  term(index: Index): Term {
    if (index === this.base.index) return this.base.term
    return this.entry(index)?.term ?? 0
  }

  /** The entry, or a snapshot that stands for it. */
  holds({ index, term }: LogPosition): boolean {
    return index <= this.base.index || this.term(index) === term
  }

  /** `canonical`: the one object that stands for all equal entries. */
  change({ hardState, removedFrom, base }: LogChange, canonical: readonly Entry[]): void {
    if (hardState !== null) this.hardState = hardState
    if (removedFrom !== null) this.#entries.length = removedFrom - 1
    for (const entry of canonical) this.#entries[entry.index - 1] = entry
    if (base === null) return
    // A snapshot of another's state: what was here before it is not what it stands for.
    if (!this.holds(base)) this.#entries.length = 0
    this.base = base
    this.#entries.length = Math.max(this.#entries.length, base.index)
  }
}

/** @param swept rows up to here are no part of the log any more; that they go means nothing */
export function decodeWrites(writes: readonly Write[], swept: Index): LogChange {
  let hardState: HardState | null = null
  let cut: Cut | null = null
  let removedFrom: Index | null = null
  const entries: Entry[] = []
  for (const { table, key, value } of writes) {
    if (table === 'meta') {
      if (key.toString() === 'hardState' && value !== null)
        hardState = JSON.parse(value.toString()) as HardState
      if (key.toString() === 'cut' && value !== null) cut = JSON.parse(value.toString()) as Cut
    } else if (value === null && keyNumber(key) <= swept) {
      // No part of the log since its base has moved.
    } else if (value === null || entries.some(({ index }) => index === keyNumber(key))) {
      removedFrom = Math.min(removedFrom ?? Number.POSITIVE_INFINITY, keyNumber(key))
    } else {
      entries.push(decodeRecord(value))
    }
  }
  // Removed and written again in one transaction: both writes show the row as it is now.
  if (entries[0] !== undefined && removedFrom !== null)
    removedFrom = Math.min(removedFrom, entries[0].index)
  const isJoint = (cut?.snapshots[0]?.membership.outgoing.length ?? 0) > 0
  entries.sort((a, b) => a.index - b.index)
  return { hardState, removedFrom, base: cut?.base ?? null, isJoint, entries }
}
