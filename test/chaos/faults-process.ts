/** What happens to the process of a member, or to a thread of it. See faults.ts. */
import { setTimeout as pause } from 'node:timers/promises'
import type { SkiffError } from '../../src/errors.ts'
import type { Random } from '../simulation/random.ts'
import type { Entrance } from '../support/threads.ts'
import { BrokenPromise, kept, within } from './complaints.ts'
import type { Slot } from './fleet.ts'
import { processAt } from './processes.ts'
import {
  awayMs,
  effectMs,
  failsWith,
  longMs,
  type Outcome,
  restart,
  type Stage,
  startAnew,
} from './stage.ts'

export async function kill(_: Stage, target: Slot, random: Random): Promise<Outcome> {
  await startAnew(target, random)
  return null
}

export async function killAll({ fleet }: Stage, _: Slot, random: Random): Promise<Outcome> {
  await Promise.all(fleet.slots.map((slot) => slot.kill()))
  await pause(random.below(500))
  await Promise.all(fleet.slots.map((slot) => slot.start()))
  return null
}

export async function pauseProcess(_: Stage, target: Slot, random: Random): Promise<Outcome> {
  process.kill(target.pid, 'SIGSTOP')
  try {
    const isStopped = await within(effectMs, () => processAt(target.pid)?.state === 'T')
    await pause(longMs(random))
    return isStopped ? null : 'the process did not stop'
  } finally {
    process.kill(target.pid, 'SIGCONT')
  }
}

export async function blockLoop(_: Stage, target: Slot, random: Random): Promise<Outcome> {
  const ms = longMs(random)
  const blockedMs = await kept('a blocked event loop goes on', target.member.block(ms))
  return blockedMs >= ms ? null : `blocked for ${blockedMs} of ${ms} ms only`
}

/**
 * A storage thread that is ended in the middle of a transaction never comes to its end: in lmdb its
 * cleanup waits for a lock that it holds itself. Then nobody has died, and it is tried again.
 */
export async function endThread(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  for (let attempt = 0; attempt < endThreadAttemptsMax; attempt++) {
    const pending = failureOf(stage.load.tryWrite(target, `even/pending/${target.n}`))
    const hasEnded = await endOneThread(target, random.pick(['storage', 'codec']))
    const failure = await kept('every call is answered', pending)
    if (hasEnded) {
      checkFate(failure)
      await failsWith(stage, target, 'SKIFF_CRASHED')
      await pause(awayMs(random))
      await restart(target, random)
      return null
    }
    stage.say(`a thread of member ${target.n} hangs at its end`)
    await target.kill()
    await target.start()
  }
  return 'the thread hung at its end'
}

const endThreadAttemptsMax = 3

async function endOneThread(target: Slot, entrance: Entrance): Promise<boolean> {
  let hasEnded = false
  void failureOf(target.member.endThread(entrance)).then((failure) => {
    hasEnded = failure === null
  })
  return within(effectMs, () => hasEnded)
}

/** `null`: it resolved. */
function failureOf(promise: Promise<unknown>): Promise<SkiffError | null> {
  return promise.then(
    () => null,
    (error: unknown) => error as SkiffError,
  )
}

/** It may have been answered just before. */
function checkFate(failure: SkiffError | null): void {
  if (failure === null || failure.code === 'SKIFF_CRASHED') return
  throw new BrokenPromise('who waits hears that a thread has died', String(failure))
}
