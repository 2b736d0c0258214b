/**
 * Snapshots as files of `DIR/snapshots`: compact copies of the state environment, named by their last entry
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
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../errors.ts'
import type { SnapshotMark } from '../raft/types.ts'
import { type Directory, freeBytes, readPart, syncPath, withFile } from './directory.ts'
import { type Environment, openStateCopy } from './environment.ts'
import { membershipKey, positionKey, readMembership, readPosition } from './layout.ts'
import type { SnapshotFiles, TakenSnapshot } from './snapshots.ts'

export class SnapshotFolder implements SnapshotFiles {
  readonly #directory: Directory
  readonly #spareBytes: number
  /** What is under way must have ended before the environment is closed. */
  #busy: Promise<unknown> = Promise.resolve()

  /** @param spareBytes that a snapshot must leave free on the disk */
  constructor(directory: Directory, spareBytes: number) {
    this.#directory = directory
    this.#spareBytes = spareBytes
  }

  take(state: Environment, done: (taken: TakenSnapshot | Error) => void): void {
    this.#busy = this.#take(state).then(done, (error: unknown) => done(asError(error)))
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
    withFile(part, 'a', (file) => writeSync(file, chunk))
    return held + chunk.length
  }

  complete(snapshot: SnapshotMark, done: (isWhole: boolean | Error) => void): void {
    this.#busy = this.#complete(snapshot).then(done, (error: unknown) => done(asError(error)))
  }

  restore(snapshot: SnapshotMark, generation: number): boolean {
    if (!this.isWhole(snapshot)) return false
    const path = this.path(snapshot)
    const state = this.#directory.state(generation)
    rmSync(state, { recursive: true, force: true })
    mkdirSync(state, { recursive: true })
    copyFileSync(path, join(state, 'data.mdb'), fsConstants.COPYFILE_FICLONE)
    return true
  }

  /** Is it here, as it was made? */
  isWhole(snapshot: SnapshotMark): boolean {
    const path = this.path(snapshot)
    if (!existsSync(path) || statSync(path).size !== snapshot.bytes) return false
    return hashSync(path, snapshot.bytes) === snapshot.hash
  }

  keep(snapshots: readonly SnapshotMark[]): void {
    const kept = new Set(snapshots.map((snapshot) => nameOf(snapshot)))
    for (const name of this.#list())
      if (name.endsWith('.mdb') && !kept.has(name)) rmSync(join(this.#folder, name))
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#busy
  }

  async #take(state: Environment): Promise<TakenSnapshot> {
    const taking = join(this.#folder, 'taking')
    rmSync(taking, { recursive: true, force: true })
    mkdirSync(taking, { recursive: true })
    await state.backup(taking)
    const copy = openStateCopy(taking)
    const meta = copy.openTable('meta')
    const { appliedIndex: index } = readPosition(meta.get(positionKey))
    const membership = readMembership(meta.get(membershipKey))
    await copy.close()
    const file = join(taking, 'data.mdb')
    const bytes = statSync(file).size
    const hash = await hashOf(file)
    syncPath(file)
    renameSync(file, join(this.#folder, nameOf({ index, hash })))
    syncPath(this.#folder)
    rmSync(taking, { recursive: true, force: true })
    return { mark: { index, membership, bytes, hash } }
  }

  async #complete(snapshot: SnapshotMark): Promise<boolean> {
    const part = this.#part(snapshot)
    const isWhole = (await hashOf(part)) === snapshot.hash
    if (isWhole) {
      syncPath(part)
      renameSync(part, this.path(snapshot))
    } else {
      rmSync(part)
    }
    syncPath(this.#folder)
    return isWhole
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

  path(snapshot: SnapshotMark): string {
    return join(this.#folder, nameOf(snapshot))
  }

  #part(snapshot: SnapshotMark): string {
    return `${this.path(snapshot)}.part`
  }
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
