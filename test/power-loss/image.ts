/**
 * A data directory as it could stand after the power failed at some line of a trace. What was safe by then is
 * there. Of the rest, `fate` says:
 *
 * - `all`: everything that was begun (as if only the process had died);
 * - `safe`: nothing else;
 * - `prefix`: what was asked for up to some moment;
 * - `subset`: some writes and not others;
 * - `torn`: some sectors of some writes. A sector is written whole or not at all: LMDB relies on that for its
 *   meta page, and so do we.
 *
 * A file that was being extended is as long as what reached it, or longer, with zeros. Names go their own ways.
 *
 * The state's file is never synced before a clean close: until then whatever a disk could have made of it, and
 * worse, is `StateFate`; as it was written is the usual one.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../simulation/random.ts'
import { contentOf, type Inode, type Operation } from './disk.ts'
import type { Recording } from './recording.ts'

export const fates = ['all', 'safe', 'prefix', 'subset', 'torn'] as const
export type Fate = (typeof fates)[number]

const stateFates = [
  'written',
  'missing',
  'empty',
  'short',
  'copy',
  'mixed',
  'zeroed pages',
  'zeroed metas',
  'noise',
] as const
type StateFate = (typeof stateFates)[number]

const sectorBytes = 512
const pageBytes = 4_096

/** What images are made of. */
type Source = Pick<Recording, 'disk'>

export interface Image {
  readonly cut: number
  readonly fate: Fate
  /** Of every state that is not closed and safe. */
  readonly state: StateFate
}

/** A state of which nothing is said is drawn. */
type Wanted = Omit<Image, 'state'> & Partial<Pick<Image, 'state'>>

/** Whether an operation that was begun, but is not safe, reached the disk; for `torn`, perhaps in part. */
type Decide = (operation: Operation) => 'kept' | 'lost' | 'torn'

export function makeImage(
  recording: Source,
  wanted: Wanted,
  target: string,
  random: Random,
): Image {
  const image: Image = { state: random.pick(stateFates), ...wanted }
  new Builder(recording, image, random).build(recording.disk.root, target)
  return image
}

/** Whether the power may fail here while some state is closed and safe. */
export function hasCleanState({ disk }: Source, cut: number): boolean {
  return disk.inodes.some((inode) => isState(inode.path) && isSafe(inode, cut))
}

/** Whether a snapshot is being taken, or coming in, or about to become a state. */
export function isWithinSnapshot({ disk }: Source, cut: number): boolean {
  return disk.inodes.some(({ path, isDirectory, operations }) => {
    if (!isDirectory || !path.endsWith('snapshots')) return false
    const names = new Set<string>()
    for (const { begunAt, change } of operations) {
      if (begunAt >= cut) break
      for (const [name, inode] of change.type === 'names' ? change.names : []) {
        if (inode === null) names.delete(name)
        else names.add(name)
      }
    }
    return [...names].some((name) => !name.endsWith('.mdb'))
  })
}

/** It was written, and nothing that was can be lost. */
function isSafe({ operations }: Inode, cut: number): boolean {
  const begun = operations.filter(({ begunAt }) => begunAt < cut)
  return begun.length > 0 && begun.every(({ safeAt }) => safeAt < cut)
}

/** Wherever the file was made: one comes from among the snapshots. */
function isState(path: string): boolean {
  return /state-\d+.data\.mdb$/.test(path)
}

class Builder {
  readonly #recording: Source
  readonly #image: Image
  readonly #random: Random
  readonly #decide: Decide

  constructor(recording: Source, image: Image, random: Random) {
    this.#recording = recording
    this.#image = image
    this.#random = random
    this.#decide = this.#decider()
  }

  build(directory: Inode, path: string): void {
    mkdirSync(path, { recursive: true })
    for (const [name, inode] of this.#entriesOf(directory)) {
      const at = join(path, name)
      if (inode.isDirectory) this.build(inode, at)
      else if (inode.isMapped) this.#writeLockTable(inode, at)
      else if (isState(at) && !isSafe(inode, this.#image.cut)) this.#writeState(inode, at)
      else writeFileSync(at, this.#contentOf(inode))
    }
  }

  /** Of each directory some prefix of what was asked of it, at least what is safe. */
  #entriesOf(directory: Inode): Map<string, Inode> {
    const { cut, fate } = this.#image
    const begun = directory.operations.filter(({ begunAt }) => begunAt < cut)
    const safe = begun.findLastIndex(({ safeAt }) => safeAt < cut) + 1
    const goesItsOwnWay = fate === 'subset' || fate === 'torn'
    const firstLost = begun.findIndex(
      (operation, n) => n >= safe && this.#decide(operation) !== 'kept',
    )
    const decided = firstLost < 0 ? begun.length : firstLost
    const ways = [safe, begun.length, this.#random.between(safe, begun.length)]
    const count = goesItsOwnWay ? this.#random.pick(ways) : decided
    const entries = new Map<string, Inode>()
    for (const { change } of begun.slice(0, count)) {
      for (const [name, inode] of change.type === 'names' ? change.names : []) {
        if (inode === null) entries.delete(name)
        else entries.set(name, inode)
      }
    }
    return entries
  }

  #contentOf({ operations }: Inode): Buffer {
    const { cut, fate } = this.#image
    let content: Buffer = Buffer.alloc(0)
    let sizeMax = 0
    for (const operation of operations) {
      if (operation.begunAt >= cut) break
      const { change } = operation
      if (change.type === 'write') sizeMax = Math.max(sizeMax, change.offset + change.bytes.length)
      const end = operation.safeAt < cut ? 'kept' : this.#decide(operation)
      if (end === 'lost' || change.type === 'names') continue
      if (change.type === 'resize') content = resized(content, change.size)
      else content = this.#written(content, change, end === 'torn')
    }
    const isLonger = fate !== 'all' && fate !== 'safe' && this.#random.chance(0.5)
    return isLonger && sizeMax > content.length ? resized(content, sizeMax) : content
  }

  #written(
    content: Buffer,
    { offset, bytes }: { offset: number; bytes: Buffer },
    isTorn: boolean,
  ): Buffer {
    if (!isTorn) return patched(content, offset, bytes)
    let torn = content
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + sectorBytes - ((offset + at) % sectorBytes))
      if (this.#random.chance(0.5)) torn = patched(torn, offset + at, bytes.subarray(at, end))
      at = end
    }
    return torn
  }

  #decider(): Decide {
    const { cut, fate } = this.#image
    const random = this.#random
    switch (fate) {
      case 'all':
        return () => 'kept'
      case 'safe':
        return () => 'lost'
      case 'prefix': {
        const until = this.#someUnsafe(cut)
        return ({ begunAt }) => (begunAt < until ? 'kept' : 'lost')
      }
      case 'subset':
        return () => (random.chance(0.5) ? 'kept' : 'lost')
      case 'torn':
        return () => random.pick(['kept', 'lost', 'torn', 'torn'] as const)
    }
  }

  /** The line of one of the operations that are not safe. */
  #someUnsafe(cut: number): number {
    const lines = this.#recording.disk.inodes.flatMap(({ operations }) =>
      operations
        .filter(({ begunAt, safeAt }) => begunAt < cut && safeAt >= cut)
        .map(({ begunAt }) => begunAt),
    )
    return lines.length === 0 ? cut : this.#random.pick(lines)
  }

  #writeState(inode: Inode, path: string): void {
    const { state } = this.#image
    if (state !== 'missing') writeFileSync(path, this.#ruined(state, inode))
  }

  #ruined(state: StateFate, inode: Inode): Buffer {
    const random = this.#random
    if (state === 'empty') return Buffer.alloc(0)
    if (state === 'written') return this.#contentOf(inode)
    // As it was later on: the pages in it are the same, and others.
    const copy = contentOf(inode)
    if (state === 'short') return copy.subarray(0, random.below(copy.length))
    if (state === 'zeroed metas') return copy.fill(0, 0, 2 * pageBytes)
    const other = this.#contentOf(inode)
    for (let at = 0; at < copy.length && state !== 'copy'; at += pageBytes) {
      if (random.chance(0.6)) continue
      const end = Math.min(at + pageBytes, copy.length)
      if (state === 'mixed') copy.set(other.subarray(at, end), at)
      else if (state === 'zeroed pages') copy.fill(0, at, end)
      else for (let byte = at; byte < end; byte++) copy[byte] = random.below(256)
    }
    return copy
  }

  /** LMDB's table of readers and its mutexes, which it must make anew. */
  #writeLockTable({ operations }: Inode, path: string): void {
    const random = this.#random
    const size = operations.reduce(
      (most, { change }) => (change.type === 'resize' ? change.size : most),
      0,
    )
    if (random.chance(0.3)) return
    const content = Buffer.alloc(random.chance(0.5) ? size : random.below(size + 1))
    if (random.chance(0.5))
      for (let at = 0; at < content.length; at++) content[at] = random.below(256)
    writeFileSync(path, content)
  }
}

function patched(content: Buffer, offset: number, bytes: Buffer): Buffer {
  const whole = resized(content, Math.max(content.length, offset + bytes.length))
  bytes.copy(whole, offset)
  return whole
}

function resized(content: Buffer, size: number): Buffer {
  if (size <= content.length) return content.subarray(0, size)
  const longer = Buffer.alloc(size)
  content.copy(longer)
  return longer
}
