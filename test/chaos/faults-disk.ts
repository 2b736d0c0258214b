/** What disks do to a member: they are full, or they fail. See faults.ts. */
import { join } from 'node:path'
import type { SkiffError } from '../../src/errors.ts'
import type { Random } from '../simulation/random.ts'
import { BrokenPromise, pause, within } from './complaints.ts'
import { diskFreeBytesMin, type Slot } from './fleet.ts'
import { awayMs, failsWith, type Outcome, restart, type Stage } from './stage.ts'
import { type Injection, Tracer } from './tracer.ts'

/** LMDB prints it, beside reporting it. */
const printed = /^Write error: /
/** A node looks at its disk once a second. */
const noticeMs = 20_000
/** Until a member under load has made the call that is to fail. */
const strikeMs = 10_000
const nthMax = 20

export function syncError(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  return callError(stage, target, random, {
    calls: ['fdatasync'],
    error: 'EIO',
    nth: random.between(1, nthMax),
  })
}

/** Of a page of the log, or of the page that makes a transaction durable. */
export function writeError(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  return callError(stage, target, random, {
    calls: ['pwrite64', 'pwritev'],
    error: random.pick(['EIO', 'ENOSPC']),
    nth: random.between(1, nthMax),
  })
}

async function callError(
  stage: Stage,
  target: Slot,
  random: Random,
  injection: Injection,
): Promise<Outcome> {
  const trace = join(stage.folder, `trace-${target.pid}`)
  const tracer = await Tracer.attach(target.pid, injection, trace)
  if (tracer === null) return 'strace cannot run here'
  target.mayPrint(printed)
  try {
    if (!(await within(strikeMs, () => tracer.hasStruck))) return 'no such call was made'
    await failsWith(stage, target, 'SKIFF_STORAGE')
  } finally {
    await tracer.detach()
  }
  await pause(awayMs(random))
  await restart(target, random)
  return null
}

/** Between the two marks: writes are refused, all else goes on. */
export async function diskLow(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const { disk } = target
  if (disk === null) return 'it has no small disk'
  try {
    await disk.fill(diskFreeBytesMin * 0.75)
    const refuses = await within(noticeMs, () => isRefused(stage, target))
    if (!refuses)
      throw new BrokenPromise('a node refuses writes when space is low', `member ${target.n}`)
    await pause(awayMs(random))
    return null
  } finally {
    await disk.empty()
  }
}

async function isRefused({ load }: Stage, target: Slot): Promise<boolean> {
  try {
    await load.tryWrite(target, `odd/low/${target.n}`)
    return false
  } catch (error) {
    return (error as SkiffError).code === 'SKIFF_STORAGE'
  }
}

/** Not a byte is left: the node stops, or the system ends it, as it writes its state through a map. */
export async function diskFull(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const { disk } = target
  if (disk === null) return 'it has no small disk'
  target.mayEnd(({ signal, code }) => signal === 'SIGBUS' || code === 0)
  target.mayPrint(printed)
  try {
    await disk.fill(0)
    const hasEnded = await within(noticeMs, async () => !target.isUp || (await hasStopped(target)))
    if (!hasEnded)
      throw new BrokenPromise('a node stops when the disk is full', `member ${target.n}`)
    if (target.isUp) await failsWith(stage, target, 'SKIFF_STORAGE')
    await pause(awayMs(random))
  } finally {
    await disk.empty()
  }
  if (target.isUp) await restart(target, random)
  else {
    stage.say(`the system ended member ${target.n}`)
    await target.start()
  }
  return null
}

async function hasStopped(target: Slot): Promise<boolean> {
  return (await target.glance())?.role === 'stopped'
}
