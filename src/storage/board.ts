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
  'snapshotIndex',
  'firstIndex',
  'repairs',
  // Before what says that the state is good: a reader that sees that sees this, too.
  'stateGeneration',
  'stateBad',
  'leadsAlone',
] as const
type Field = (typeof fields)[number]

const appliedIndexAt = fields.indexOf('appliedIndex')
const leadsAloneAt = fields.indexOf('leadsAlone')
const stateGenerationAt = fields.indexOf('stateGeneration')
const stateBadAt = fields.indexOf('stateBad')

export type Board = Readonly<Record<Field, number>>

/** Three int32 (sequence, busy, halted), padding, then one float64 for each field. */
const boardBytes = 16 + 8 * fields.length
const sequenceAt = 0
const busyAt = 1
const haltedAt = 2

/** Writing takes less than a microsecond. */
const readAttemptsMax = 1_000

/** How long a process that exits waits for a turn that is under way. */
const haltWaitMs = 2_000

export function createBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(boardBytes)
}

export class BoardWriter {
  readonly #flags: Int32Array
  readonly #numbers: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#flags = new Int32Array(memory, 0, 3)
    this.#numbers = new Float64Array(memory, 16)
  }

  /** Before anything that must not be cut off. False: the process is exiting, begin nothing. */
  enter(): boolean {
    Atomics.store(this.#flags, busyAt, 1)
    if (Atomics.load(this.#flags, haltedAt) === 0) return true
    this.leave()
    return false
  }

  leave(): void {
    Atomics.store(this.#flags, busyAt, 0)
    Atomics.notify(this.#flags, busyAt)
  }

  /** Odd while writing. */
  write(board: Board): void {
    Atomics.add(this.#flags, sequenceAt, 1)
    // Every turn writes, and `entries()` would make an array for each field.
    let n = 0
    for (const field of fields) this.#numbers[n++] = board[field]
    Atomics.add(this.#flags, sequenceAt, 1)
  }
}

export class BoardReader {
  readonly #flags: Int32Array
  readonly #numbers: Float64Array
  /** The newest numbers known to belong together. */
  #newest: Float64Array
  #generation: number

  constructor(memory: SharedArrayBuffer, generation = 0) {
    this.#flags = new Int32Array(memory, 0, 3)
    this.#numbers = new Float64Array(memory, 16)
    this.#newest = new Float64Array(fields.length)
    this.#generation = generation
  }

  /**
   * We lead a cluster of one voter, so that what is applied here is everything that was acknowledged.
   * Cleared before another server could be heard.
   */
  get leadsAlone(): boolean {
    return this.#numbers[leadsAloneAt] === 1 && !this.isStateBad
  }

  /** Whatever is acknowledged here was on the board before. */
  get appliedIndex(): number {
    return this.#numbers[appliedIndexAt] ?? 0
  }

  /** What this thread reads is the state of this generation. */
  reads(generation: number): void {
    this.#generation = generation
  }

  /**
   * The state was found to be wrong, and there is no other yet, or this thread has still to hear of it: nothing
   * may be read, not even by those who take what is there.
   */
  get isStateBad(): boolean {
    const isBad = this.#numbers[stateBadAt] === 1
    return isBad || this.#numbers[stateGenerationAt] !== this.#generation
  }

  /**
   * The process exits: lets a turn that is under way end and no other begin. Node ends threads wherever they
   * are, and one that holds LMDB's lock would wait for itself forever.
   */
  halt(): void {
    Atomics.store(this.#flags, haltedAt, 1)
    Atomics.wait(this.#flags, busyAt, 1, haltWaitMs)
  }

  read(): Board {
    // Bounded: a writer that was stopped in the middle, or has died there, is not waited for.
    for (let n = 0; n < readAttemptsMax; n++) {
      const before = Atomics.load(this.#flags, sequenceAt)
      const numbers = Float64Array.from(this.#numbers)
      if (before % 2 !== 0 || Atomics.load(this.#flags, sequenceAt) !== before) continue
      this.#newest = numbers
      break
    }
    return toBoard(this.#newest)
  }
}

function toBoard(numbers: Float64Array): Board {
  const board = {} as Record<Field, number>
  for (const [n, field] of fields.entries()) board[field] = numbers[n] ?? 0
  return board
}
