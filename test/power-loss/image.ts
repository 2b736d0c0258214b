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
 * The state's file is written through a map and never synced before a clean close: whatever a disk could have
 * made of it, and worse, is `StateFate`.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Random } from '../simulation/random.ts'
import type { Inode, Operation } from './disk.ts'
import type { Copies, Recording } from './recording.ts'

export const fates = ['all', 'safe', 'prefix', 'subset', 'torn'] as const
export type Fate = (typeof fates)[number]

const stateFates = [
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
type Source = Pick<Recording, 'disk' | 'copies'>

export interface Image {
  readonly cut: number
  readonly fate: Fate
  /** Of every state that is not closed and safe. */
  readonly state: StateFate
}

/** Whether an operation that was begun, but is not safe, reached the disk; for `torn`, perhaps in part. */
type Decide = (operation: Operation) => 'kept' | 'lost' | 'torn'

export function makeImage(
  recording: Source,
  { cut, fate }: { cut: number; fate: Fate },
  target: string,
  random: Random,
): Image {
  const image: Image = { cut, fate, state: random.pick(stateFates) }
  new Builder(recording, image, random).build(recording.disk.root, target)
  return image
}

/**
 * The file of a state as it is while it is closed and known to be on the disk: between the end of the sync of
 * a clean close, and when it is opened for writing again. `null`: it is in use, or an older one.
 */
function cleanCopy(recording: Source, file: Inode, cut: number): Buffer | null {
  const files = recording.disk.inodes.filter(({ path }) => path === file.path)
  // The sync opens the file, too, before it.
  const syncs = files
    .flatMap((one) => one.syncs.map(({ endedAt }) => ({ one, endedAt })))
    .sort((a, b) => a.endedAt - b.endedAt)
  const at = syncs.findLastIndex(({ endedAt }) => endedAt < cut)
  const last = syncs[at]
  if (last === undefined || last.one !== file) return null
  const isOpen = files.some(({ openedAt }) =>
    openedAt.some((line) => line > last.endedAt && line < cut),
  )
  return isOpen ? null : (copiesOf(recording, file)?.clean[at] ?? null)
}

/** Whether the power may fail here while some state is closed and safe. */
export function hasCleanState(recording: Source, cut: number): boolean {
  const { inodes } = recording.disk
  return inodes.some((inode) => isState(inode) && cleanCopy(recording, inode, cut) !== null)
}

function copiesOf({ copies }: Source, { path }: Inode): Copies | undefined {
  return copies.get(basename(dirname(dirname(path))))
}

function isState({ path, isMapped }: Inode): boolean {
  return isMapped && path.endsWith(join('state', 'data.mdb'))
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
      else if (!inode.isMapped) writeFileSync(at, this.#contentOf(inode))
      else if (isState(inode)) this.#writeState(inode, at)
      else this.#writeLockTable(inode, at)
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
    const { state, cut } = this.#image
    const clean = cleanCopy(this.#recording, inode, cut)
    if (clean === null && state === 'missing') return
    const file = openSync(path, 'w')
    try {
      writeSync(file, clean ?? this.#ruined(state, inode))
      // As long as the map, with holes; or cut off behind what is used.
      const mayBeLonger = clean !== null || (state !== 'short' && state !== 'empty')
      if (mayBeLonger && this.#random.chance(0.5)) ftruncateSync(file, 2 ** 36)
    } finally {
      closeSync(file)
    }
  }

  #ruined(state: StateFate, inode: Inode): Buffer {
    const random = this.#random
    const copies = copiesOf(this.#recording, inode)?.any ?? []
    if (state === 'empty' || copies.length === 0) return Buffer.alloc(0)
    const copy = Buffer.from(random.pick(copies))
    if (state === 'short') return copy.subarray(0, random.below(copy.length))
    if (state === 'zeroed metas') return copy.fill(0, 0, 2 * pageBytes)
    const other = random.pick(copies)
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
