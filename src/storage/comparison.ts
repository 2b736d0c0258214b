/**
 * What members have said of their states as of one entry, and what it adds up to: which state is right, or, where
 * no majority says so, who are more than those that have the leader's.
 */
import type { Quorum } from '../raft/quorum.ts'
import type { Index, NodeId } from '../raft/types.ts'

/** What the state was as of one entry. */
export interface Digest {
  readonly index: Index
  readonly digest: number
}

export class Comparison {
  /** So often the leader has asked, or was about to. */
  timesAsked = 0
  /** What is still answered is no longer waited for. */
  isSettled = false
  readonly own: Digest
  readonly #digests: Map<NodeId, number>

  /** @param own the leader's, to which the others' are held */
  constructor(leader: NodeId, own: Digest) {
    this.own = own
    this.#digests = new Map([[leader, own.digest]])
  }

  /** False: it is known. */
  record(from: NodeId, digest: number): boolean {
    const isNew = this.#digests.get(from) !== digest
    this.#digests.set(from, digest)
    return isNew
  }

  /** What a majority has; `null`: as yet there is none. */
  right(quorum: Quorum): Digest | null {
    const digest = [...this.#digests.values()].find((each) => quorum.isQuorum(this.#having(each)))
    return digest === undefined ? null : { index: this.own.index, digest }
  }

  has(id: NodeId): boolean {
    return this.#digests.has(id)
  }

  /** Every voter has answered. */
  isComplete({ voters }: Quorum): boolean {
    return voters.every((id) => this.has(id))
  }

  /** Those who have another state in common and are more than have the leader's. */
  rivals(quorum: Quorum): readonly NodeId[] {
    return quorum.voters.filter((id) => {
      const digest = this.#digests.get(id)
      return (
        digest !== undefined &&
        quorum.outweighs(this.#having(digest), this.#having(this.own.digest))
      )
    })
  }

  othersThan(digest: number): readonly NodeId[] {
    return [...this.#digests].flatMap(([id, each]) => (each === digest ? [] : [id]))
  }

  #having(digest: number): (id: NodeId) => boolean {
    return (id) => this.#digests.get(id) === digest
  }
}
