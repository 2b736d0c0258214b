/** Frames of one peer go two ways, of which one is the quicker: numbered where they begin, in order where they end. */
import type { Place } from '../messages.ts'
import { assert } from '../raft/assert.ts'
import type { NodeId } from '../raft/types.ts'

export class Places {
  readonly #numbers = new Map<NodeId, number>()

  next(peer: NodeId): Place {
    const number = (this.#numbers.get(peer) ?? 0) + 1
    this.#numbers.set(peer, number)
    return { peer, number }
  }
}

export class InOrder<T> {
  /** Of each peer the number that is next, and what waits for it. */
  readonly #peers = new Map<NodeId, { next: number; readonly early: Map<number, T> }>()

  /** What has its turn now: `item` and those that have waited for it, or nothing yet. */
  arrived({ peer, number }: Place, item: T): readonly T[] {
    const known = this.#peers.get(peer) ?? { next: 1, early: new Map<number, T>() }
    const { early } = known
    assert(number >= known.next && !early.has(number), `frame ${number} of ${peer} came twice`)
    this.#peers.set(peer, known)
    early.set(number, item)
    const items: T[] = []
    for (let each = early.get(known.next); each !== undefined; each = early.get(known.next)) {
      items.push(each)
      early.delete(known.next)
      known.next++
    }
    return items
  }
}
