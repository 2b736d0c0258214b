/**
 * What the committed log adds up to, worked out a second time and in the simplest way: every version of
 * every key, every change in order, and what became of every batch. Answers, reads, watches and states are
 * held against it. Shares the encoding of batches with storage, and nothing else.
 */
import { batchOwner, readCommands } from '../../src/codec/command.ts'
import type { Entry, Index, NodeId } from '../../src/raft/types.ts'
import type { Forged } from './disks.ts'
import { Violation } from './violation.ts'

export interface Version {
  readonly index: Index
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  /** `null`: deleted. */
  readonly value: Buffer | null
}

export interface Change {
  readonly index: Index
  readonly key: string
  readonly value: Buffer | null
  readonly previous: Buffer | null
}

/** A batch as its caller knows it. */
export interface Proposal {
  readonly id: number
  /** It was promised that this will never be applied. */
  refused: boolean
  /** Per command the revision; `null` until it is applied. */
  revisions: readonly number[] | null
  index: Index
}

const marker = /^~(\d+)$/

/** Every batch has one command on a key of this form; that is how it is known again. */
export function markerKey(id: number): string {
  return `~${id}`
}

export class Truth {
  /** By revision - 1. */
  readonly changes: Change[] = []
  /** The newest entry that anybody was told of, by an acknowledgement or a read. */
  toldIndex: Index = 0
  /** Rows of states that do not come from here. */
  readonly forged: Forged[] = []
  /** Batches whose callers were told that they are applied. */
  acknowledged = 0
  readonly #versions = new Map<string, Version[]>()
  /** By index. */
  readonly #revisions: number[] = [0]
  readonly #sessions = new Map<NodeId, { incarnation: number; sequence: number }>()
  readonly #proposals = new Map<number, Proposal>()

  get keys(): Iterable<string> {
    return this.#versions.keys()
  }

  /** Entries there are. */
  get index(): Index {
    return this.#revisions.length - 1
  }

  propose(): Proposal {
    const id = this.#proposals.size + 1
    const proposal: Proposal = { id, refused: false, revisions: null, index: 0 }
    this.#proposals.set(id, proposal)
    return proposal
  }

  revisionAt(index: Index): number {
    return this.#revisions[index] ?? Number.NaN
  }

  /** The key as of this entry; `null`: not there. */
  at(key: string, index: Index): Version | null {
    const version = this.#versions.get(key)?.findLast((each) => each.index <= index)
    return version === undefined || version.value === null ? null : version
  }

  told(index: Index): void {
    this.toldIndex = Math.max(this.toldIndex, index)
  }

  /** Of the newest change up to this entry. */
  changedIndex(index: Index): Index {
    return this.changes[this.revisionAt(index) - 1]?.index ?? 0
  }

  /** The next entry that was committed. */
  commit(entry: Entry): void {
    if (entry.type === 'batch' && this.#isNext(entry.bytes)) this.#apply(entry)
    this.#revisions.push(this.changes.length)
  }

  /** Each batch of an incarnation once, in order, without a gap; and none of one that is over. */
  #isNext(batch: Uint8Array): boolean {
    const { node, incarnation, sequence } = batchOwner(batch)
    const known = this.#sessions.get(node) ?? { incarnation: 0, sequence: 0 }
    const done = incarnation > known.incarnation ? 0 : known.sequence
    if (incarnation < known.incarnation || sequence !== done + 1) return false
    this.#sessions.set(node, { incarnation, sequence })
    return true
  }

  #apply({ index, bytes }: Entry): void {
    const commands = readCommands(bytes)
    const revisions = commands.map(({ key, value }) => this.#change(index, key.toString(), value))
    const ids = commands.flatMap(({ key }) => marker.exec(key.toString())?.[1] ?? [])
    const proposal = this.#proposals.get(Number(ids[0]))
    if (proposal === undefined) throw new Violation('nothing comes from nowhere', `entry ${index}`)
    if (proposal.revisions !== null)
      throw new Violation('a batch is applied once', `batch ${proposal.id}, again at ${index}`)
    if (proposal.refused)
      throw new Violation('what was refused is not applied', `batch ${proposal.id} at ${index}`)
    proposal.revisions = revisions
    proposal.index = index
  }

  #change(index: Index, key: string, bytes: Buffer | null): number {
    const versions = this.#versions.get(key) ?? []
    const last = versions.at(-1)
    const live = last === undefined || last.value === null ? null : last
    if (bytes === null && live === null) return 0
    const value = bytes === null ? null : Buffer.from(bytes)
    const previous = live?.value ?? null
    const revision = this.changes.push({ index, key, value, previous })
    const createRevision = live?.createRevision ?? revision
    const version = (live?.version ?? 0) + 1
    versions.push({ index, createRevision, modRevision: revision, version, value })
    this.#versions.set(key, versions)
    return revision
  }
}
