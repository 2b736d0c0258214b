/**
 * Works out the hash of a state from its rows, a slice at a time while the state goes on changing: changes of
 * rows that were seen already are changes of the sum. Where it does not come to what the state says of itself,
 * the rows are not the ones that were written. LMDB has no checksums; this is what notices a disk, or a memory,
 * that forgets.
 */
import type { Environment } from './environment.ts'
import { openStateTables, positionKey, readPosition, type StateTables } from './layout.ts'
import {
  type HashedTable,
  hashedTables,
  noRows,
  type RowObserver,
  StateHash,
} from './state-hash.ts'

/** The first and the last key there may be. */
const lowest = Buffer.from([0])
const highest = Buffer.alloc(1_978, 0xff)

export class Scrub implements RowObserver {
  readonly sum: StateHash = new StateHash(noRows)
  readonly #tables: StateTables
  /** All rows of the tables before this one were seen, and of this one those up to `#last`. */
  #table = 0
  #last: Buffer | null = null

  constructor(tables: StateTables) {
    this.#tables = tables
  }

  /** Some more rows, of large ones fewer. True: these were the last. */
  step(rowsMax: number, bytesMax: number): boolean {
    const name = hashedTables[this.#table]
    if (name === undefined) return true
    let [rows, bytes] = [0, 0]
    const exclusiveStart = this.#last !== null
    const range = { start: this.#last ?? lowest, end: highest, exclusiveStart, limit: rowsMax }
    for (const { key, value } of this.#tables[name].getRange(range)) {
      this.#last = Buffer.from(key)
      this.sum.add(name, key, value)
      rows++
      bytes += value.length
      if (bytes >= bytesMax) return false
    }
    if (rows < rowsMax) {
      this.#table++
      this.#last = null
    }
    return this.#table === hashedTables.length
  }

  changed(table: HashedTable, key: Uint8Array, low: number, high: number): void {
    if (this.#hasSeen(table, key)) this.sum.change(low, high)
  }

  #hasSeen(table: HashedTable, key: Uint8Array): boolean {
    const name = hashedTables[this.#table]
    if (name !== table) return hashedTables.indexOf(table) < this.#table
    return this.#last !== null && compare(key, this.#last) <= 0
  }
}

/** At once: is this state what it says it is? */
export function isTrue(environment: Environment): boolean {
  const tables = openStateTables(environment)
  // Within a transaction it is the newest that is read, and nothing is remembered of it.
  return environment.transactionSync(() => {
    const scrub = new Scrub(tables)
    while (!scrub.step(rowsAtOnce, bytesAtOnce));
    return scrub.sum.equals(readPosition(tables.meta.get(positionKey)).hash)
  })
}

/** The same of a copy that nobody changes, a slice in each turn of the event loop. */
export async function isTrueCopy(tables: StateTables): Promise<boolean> {
  const scrub = new Scrub(tables)
  while (!scrub.step(rowsAtOnce, bytesAtOnce)) await new Promise((resolve) => setImmediate(resolve))
  return scrub.sum.equals(readPosition(tables.meta.get(positionKey)).hash)
}

const rowsAtOnce = 1_000
const bytesAtOnce = 2 ** 18

/** For keys as short as ours this is faster than a call into C++. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
