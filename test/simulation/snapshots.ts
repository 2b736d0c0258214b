/**
 * The snapshots of one simulated node: files of bytes, some of which outlive the process, and fewer the loss of
 * power. What takes time takes simulated time, and does not happen to a node that died meanwhile.
 */
import { createHash } from 'node:crypto'
import { decodeRecord } from '../../src/codec/record.ts'
import type { SnapshotMark } from '../../src/raft/types.ts'
import { numberKey } from '../../src/storage/environment.ts'
import {
  membershipKey,
  positionKey,
  readMembership,
  readPosition,
} from '../../src/storage/layout.ts'
import { isTrue } from '../../src/storage/scrub.ts'
import type { SnapshotFiles, TakenSnapshot } from '../../src/storage/snapshots.ts'
import { MemoryFile, quiet } from './memory.ts'
import type { Random } from './random.ts'
import type { Sights } from './sights.ts'

/** Units of time that copying, or checking, takes at most. */
const copyUnitsMax = 300
/** Between the moment a file has its name, and that at which its node hears of it. */
const renameUnitsMax = 40

type NamedFile = readonly [name: string, file: Buffer]

export interface SnapshotWorld {
  readonly random: Random
  readonly sights: Sights
  /** Beside those that must be left. */
  freeBytes(): number
  /** In this life only. */
  after(delay: number, run: () => void): void
  /** A moment at which the node may die, or its disk fail. */
  step(name: string): void
}

export class MemorySnapshots {
  /** Whole and on the disk. */
  readonly #files = new Map<string, Buffer>()
  /** Coming in; not synced. */
  readonly #parts = new Map<string, Buffer>()
  /** Parts of which this life has received nothing yet. */
  readonly #old = new Set<string>()
  /** A state had a better snapshot to be made of. */
  #isSecondChoice = false

  /** Parts end where chance will have it, in rubbish. Of two whole ones the newest may be damaged, too. */
  losePower(random: Random, rots: boolean): void {
    for (const [name, part] of this.#parts) {
      const kept = random.below(part.length + 1)
      this.#parts.set(name, Buffer.concat([part.subarray(0, kept), Buffer.alloc(random.below(3))]))
    }
    const [newest, ...older] = [...this.#files].sort(byIndex).reverse()
    // One that nobody has looked at since may be damaged already: both at once is more than a disk survives.
    if (!rots || newest === undefined || older.length === 0 || !older.every(isWhole)) return
    const [name, file] = newest
    this.#files.set(name, Buffer.concat([file.subarray(1), Buffer.alloc(1)]))
  }

  /** A disk that is dying. */
  rot(): void {
    for (const [name, file] of this.#files)
      this.#files.set(name, Buffer.concat([file.subarray(1), Buffer.alloc(1)]))
  }

  open(
    world: SnapshotWorld,
    log: MemoryFile,
    state: (generation: number | null) => MemoryFile,
  ): SnapshotFiles {
    const { random, sights } = world
    const later = (act: () => void): void => world.after(random.between(1, renameUnitsMax), act)
    for (const name of this.#parts.keys()) this.#old.add(name)
    return {
      take: (_environment, done) => {
        const copying = random.between(1, copyUnitsMax)
        // As of some moment in between.
        world.after(random.between(1, copying), () => {
          const bytes = state(null).dump()
          world.after(copying, () => {
            const hasRoom = world.freeBytes() > bytes.length
            sights.saw(hasRoom ? 'snapshotsTaken' : 'copiesFailed')
            const taken = hasRoom ? this.#keepTaken(bytes) : new Error('no space left')
            if ('mark' in taken && hasMembers(log, taken.mark.index)) sights.saw('takenUnderChange')
            later(() => done(taken))
          })
        })
      },
      hasRoom: (bytes) => world.freeBytes() > bytes,
      has: (snapshot) => this.#files.get(nameOf(snapshot))?.length === snapshot.bytes,
      check: (snapshot, done) => {
        world.after(random.between(1, copyUnitsMax), () => done(this.#isWhole(snapshot)))
      },
      read: (snapshot, offset, bytesMax) => {
        const file = this.#files.get(nameOf(snapshot)) ?? missing(snapshot)
        return Uint8Array.from(file.subarray(offset, offset + bytesMax))
      },
      receive: (snapshot, offset, chunk) => {
        world.step('receive')
        sights.coming.add(nameOf(snapshot))
        if (this.#old.delete(nameOf(snapshot)) && offset > 0) sights.saw('resumed')
        return this.#receive(nameOf(snapshot), snapshot.bytes, offset, chunk)
      },
      complete: (snapshot, done) => {
        world.after(random.between(1, copyUnitsMax), () => {
          if (!this.#parts.has(nameOf(snapshot))) missing(snapshot)
          const isWhole = this.#complete(snapshot)
          sights.coming.delete(nameOf(snapshot))
          sights.saw(isWhole ? 'installs' : 'damagedOnArrival')
          later(() => done(isWhole))
        })
      },
      restore: (snapshot, generation) => {
        const file = this.#files.get(nameOf(snapshot))
        if (file === undefined || !this.#isWhole(snapshot)) {
          this.#files.delete(nameOf(snapshot))
          this.#isSecondChoice = true
          return false
        }
        sights.saw(this.#isSecondChoice ? 'secondChoices' : 'restores')
        this.#isSecondChoice = false
        world.step('restore')
        state(generation).load(file)
        world.step('restored')
        return true
      },
      keep: (snapshots) => {
        const kept = new Set(snapshots.map(nameOf))
        const newest = Math.max(0, ...snapshots.map(({ index }) => index))
        for (const name of [...this.#files.keys()]) if (!kept.has(name)) this.#files.delete(name)
        for (const name of [...this.#parts.keys()])
          if (indexOf(name) < newest && !kept.has(name)) this.#parts.delete(name)
      },
    }
  }

  #isWhole(snapshot: SnapshotMark): boolean {
    const file = this.#files.get(nameOf(snapshot))
    return file !== undefined && hashOf(file) === snapshot.hash
  }

  #keepTaken(file: Buffer): TakenSnapshot | Error {
    const copy = new MemoryFile()
    copy.load(file)
    const value = (key: Buffer) => copy.value('meta', key.toString('latin1'))
    const { appliedIndex: index } = readPosition(value(positionKey))
    const membership = readMembership(value(membershipKey))
    const hash = hashOf(file)
    if (!isTrue(copy.open(quiet))) return new Error('the state is damaged')
    this.#files.set(nameOf({ index, hash }), file)
    return { mark: { index, membership, bytes: file.length, hash } }
  }

  #receive(name: string, bytes: number, offset: number, chunk: Uint8Array): number {
    const part = this.#parts.get(name) ?? Buffer.alloc(0)
    for (const other of [...this.#parts.keys()]) if (other !== name) this.#parts.delete(other)
    const fits = offset === part.length && offset + chunk.length <= bytes
    const held = fits ? Buffer.concat([part, chunk]) : part
    this.#parts.set(name, held)
    return held.length
  }

  #complete(snapshot: SnapshotMark): boolean {
    const name = nameOf(snapshot)
    const part = this.#parts.get(name)
    this.#parts.delete(name)
    if (part === undefined || hashOf(part) !== snapshot.hash) return false
    this.#files.set(name, part)
    return true
  }
}

/** Behind this entry. */
function hasMembers(log: MemoryFile, index: number): boolean {
  const nothing = (): void => undefined
  const environment = log.open({ begin: nothing, commit: nothing, done: nothing })
  const rows = environment.openTable('log').getRange({ start: numberKey(index + 1) })
  return [...rows].some(({ value }) => decodeRecord(value).type === 'membership')
}

function nameOf({ index, hash }: Pick<SnapshotMark, 'index' | 'hash'>): string {
  return `${index}-${hash}`
}

function byIndex([a]: NamedFile, [b]: NamedFile): number {
  return indexOf(a) - indexOf(b)
}

function indexOf(name: string): number {
  return Number.parseInt(name, 10)
}

/** As a real disk says it. */
function missing(snapshot: SnapshotMark): never {
  throw new Error(`ENOENT: ${nameOf(snapshot)}`)
}

function isWhole([name, file]: NamedFile): boolean {
  return name.endsWith(`-${hashOf(file)}`)
}

function hashOf(file: Uint8Array): string {
  return createHash('sha256').update(file).digest('hex')
}
