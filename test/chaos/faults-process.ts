/** What happens to the process of a member, or to a thread of it. See faults.ts. */
import { readFileSync } from 'node:fs'
import type { Random } from '../simulation/random.ts'
import { BrokenPromise, kept, pause, within } from './complaints.ts'
import type { Slot } from './fleet.ts'
import { awayMs, effectMs, failsWith, longMs, type Outcome, restart, type Stage } from './stage.ts'

export async function kill(_: Stage, target: Slot, random: Random): Promise<Outcome> {
  await target.kill()
  await pause(awayMs(random))
  await target.start()
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
    const isStopped = await within(effectMs, () => stateOf(target.pid) === 'T')
    await pause(longMs(random))
    return isStopped ? null : 'the process did not stop'
  } finally {
    process.kill(target.pid, 'SIGCONT')
  }
}

/** Field 3 of /proc/PID/stat, behind the name in brackets. */
function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
}

export async function blockLoop(_: Stage, target: Slot, random: Random): Promise<Outcome> {
  const ms = longMs(random)
  const blockedMs = await kept('a blocked event loop goes on', target.member.block(ms))
  return blockedMs >= ms ? null : `blocked for ${blockedMs} of ${ms} ms only`
}

export async function endThread(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const pending = stage.load.tryWrite(target, `even/pending/${target.n}`)
  const [fate] = await Promise.allSettled([pending, target.member.endThread(random.below(2))])
  // It may have been answered just before.
  if (fate.status === 'rejected' && fate.reason.code !== 'SKIFF_CRASHED')
    throw new BrokenPromise('who waits hears that a thread has died', String(fate.reason))
  await failsWith(stage, target, 'SKIFF_CRASHED')
  await pause(awayMs(random))
  await restart(target, random)
  return null
}
