/**
 * How a directory is told from a copy of itself. Each start of a node is an incarnation: a number higher than
 * that of every start before from the same directory, and by chance another one than that of any start from a
 * copy of it. A directory remembers its last incarnations, its lineage; its peers remember, durably, the
 * newest that they have let in. A newcomer that does not descend from it runs from a copy, or from a
 * directory that was put back to an earlier state: what this node has promised since is not in there.
 *
 * Lacks a proof: a lineage is believed, for it comes from who knows the secret. And nobody can tell which of
 * two copies is the right one before one of them was let in somewhere.
 */

/** Incarnations that a directory remembers, the newest among them. Handshakes carry them (hello.ts). */
export const lineageMax = 16

/** Below the number of the start are random bits that tell copies apart. */
export const incarnationRandom: number = 2 ** 20

/** Who a process is, among all that ever ran as the same node. */
export interface Descent {
  readonly incarnation: number
  /** The incarnations before it from the same directory, rising; of many starts only the last. */
  readonly ancestors: readonly number[]
}

/** The lineage after one more start. */
export function withStart(lineage: readonly number[], incarnation: number): readonly number[] {
  return [...lineage, incarnation].slice(-lineageMax)
}

/** Was `seen` a start of the same directory, or is this one? Where memory ends, age must do. */
export function descendsFrom({ incarnation, ancestors }: Descent, seen: number): boolean {
  if (seen === incarnation || ancestors.includes(seen)) return true
  const starts = Math.floor(incarnation / incarnationRandom)
  const isCut = starts > ancestors.length + 1
  return isCut && seen < Math.min(incarnation, ...ancestors)
}
