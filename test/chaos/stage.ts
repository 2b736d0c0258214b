/** What every fault has at hand. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import { kept } from './complaints.ts'
import { electionTimeoutMs, type Fleet, type Slot } from './fleet.ts'
import type { Load } from './load.ts'

export interface Stage {
  readonly fleet: Fleet
  readonly load: Load
  /** For files of the faults. */
  readonly folder: string
  readonly say: (words: string) => void
  /** Processes that the system ended when a disk refused to take what they wrote. */
  lost: number
}

/** `null`: installed, and in effect. Otherwise why it was skipped. */
export type Outcome = string | null

export type Fault = (stage: Stage, target: Slot, random: Random) => Promise<Outcome>

/** An effect that takes longer than this to be seen counts as absent. */
export const effectMs: number = 5_000

/** Longer than any member waits for a leader. */
export function longMs(random: Random): number {
  const [, max] = electionTimeoutMs
  return random.between(Math.round(1.3 * max), 3 * max)
}

/** How long a member stays away: sometimes shorter than an election. */
export function awayMs(random: Random): number {
  return random.between(100, 2 * electionTimeoutMs[1])
}

/** Its node stops by itself, and from then on takes nothing any more. */
export async function failsWith({ load }: Stage, target: Slot, code: string): Promise<void> {
  const stops = async (): Promise<void> => {
    while ((await target.member.status()).role !== 'stopped') await pause(10)
  }
  await kept(`a node stops by itself (${code})`, stops())
  const refused = async (): Promise<void> => {
    const error: unknown = await load.tryWrite(target, `odd/refused/${target.n}`).catch((e) => e)
    if (!isRefusal(error, code)) throw new Error(`it said ${JSON.stringify(error)} ${error}`)
  }
  await kept(`a stopped node refuses what it is asked (${code})`, refused())
}

function isRefusal(error: unknown, code: string): boolean {
  const { code: found, outcome } = error as { code?: string; outcome?: string }
  return found === code && outcome !== undefined
}

/** Of a node that has stopped: its process, or the node inside it. */
export async function restart(target: Slot, random: Random): Promise<void> {
  if (random.chance(0.5)) {
    await target.restartInside()
    return
  }
  await target.stop()
  await target.start()
}

/** In another process, however the one it has is. */
export async function startAnew(target: Slot, random: Random): Promise<void> {
  await target.kill()
  await pause(awayMs(random))
  await target.start()
}
