/** The arithmetic of majorities: all that is ever decided by counting servers is decided here. */
import type { Index, NodeId } from './types.ts'

/** The smallest number of voters that any two groups of that size share a member (paper §5.2). */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1
}

/** The highest index that a majority has reached, given what each voter holds. */
export function majorityIndex(matchIndexes: readonly Index[]): Index {
  const descending = [...matchIndexes].sort((a, b) => b - a)
  return descending[majority(descending.length) - 1] ?? 0
}

/**
 * Those whose consent it takes: a majority of the voters, and in a joint configuration one of the outgoing
 * voters as well (paper §6). Who belongs to both counts in both.
 */
export class Quorum {
  /** Each of them once. */
  readonly voters: readonly NodeId[]
  readonly #groups: readonly (readonly NodeId[])[]

  /** @param outgoing empty, unless two majorities count */
  constructor(voters: readonly NodeId[], outgoing: readonly NodeId[]) {
    this.#groups = outgoing.length === 0 ? [voters] : [voters, outgoing]
    this.voters = [...new Set(this.#groups.flat())]
  }

  has(id: NodeId): boolean {
    return this.voters.includes(id)
  }

  /** Are those who agree enough? */
  isQuorum(agrees: (id: NodeId) => boolean): boolean {
    return this.#groups.every((group) => count(group, agrees) >= majority(group.length))
  }

  /** Have so many refused that the others are not enough any more? */
  isLost(refuses: (id: NodeId) => boolean): boolean {
    return this.#groups.some(
      (group) => count(group, refuses) > group.length - majority(group.length),
    )
  }

  /** Are these more than the others? Where two majorities count, they must be fewer in neither. */
  outweighs(these: (id: NodeId) => boolean, others: (id: NodeId) => boolean): boolean {
    const leads = this.#groups.map((group) => count(group, these) - count(group, others))
    return leads.every((lead) => lead >= 0) && leads.some((lead) => lead > 0)
  }

  /** The highest index that each majority has reached. */
  committedIndex(matchIndex: (id: NodeId) => Index): Index {
    return Math.min(...this.#groups.map((group) => majorityIndex(group.map(matchIndex))))
  }
}

function count(group: readonly NodeId[], matches: (id: NodeId) => boolean): number {
  return group.filter(matches).length
}
