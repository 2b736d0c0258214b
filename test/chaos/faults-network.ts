/** What happens to the links of a member. See faults.ts and proxy.ts. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import { within } from './complaints.ts'
import type { Slot } from './fleet.ts'
import { type Effects, fair, held, type Weather } from './proxy.ts'
import { effectMs, longMs, type Outcome, type Stage } from './stage.ts'

const delayMsMax = 150

type Way = readonly [from: number, to: number]

export function cut(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const ways = bothWays(stage, target, random)
  return spoil(stage, ways, held, random, 'heldBytes')
}

export function oneWayCut(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const outwards = random.chance(0.5)
  const ways = others(stage, target, random).map(
    (n): Way => (outwards ? [target.n, n] : [n, target.n]),
  )
  return spoil(stage, ways, held, random, 'heldBytes')
}

export function reset(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const ways = bothWays(stage, target, random)
  return spoil(stage, ways, { passage: 'reset', delayMs: 0 }, random, 'resets')
}

export function delay(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const ways = bothWays(stage, target, random)
  const delayMs = random.between(5, delayMsMax)
  return spoil(stage, ways, { passage: 'open', delayMs }, random, 'delayedBytes')
}

/** All of them, or only one: then the two see each other through the others. */
function others({ fleet }: Stage, target: Slot, random: Random): number[] {
  const all = fleet.slots.filter((slot) => slot !== target).map(({ n }) => n)
  return random.chance(0.6) ? all : [random.pick(all)]
}

function bothWays(stage: Stage, target: Slot, random: Random): readonly Way[] {
  return others(stage, target, random).flatMap((n): Way[] => [
    [target.n, n],
    [n, target.n],
  ])
}

async function spoil(
  { fleet: { proxies } }: Stage,
  ways: readonly Way[],
  weather: Weather,
  random: Random,
  effect: keyof Effects,
): Promise<Outcome> {
  const before = proxies.effects[effect]
  for (const [from, to] of ways) proxies.rule(from, to, weather)
  try {
    await pause(longMs(random))
    const isFelt = await within(effectMs, () => proxies.effects[effect] > before)
    return isFelt ? null : 'nothing passed there'
  } finally {
    for (const [from, to] of ways) proxies.rule(from, to, fair)
  }
}
