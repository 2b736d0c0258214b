/**
 * The status board: the numbers of a node that change with every put, in memory shared by the storage
 * thread (which writes) and main (which reads), so that a status or a read of a cluster of one costs no
 * hop. A sequence lock keeps the numbers of one moment together.
 */
const fields = [
  'term',
  'commitIndex',
  'appliedIndex',
  'lastIndex',
  'revision',
  'leadsAlone',
] as const
type Field = (typeof fields)[number]

export type Board = Readonly<Record<Field, number>>

/** Int32 sequence, padding, then one float64 for each field. */
const boardBytes = 8 + 8 * fields.length

export function createBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(boardBytes)
}

export class BoardWriter {
  readonly #sequence: Int32Array
  readonly #numbers: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#sequence = new Int32Array(memory, 0, 1)
    this.#numbers = new Float64Array(memory, 8)
  }

  /** Odd while writing. */
  write(board: Board): void {
    Atomics.add(this.#sequence, 0, 1)
    for (const [n, field] of fields.entries()) this.#numbers[n] = board[field]
    Atomics.add(this.#sequence, 0, 1)
  }
}

export class BoardReader {
  readonly #sequence: Int32Array
  readonly #numbers: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#sequence = new Int32Array(memory, 0, 1)
    this.#numbers = new Float64Array(memory, 8)
  }

  /**
   * We lead a cluster of one voter, so that what is applied here is everything that was acknowledged.
   * Cleared before another server could be heard.
   */
  get leadsAlone(): boolean {
    return this.#numbers[fields.indexOf('leadsAlone')] === 1
  }

  read(): Board {
    for (;;) {
      const before = Atomics.load(this.#sequence, 0)
      const numbers = Float64Array.from(this.#numbers)
      if (before % 2 === 0 && Atomics.load(this.#sequence, 0) === before) return toBoard(numbers)
    }
  }
}

function toBoard(numbers: Float64Array): Board {
  const board = {} as Record<Field, number>
  for (const [n, field] of fields.entries()) board[field] = numbers[n] ?? 0
  return board
}
