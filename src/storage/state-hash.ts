/**
 * What a state holds, as one number: equal states have equal hashes, and others, but for one chance in 2^53, do
 * not. It is a sum of one hash for each row, in any order, so that a change of a row costs no more than its bytes:
 * what it was is subtracted, what it will be is added.
 *
 * Kept beside the rows it stands for, and worked out again from the rows themselves (scrub.ts), it tells whether
 * they are what was written; compared between members (audits.ts), whether all of them wrote the same. Good
 * against accidents, not against somebody who wants two states to look alike.
 */

/** Of the state's tables those whose rows are the same on every member. The order is part of the hash. */
export const hashedTables = ['kv', 'prefixes', 'sessions'] as const
export type HashedTable = (typeof hashedTables)[number]

/** Two lanes of 32 bits, so that a row costs no allocation (measured: 0.1 µs for 120 bytes). */
export interface Lanes {
  readonly low: number
  readonly high: number
}

export const noRows: Lanes = { low: 0, high: 0 }

const multiplierLow = 0x85ebca6b
const multiplierHigh = 0xc2b2ae35
/** What each table begins with: the same row in another table is another one. */
const seeds: Readonly<Record<HashedTable, number>> = {
  kv: 0x9e3779b1,
  prefixes: 0x3c6ef372,
  sessions: 0x1b873593,
}

/** Hears of every change of a row, and what it adds to the sum. */
export interface RowObserver {
  changed(table: HashedTable, key: Uint8Array, low: number, high: number): void
}

/** The sum as it grows and shrinks. */
export class StateHash implements Lanes {
  low: number
  high: number
  observer: RowObserver | null = null

  constructor({ low, high }: Lanes) {
    this.low = low
    this.high = high
  }

  get lanes(): Lanes {
    return { low: this.low, high: this.high }
  }

  add(table: HashedTable, key: Uint8Array, value: Uint8Array): void {
    hashRow(seeds[table], key, value)
    this.change(rowLow, rowHigh)
    this.observer?.changed(table, key, rowLow, rowHigh)
  }

  remove(table: HashedTable, key: Uint8Array, value: Uint8Array): void {
    hashRow(seeds[table], key, value)
    this.change(-rowLow, -rowHigh)
    this.observer?.changed(table, key, -rowLow, -rowHigh)
  }

  change(low: number, high: number): void {
    this.low = (this.low + low) | 0
    this.high = (this.high + high) | 0
  }

  equals({ low, high }: Lanes): boolean {
    return this.low === low && this.high === high
  }
}

/** As it travels and is shown: of the rows, and of how many changes led to them. A safe integer. */
export function digestOf({ low, high }: Lanes, revision: number): number {
  const mixed = low ^ Math.imul(revision, multiplierHigh)
  return (high & 0x1f_ffff) * 2 ** 32 + (mixed >>> 0)
}

/** The last row's: two results without an object for them. */
let rowLow = 0
let rowHigh = 0

function hashRow(seed: number, key: Uint8Array, value: Uint8Array): void {
  rowLow = seed ^ key.length
  rowHigh = seed ^ value.length
  hashBytes(key)
  hashBytes(value)
  // Spreads the last bytes over all bits: sums of rows that differ in a few must not cancel out.
  rowLow = Math.imul(rowLow ^ (rowHigh >>> 16), multiplierLow)
  rowHigh = Math.imul(rowHigh ^ (rowLow >>> 13), multiplierHigh)
  rowLow ^= rowHigh >>> 16
}

function hashBytes(bytes: Uint8Array): void {
  // lmdb's reused buffer reports its filled part as `length`.
  const { length } = bytes
  let low = rowLow
  let high = rowHigh
  let at = 0
  for (; at + 8 <= length; at += 8) {
    low = Math.imul(low ^ word(bytes, at), multiplierLow)
    high = Math.imul(high ^ word(bytes, at + 4), multiplierHigh)
    low ^= high >>> 15
    high ^= low >>> 13
  }
  for (; at < length; at++) {
    low = Math.imul(low ^ (bytes[at] ?? 0), multiplierLow)
    high = Math.imul(high ^ (low >>> 15), multiplierHigh)
  }
  rowLow = low
  rowHigh = high
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}

/** Entries back to which it is remembered what the state was. Members are seldom further apart. */
const recentEntriesMax = 1_024

/** The digests of the state after each of the newest entries, and of one that is kept however many follow. */
export class RecentDigests {
  readonly #indexes = new Float64Array(recentEntriesMax)
  readonly #digests = new Float64Array(recentEntriesMax)
  #keptIndex = 0
  /** `null`: that entry is not applied yet. */
  #keptDigest: number | null = null

  record(index: number, digest: number): void {
    const at = index % recentEntriesMax
    this.#indexes[at] = index
    this.#digests[at] = digest
    if (index === this.#keptIndex) this.#keptDigest = digest
  }

  /** @param digest `null`: it is not known yet */
  keep(index: number, digest: number | null): void {
    this.#keptIndex = index
    this.#keptDigest = digest
  }

  get keptIndex(): number {
    return this.#keptIndex
  }

  at(index: number): number | null {
    if (index === this.#keptIndex) return this.#keptDigest
    const at = index % recentEntriesMax
    return index > 0 && this.#indexes[at] === index ? (this.#digests[at] ?? null) : null
  }
}
