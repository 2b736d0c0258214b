/**
 * What makes it safe to write a state through LMDB's map, which more than halves the cost of a put.
 *
 * A page that a transaction has made and emptied again is loose: LMDB gives it out anew within the transaction. What is
 * left of them at the commit it looks up in its list of dirty pages, where it knows of no free page; through the map there
 * is no such list, and LMDB aborts the process (mdb_freelist_save). And it may know of no free page at any time: while a
 * scan or a copy reads an old moment, none becomes free.
 *
 * So no transaction ends with loose pages. Only removals make them. For n of them, at most n leaves and n branches are
 * emptied, and for each table as many as it is high. As many pages of a table that is there for nothing else are written
 * to after them, and each of these takes one.
 */
import { assert } from '../raft/assert.ts'
import type { Environment, Table } from './environment.ts'

/** Two rows take a page, and a third has no room in it: LMDB gives a row at most half of one. */
const rowBytes = 1_900
const rowsPerPage = 2
/** Leaves and branches. */
const pagesPerRemoval = 2
/** All tables together: six of them, at most as high as ever a tree of 64 GiB. */
const pagesPerTransaction = 48

/** An environment whose transactions end without loose pages. */
export function withoutLoosePages<Kind extends Environment>(environment: Kind): Kind {
  const openTable = environment.openTable.bind(environment)
  const transactionSync = environment.transactionSync.bind(environment)
  const ballast = new Ballast(openTable('ballast'))
  return Object.assign(environment, {
    openTable: (name: string) => counting(openTable(name), ballast),
    transactionSync: <T>(change: () => T): T =>
      transactionSync(() => {
        ballast.begin()
        const result = change()
        ballast.settle()
        return result
      }),
  })
}

function counting(table: Table, ballast: Ballast): Table {
  const removeSync = table.removeSync.bind(table)
  return Object.assign(table, {
    removeSync: (key: Buffer): unknown => {
      ballast.removed()
      return removeSync(key)
    },
  })
}

class Ballast {
  readonly #table: Table
  readonly #row = Buffer.alloc(rowBytes)
  #pages: number
  #removals = 0

  constructor(table: Table) {
    this.#table = table
    const [last] = table.getKeys({ start: rowKey(2 ** 32 - 1), reverse: true, limit: 1 })
    this.#pages = last === undefined ? 0 : (last.readUInt32BE() + 1) / rowsPerPage
  }

  begin(): void {
    this.#removals = 0
  }

  removed(): void {
    this.#removals++
  }

  /** Ends a transaction: takes every loose page there may be. */
  settle(): void {
    if (this.#removals === 0) return
    const pages = pagesPerRemoval * this.#removals + pagesPerTransaction
    const known = Math.min(pages, this.#pages)
    this.#row.writeInt32BE((this.#row.readInt32BE(0) + 1) | 0, 0)
    for (let page = 0; page < known; page++)
      this.#table.putSync(rowKey(page * rowsPerPage), this.#row)
    for (let row = known * rowsPerPage; row < pages * rowsPerPage; row++)
      assert(this.#table.appendSync(rowKey(row), this.#row), `ballast row ${row} is not the last`)
    this.#pages = Math.max(this.#pages, pages)
  }
}

function rowKey(row: number): Buffer {
  const key = Buffer.allocUnsafe(4)
  key.writeUInt32BE(row)
  return key
}
