/**
 * The log as the core sees it: a tail in memory in front of a store on disk. The core only queues what is
 * to be written; `takeWrite` hands it over, `persisted` says it is on disk.
 *
 *     base | firstIndex ……………… durableIndex ……… lastIndex
 *          └ on disk, maybe in memory ┘└ in memory only ┘
 *
 * `base` is the last entry that was cut away, because a snapshot stands for it and all before.
 */
import { assert } from './assert.ts'
import type { Entry, Index, LogPosition, Term } from './types.ts'

/** The part of the log that is on disk. Read only for what the tail does not hold. */
export interface LogReader {
  /** The entry before the oldest one still stored; 0 and 0 in a log that is whole. */
  readonly base: LogPosition
  readonly lastIndex: Index
  term(index: Index): Term
  /** From `from` on, at most `entriesMax` and `bytesMax`, but at least one. */
  entries(from: Index, entriesMax: number, bytesMax: number): readonly Entry[]
}

/** Bytes of durable entries kept in memory, so that followers that keep up never cause a disk read. */
const tailBytesMax = 16 * 2 ** 20

export class RaftLog {
  readonly #disk: LogReader
  /** Consecutive; the last is `lastIndex`. Holds at least everything that is not durable. */
  #tail: Entry[] = []
  #tailBytes = 0
  #lastIndex: Index
  #lastTerm: Term
  /** Entries up to here are on disk and agree with memory. */
  #durableIndex: Index
  #truncateFrom: Index | null = null
  /** The last entry handed to a write, durable or about to be. */
  #writtenIndex: Index

  constructor(disk: LogReader) {
    this.#disk = disk
    this.#lastIndex = disk.lastIndex
    this.#durableIndex = disk.lastIndex
    this.#writtenIndex = disk.lastIndex
    this.#lastTerm = lastTermOf(disk)
  }

  get base(): LogPosition {
    return this.#disk.base
  }

  get firstIndex(): Index {
    return this.#disk.base.index + 1
  }

  get lastIndex(): Index {
    return this.#lastIndex
  }

  get lastTerm(): Term {
    return this.#lastTerm
  }

  get durableIndex(): Index {
    return this.#durableIndex
  }

  /** Term of an entry; `null` for one that was cut away, and beyond the end. */
  term(index: Index): Term | null {
    const { base } = this
    if (index < base.index || index > this.#lastIndex) return null
    if (index === base.index) return base.term
    if (index === this.#lastIndex) return this.#lastTerm
    return this.#inTail(index)?.term ?? this.#disk.term(index)
  }

  /** Is it the entry that stands there? What was cut away is committed, and so the same everywhere. */
  holds(index: Index, term: Term): boolean {
    return index < this.base.index || this.term(index) === term
  }

  /** Is a log that ends so at least as up to date as ours (paper §5.4.1)? Term first, then length. */
  isUpToDate(lastIndex: Index, lastTerm: Term): boolean {
    if (lastTerm !== this.#lastTerm) return lastTerm > this.#lastTerm
    return lastIndex >= this.#lastIndex
  }

  /**
   * The last entry at or below `index` whose term is at most `term` (conflict hints, paper §5.3), or the base:
   * there all logs meet. Terms never fall along the log, so halving finds it: each look at an old entry may be
   * one at the disk.
   */
  lastAtMost(index: Index, term: Term): LogPosition {
    let low = this.base.index
    let high = Math.min(index, this.#lastIndex)
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#termOf(middle) <= term) low = middle
      else high = middle - 1
    }
    return { index: low, term: this.#termOf(low) }
  }

  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, `gap: ${entry.index} after ${this.#lastIndex}`)
    assert(entry.term >= this.#lastTerm, `term ${entry.term} after ${this.#lastTerm}`)
    this.#tail.push(entry)
    this.#tailBytes += entry.bytes.length
    this.#lastIndex = entry.index
    this.#lastTerm = entry.term
  }

  /** The disk holds another log now, behind a snapshot that stands for more than this one held. */
  restored(): void {
    assert(!this.hasWrite, 'replaced while something waits to be written')
    this.#tail = []
    this.#tailBytes = 0
    this.#lastIndex = this.#disk.lastIndex
    this.#lastTerm = lastTermOf(this.#disk)
    this.#durableIndex = this.#lastIndex
    this.#writtenIndex = this.#lastIndex
  }

  /** Removes `from` and everything behind it: the leader says otherwise (paper §5.3). */
  truncate(from: Index): void {
    assert(
      from >= this.firstIndex && from <= this.#lastIndex,
      `truncate ${from} of ${this.firstIndex} to ${this.#lastIndex}`,
    )
    const lastTerm = this.term(from - 1)
    assert(lastTerm !== null, `no term before ${from}`)
    const keep = Math.max(0, this.#tail.length - (this.#lastIndex - from + 1))
    for (const entry of this.#tail.splice(keep)) this.#tailBytes -= entry.bytes.length
    this.#lastIndex = from - 1
    this.#lastTerm = lastTerm
    if (from > this.#writtenIndex) return
    // An earlier truncation of this turn began behind: what it removed was not written again.
    this.#truncateFrom = from
    this.#writtenIndex = from - 1
    this.#durableIndex = Math.min(this.#durableIndex, from - 1)
  }

  /** From `from` on, at most so many and so large, but at least one. */
  slice(from: Index, entriesMax: number, bytesMax: number): readonly Entry[] {
    assert(from >= this.firstIndex, `entry ${from} was cut away before ${this.firstIndex}`)
    assert(from <= this.#lastIndex, `entry ${from} is beyond ${this.#lastIndex}`)
    const start = from - this.#tailFirst()
    if (start < 0) return this.#disk.entries(from, Math.min(entriesMax, -start), bytesMax)
    let bytes = 0
    let end = start
    for (; end < this.#tail.length && end - start < entriesMax; end++) {
      bytes += this.#tail[end]?.bytes.length ?? 0
      if (bytes > bytesMax && end > start) break
    }
    return this.#tail.slice(start, end)
  }

  /** What is to be made durable: at most one truncation, then consecutive entries. */
  takeWrite(): { truncateFrom: Index | null; entries: readonly Entry[] } {
    const entries = this.#tail.slice(this.#writtenIndex + 1 - this.#tailFirst())
    const truncateFrom = this.#truncateFrom
    this.#truncateFrom = null
    this.#writtenIndex = this.#lastIndex
    return { truncateFrom, entries }
  }

  get hasWrite(): boolean {
    return this.#truncateFrom !== null || this.#writtenIndex < this.#lastIndex
  }

  /** What `takeWrite` handed over is on disk. Memory beyond the limit goes: from now on it can be read back. */
  persisted(): void {
    this.#durableIndex = this.#writtenIndex
    let drop = 0
    for (const entry of this.#tail) {
      if (this.#tailBytes <= tailBytesMax || entry.index > this.#durableIndex) break
      this.#tailBytes -= entry.bytes.length
      drop++
    }
    if (drop > 0) this.#tail.splice(0, drop)
  }

  #termOf(index: Index): Term {
    const term = this.term(index)
    assert(term !== null, `no term at ${index} of ${this.#lastIndex}`)
    return term
  }

  #tailFirst(): Index {
    return this.#lastIndex - this.#tail.length + 1
  }

  #inTail(index: Index): Entry | undefined {
    return this.#tail[index - this.#tailFirst()]
  }
}

function lastTermOf(disk: LogReader): Term {
  const { base, lastIndex } = disk
  return lastIndex === base.index ? base.term : disk.term(lastIndex)
}
