/** What the seed decides: the order of the faults, and all about each but who leads by then. */
import type { Random } from '../simulation/random.ts'
import type { FaultKind } from './faults.ts'

export interface Card {
  readonly kind: FaultKind
  /** In [0, 1): at which member. */
  readonly place: number
  /** At the leader, if there is one that is fit. */
  readonly atLeader: boolean
  /** Comes while the one before is still in effect, if it can, so long after that began. */
  readonly overlaps: boolean
  readonly afterMs: number
  /** For the fault itself. */
  readonly random: Random
}

const overlapChance = 0.25
const atLeaderChance = 0.6
const afterMsMax = 800

/** One card of each kind. */
export function shuffleDeck(kinds: readonly FaultKind[], random: Random): Card[] {
  const left = [...kinds]
  const deck: Card[] = []
  while (left.length > 0) {
    const [kind] = left.splice(random.below(left.length), 1)
    if (kind !== undefined) deck.push(drawCard(kind, random.fork()))
  }
  return deck
}

function drawCard(kind: FaultKind, random: Random): Card {
  return {
    kind,
    place: random.next(),
    atLeader: random.chance(atLeaderChance),
    overlaps: random.chance(overlapChance),
    afterMs: random.below(afterMsMax),
    random,
  }
}
