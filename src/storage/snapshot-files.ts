/**
 * Snapshots as files of `DIR/snapshots`: copies of the state environment, named by their last entry
 * and their hash. A file gets such a name only once it is whole and on the disk; what is being made or is
 * coming in has another, and is worth nothing to a later start but the bytes that need not be sent again.
 */
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  createReadStream,
  existsSync,
  constants as fsConstants,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { copyFile, open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../errors.ts'
import type { SnapshotMark } from '../raft/types.ts'
import { type Directory, freeBytes, readPart, withFile } from './directory.ts'
import { type Environment, openStateCopy } from './environment.ts'
import {
  membershipKey,
  openStateTables,
  positionKey,
  readMembership,
  readPosition,
} from './layout.ts'
import { isTrueCopy } from './scrub.ts'
import type { SnapshotFiles, TakenSnapshot } from './snapshots.ts'

export class SnapshotFolder implements SnapshotFiles {
  readonly #directory: Directory
  readonly #spareBytes: number
  /** What is under way must have ended before the environment is closed. */
  readonly #busy = new Set<Promise<void>>()
  #isTaking = false
  /** The snapshot of which a state is made already, for {@link restore} to put in its place. */
  #copied: string | null = null

  /** @param spareBytes that a snapshot must leave free on the disk */
  constructor(directory: Directory, spareBytes: number) {
    this.#directory = directory
    this.#spareBytes = spareBytes
  }

  take(state: Environment, done: (taken: TakenSnapshot | Error) => void): void {
    this.#isTaking = true
    this.#begin(this.#take(state), (taken) => {
      this.#isTaking = false
      done(taken)
    })
  }

  hasRoom(bytes: number): boolean {
    return freeBytes(this.#directory) > bytes + this.#spareBytes
  }

  read(snapshot: SnapshotMark, offset: number, bytesMax: number): Uint8Array {
    return readPart(this.path(snapshot), offset, Math.min(bytesMax, snapshot.bytes - offset))
  }

  receive(snapshot: SnapshotMark, offset: number, chunk: Uint8Array): number {
    const part = this.#part(snapshot)
    if (!existsSync(part)) this.#beginPart(part)
    const held = statSync(part).size
    if (offset !== held || held + chunk.length > snapshot.bytes) return held
    writeFileSync(part, chunk, { flag: 'a' })
    return held + chunk.length
  }

  complete(snapshot: SnapshotMark, done: (isWhole: boolean | Error) => void): void {
    this.#begin(this.#complete(snapshot), done)
  }

  has(snapshot: SnapshotMark): boolean {
    const path = this.path(snapshot)
    return existsSync(path) && statSync(path).size === snapshot.bytes
  }

  check(snapshot: SnapshotMark, done: (isWhole: boolean | Error) => void): void {
    this.#begin(this.#check(snapshot), done)
  }

  restore(snapshot: SnapshotMark, generation: number): boolean {
    const path = this.path(snapshot)
    const state = this.#directory.state(generation)
    const file = join(state, 'data.mdb')
    const isCopied = this.#copied === nameOf(snapshot)
    if (!isCopied && !this.isWhole(snapshot)) {
      rmSync(path, { force: true })
      return false
    }
    rmSync(state, { recursive: true, force: true })
    mkdirSync(state, { recursive: true })
    if (isCopied) renameSync(this.#copy, file)
    else copyFileSync(path, file, fsConstants.COPYFILE_FICLONE)
    this.#copied = null
    return true
  }

  /** Is it here, as it was made? At a start, when nothing else can go on. */
  isWhole(snapshot: SnapshotMark): boolean {
    return this.has(snapshot) && hashSync(this.path(snapshot), snapshot.bytes) === snapshot.hash
  }

  /** Also what was left of one that was being taken when the process died, and of those that came too late. */
  keep(snapshots: readonly SnapshotMark[]): void {
    const kept = new Set(snapshots.map((snapshot) => nameOf(snapshot)))
    const newest = Math.max(0, ...snapshots.map(({ index }) => index))
    if (this.#copied !== null && !kept.has(this.#copied)) this.#copied = null
    for (const name of this.#list()) {
      const isComing = kept.has(name.slice(0, -'.part'.length))
      const isOld = name.endsWith('.part') && indexOf(name) < newest && !isComing
      const isOther = name.endsWith('.mdb') && !kept.has(name)
      const isLeft =
        (name === takingName && !this.#isTaking) || (name === copyName && this.#copied === null)
      if (isOld || isOther || isLeft)
        rmSync(join(this.#folder, name), { recursive: true, force: true })
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy)
  }

  #begin<T>(work: Promise<T>, done: (result: T | Error) => void): void {
    const busy = work
      .then(done, (error: unknown) => done(asError(error)))
      .finally(() => this.#busy.delete(busy))
    this.#busy.add(busy)
  }

  async #take(state: Environment): Promise<TakenSnapshot> {
    const taking = join(this.#folder, takingName)
    rmSync(taking, { recursive: true, force: true })
    mkdirSync(taking, { recursive: true })
    try {
      await state.backup(taking)
      const { index, membership } = await readCopy(taking)
      const file = join(taking, 'data.mdb')
      const bytes = statSync(file).size
      const hash = await hashOf(file)
      await sync(file)
      renameSync(file, join(this.#folder, nameOf({ index, hash })))
      await this.#syncNames()
      return { mark: { index, membership, bytes, hash } }
    } finally {
      // The more so where there was no room for it.
      rmSync(taking, { recursive: true, force: true })
    }
  }

  async #check(snapshot: SnapshotMark): Promise<boolean> {
    return this.has(snapshot) && (await hashOf(this.path(snapshot))) === snapshot.hash
  }

  async #complete(snapshot: SnapshotMark): Promise<boolean> {
    const part = this.#part(snapshot)
    const isWhole = (await hashOf(part)) === snapshot.hash
    if (!isWhole) {
      rmSync(part)
      return false
    }
    await sync(part)
    this.#copied = nameOf(snapshot)
    await copyFile(part, this.#copy, fsConstants.COPYFILE_FICLONE)
    renameSync(part, this.path(snapshot))
    await this.#syncNames()
    return true
  }

  /** Also that of the folder, which may be a new one. */
  async #syncNames(): Promise<void> {
    await sync(this.#folder)
    await sync(this.#directory.path)
  }

  /** Parts of others are worth nothing now. */
  #beginPart(part: string): void {
    mkdirSync(this.#folder, { recursive: true })
    for (const name of this.#list()) if (name.endsWith('.part')) rmSync(join(this.#folder, name))
    withFile(part, 'w', () => undefined)
  }

  #list(): readonly string[] {
    return existsSync(this.#folder) ? readdirSync(this.#folder) : []
  }

  get #folder(): string {
    return this.#directory.snapshots
  }

  get #copy(): string {
    return join(this.#folder, copyName)
  }

  path(snapshot: SnapshotMark): string {
    return join(this.#folder, nameOf(snapshot))
  }

  #part(snapshot: SnapshotMark): string {
    return `${this.path(snapshot)}.part`
  }
}

/** The directory of one that is being taken; the state made of one that has come. */
const takingName = 'taking'
const copyName = 'copy'

/** What is in a copy of the state. */
async function readCopy(path: string): Promise<Pick<SnapshotMark, 'index' | 'membership'>> {
  const copy = openStateCopy(path)
  try {
    const tables = openStateTables(copy)
    const { meta } = tables
    const { appliedIndex: index } = readPosition(meta.get(positionKey))
    // The log is cut on the strength of it.
    if (!(await isTrueCopy(tables)))
      throw new Error('the state is damaged: its rows are not those that were written')
    return { index, membership: readMembership(meta.get(membershipKey)) }
  } finally {
    await copy.close()
  }
}

/** A file, or the names in a folder; turns go on meanwhile. */
async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function indexOf(name: string): number {
  return Number.parseInt(name, 10)
}

function nameOf({ index, hash }: Pick<SnapshotMark, 'index' | 'hash'>): string {
  return `${index}-${hash}.mdb`
}

/** Piece by piece, so that turns go on meanwhile. */
async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: hashPieceBytes }), hash)
  return hash.digest('hex')
}

/** At a start, when nothing else can go on. */
function hashSync(path: string, bytes: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += hashPieceBytes)
    hash.update(readPart(path, at, Math.min(hashPieceBytes, bytes - at)))
  return hash.digest('hex')
}

const hashPieceBytes = 256 * 1_024

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error))
}
