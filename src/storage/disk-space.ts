/**
 * Watches the space that is left, on the disk and in the maps of LMDB. Below the low mark writes are refused; far
 * below it the node stops, before a write fails halfway.
 */
import { batchCount } from '../codec/command.ts'
import { SkiffError } from '../errors.ts'
import type { Entry } from '../raft/types.ts'

/** Writes are refused below the low mark; the node stops below this part of it. */
const hardMarkPart = 1 / 4
/** Written since the last look; much less than what lies between the marks. */
const lookEveryPart = 1 / 16
/** About once a second: others may fill the disk as well. */
const lookEveryTicks = 40
/** The low mark of the maps. */
const mapFreeBytesMin = 2 ** 30

/** What one command may cost in the state beside its own bytes: a page of the tree, and two that a removal pays with. */
const commandPageBytes = 3 * 4_096

/** What an entry may cost in the state. */
export function stateBytes({ type, bytes }: Entry): number {
  return bytes.length + (type === 'batch' ? batchCount(bytes) * commandPageBytes : 0)
}

/** Something that may run out. */
interface Supply {
  readonly measure: () => number
  readonly lowMark: number
  freeBytes: number
  readonly name: string
  /** The low mark, as its owner knows it. */
  readonly mark: string
  readonly remedy: string
}

export class DiskSpace {
  readonly #supplies: readonly Supply[]
  readonly #lookEveryBytes: number
  #spentBytes = 0
  #ticks = 0

  /**
   * @param disk how many bytes it has left
   * @param diskLowMark 0 asks for no care
   * @param map how many bytes the fuller of the maps has left
   */
  constructor(disk: () => number, diskLowMark: number, map: () => number = () => 2 ** 53) {
    this.#supplies = [
      {
        ...{ name: 'the disk', measure: disk, lowMark: diskLowMark, freeBytes: disk() },
        mark: `diskFreeBytesMin (${diskLowMark})`,
        remedy: 'free some space',
      },
      {
        ...{ name: 'the map of the log, or of the state,', measure: map, freeBytes: map() },
        ...{ lowMark: mapFreeBytesMin, mark: `${mapFreeBytesMin}` },
        remedy: 'begin another cluster with what is too much for this one',
      },
    ]
    const lowest = Math.min(...this.#supplies.map(({ lowMark }) => lowMark || mapFreeBytesMin))
    this.#lookEveryBytes = lowest * lookEveryPart
  }

  /** Why no write may be taken now, or `null`. */
  get trouble(): string | null {
    const short = this.#shortOf(1)
    return short === null
      ? null
      : `${short.name} has ${short.freeBytes} bytes left, fewer than ${short.mark}; ${short.remedy}`
  }

  tick(): void {
    this.#ticks++
    if (this.#ticks >= lookEveryTicks) this.#look()
  }

  /**
   * Before so many bytes are written.
   * @throws SkiffError `SKIFF_STORAGE` when there may not be room for them
   */
  spend(bytes: number): void {
    this.#spentBytes += bytes
    if (this.#spentBytes > this.#lookEveryBytes) this.#look()
    if (this.#shortOf(hardMarkPart) === null) return
    this.#look()
    const short = this.#shortOf(hardMarkPart)
    if (short === null) return
    throw new SkiffError(
      'SKIFF_STORAGE',
      'unknown',
      `${short.name} is full: ${short.freeBytes} bytes left, fewer than a quarter of ${short.mark}. The node has stopped; ${short.remedy}, then start it again`,
    )
  }

  /** What has less left than this part of its low mark. */
  #shortOf(part: number): Supply | null {
    return this.#supplies.find(({ freeBytes, lowMark }) => freeBytes < lowMark * part) ?? null
  }

  #look(): void {
    for (const each of this.#supplies) each.freeBytes = each.measure()
    this.#spentBytes = 0
    this.#ticks = 0
  }
}
