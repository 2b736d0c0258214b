/** A disk in memory, for a single core: holds exactly what was written. */
import { assert } from '../../src/raft/assert.ts'
import type { LogReader } from '../../src/raft/log.ts'
import { decodeConfiguration, type MembershipAt } from '../../src/raft/membership.ts'
import type { LogWrite } from '../../src/raft/turn.ts'
import type { Entry, HardState, Index, LogPosition, Term } from '../../src/raft/types.ts'

export class SimulatedDisk implements LogReader {
  base: LogPosition = { index: 0, term: 0 }
  hardState: HardState = { term: 0, votedFor: null }
  #entries: Entry[] = []

  get lastIndex(): Index {
    return this.base.index + this.#entries.length
  }

  term(index: Index): Term {
    return this.entry(index).term
  }

  entry(index: Index): Entry {
    const entry = this.#entries[index - this.base.index - 1]
    assert(entry !== undefined, `no entry ${index} on disk, it ends at ${this.lastIndex}`)
    return entry
  }

  entries(from: Index, entriesMax: number, bytesMax: number): readonly Entry[] {
    const found: Entry[] = []
    let bytes = 0
    for (let index = from; index <= this.lastIndex && found.length < entriesMax; index++) {
      const entry = this.entry(index)
      bytes += entry.bytes.length
      if (bytes > bytesMax && found.length > 0) break
      found.push(entry)
    }
    return found
  }

  memberships(): readonly MembershipAt[] {
    return this.#entries
      .filter(({ type }) => type === 'membership')
      .map(({ index, bytes }) => ({ index, ...decodeConfiguration(bytes) }))
  }

  /** A snapshot stands for everything up to there. */
  cut(index: Index): void {
    const base = { index, term: this.term(index) }
    this.#entries.splice(0, index - this.base.index)
    this.base = base
  }

  /** A snapshot stands for everything. */
  replace(base: LogPosition): void {
    this.base = base
    this.#entries = []
  }

  write({ hardState, truncateFrom, entries }: LogWrite): void {
    if (hardState !== null) this.hardState = hardState
    if (truncateFrom !== null) {
      assert(truncateFrom <= this.lastIndex, `truncate ${truncateFrom} of ${this.lastIndex}`)
      this.#entries.length = truncateFrom - 1 - this.base.index
    }
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, `gap: ${entry.index} after ${this.lastIndex}`)
      this.#entries.push(entry)
    }
  }
}
