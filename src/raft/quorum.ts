import type { Index } from './types.ts'

/** The smallest number of voters that any two groups of that size share a member (paper §5.2). */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1
}

/** The highest index that a majority has reached, given what each voter holds. */
export function majorityIndex(matchIndexes: readonly Index[]): Index {
  const descending = [...matchIndexes].sort((a, b) => b - a)
  return descending[majority(descending.length) - 1] ?? 0
}
