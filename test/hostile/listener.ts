/**
 * Attacks listeners over real sockets, several at a time, while honest peers go about their business.
 * Whatever the attack, the listener ends it, and nobody but those who know the secret is heard.
 */
import assert from 'node:assert/strict'
import type { Transport } from '../../src/options.ts'
import { Random } from '../simulation/random.ts'
import { attack, attackKinds, strangerKinds } from './attacks.ts'
import { heldBytes } from './memory.ts'
import { TurnWatch } from './processor.ts'
import {
  heldBytesMax,
  type KindReport,
  newReports,
  Offence,
  residentBytesMax,
  turnMsMax,
} from './report.ts'
import {
  type GuardedVictim,
  openBareVictim,
  openHomelessVictim,
  openMemberVictim,
} from './victims.ts'
import { RawPeer } from './wire.ts'

export interface ListenerAttack {
  readonly transport: Transport
  readonly seed: number
  readonly inputs: number
}

/** Attacks under way at once. */
const attackersMax = 8
/** Attacks between two looks at whether the honest are served. */
const inputsPerLook = 40
/** A connection that is still there by then is one that its listener does not end. */
const endedWithinMs = 20_000

/** Under way; should the process die, it is one of these that has killed it. */
export const inFlight: Set<{ readonly kind: string; readonly peer: RawPeer }> = new Set()

/** What is attacked, and by whom. */
interface Front {
  readonly victim: GuardedVictim
  readonly kinds: readonly string[]
}

export interface ListenerReport {
  readonly kinds: ReadonlyMap<string, KindReport>
  /** The longest turn of the event loop: the victims', and ours. */
  readonly turnMs: number
}

/** @throws Offence at the first promise that is broken */
export async function attackListener(options: ListenerAttack): Promise<ListenerReport> {
  const { transport } = options
  const kinds = newReports(attackKinds)
  const fronts: readonly Front[] = [
    { victim: await openBareVictim(transport), kinds: attackKinds },
    { victim: await openMemberVictim(transport), kinds: attackKinds },
    { victim: await openHomelessVictim(transport), kinds: strangerKinds },
  ]
  const victims = fronts.map(({ victim }) => victim)
  let turnMs = 0
  try {
    for (const victim of victims) await victim.assertSound()
    const heldBefore = heldBytes()
    const residentBefore = process.memoryUsage.rss()
    const watch = new TurnWatch()
    await attackAll(fronts, options, kinds)
    for (const victim of victims) await victim.assertSound()
    turnMs = watch.stop()
    assert.ok(turnMs <= turnMsMax, `seed ${options.seed}: a turn of ${turnMs} ms`)
    const held = heldBytes() - heldBefore
    assert.ok(held <= heldBytesMax, `seed ${options.seed}: ${held} bytes are held in the end`)
    const resident = process.memoryUsage.rss() - residentBefore
    assert.ok(resident <= residentBytesMax, `seed ${options.seed}: grown by ${resident} bytes`)
  } finally {
    for (const victim of victims) await victim.close()
  }
  return { kinds, turnMs }
}

/** Each kind in turn, on each victim; the number of an attack decides all about it. */
async function attackAll(
  fronts: readonly Front[],
  { seed, inputs }: ListenerAttack,
  reports: ReadonlyMap<string, KindReport>,
): Promise<void> {
  const targets = fronts.flatMap(({ victim, kinds }) => kinds.map((kind) => ({ victim, kind })))
  let next = 0
  const attackers = Array.from({ length: Math.min(attackersMax, inputs) }, async () => {
    while (next < inputs) {
      const n = next++
      const target = targets[n % targets.length]
      assert.ok(target !== undefined)
      await attackOnce(target, { seed, n }, reports.get(target.kind))
    }
  })
  await Promise.all(attackers)
}

async function attackOnce(
  { kind, victim }: { readonly kind: string; readonly victim: GuardedVictim },
  { seed, n }: { readonly seed: number; readonly n: number },
  report: KindReport | undefined,
): Promise<void> {
  const peer = new RawPeer(victim.port)
  const underWay = { kind, peer }
  inFlight.add(underWay)
  const started = performance.now()
  try {
    await Promise.race([attack(kind, peer, victim, randomOf(seed, n)), neverEnded(peer)])
    if (n % inputsPerLook === 0) await victim.assertSound()
  } catch (error) {
    throw new Offence(seed, { kind, bytes: peer.sent }, error)
  } finally {
    inFlight.delete(underWay)
    peer.destroy()
  }
  if (report === undefined) return
  report.inputs++
  report.ms += performance.now() - started
}

/** So that each can be done again without those before it. */
function randomOf(seed: number, n: number): Random {
  return new Random(Math.imul(seed, 0x9e3779b1) + n)
}

/** Rejects if it is still there when it should not. */
async function neverEnded(peer: RawPeer): Promise<never> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, endedWithinMs)
    void peer.ended.then(() => clearTimeout(timer))
  })
  throw new Error(`still connected after ${endedWithinMs} ms`)
}
