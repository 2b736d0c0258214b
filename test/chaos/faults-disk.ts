/** What disks do to a member: they are full, or they fail. See faults.ts. */

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { SkiffError } from '../../src/errors.ts'
import type { Random } from '../simulation/random.ts'
import { BrokenPromise, within } from './complaints.ts'
import { diskFreeBytesMin, type Slot } from './fleet.ts'
import { awayMs, failsWith, type Outcome, restart, type Stage, startAnew } from './stage.ts'
import { type Injection, Tracer } from './tracer.ts'

/** A node looks at its disk once a second. */
const noticeMs = 20_000
/** Until a member under load has made the call that is to fail. */
const strikeMs = 10_000
const nthMax = 20

export async function syncError(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const injection: Injection = {
    calls: ['fdatasync'],
    error: 'EIO',
    nth: random.between(1, nthMax),
  }
  const fails = (): Promise<void> => failsWith(stage, target, 'SKIFF_STORAGE')
  const skipped = await injected(stage, target, injection, fails)
  if (skipped !== null) return untraced(target, random, skipped)
  await pause(awayMs(random))
  await restart(target, random)
  return null
}

/** Of a page of the log, or of the page that makes a transaction durable. */
export async function writeError(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const injection: Injection = {
    calls: ['pwrite64', 'pwritev'],
    error: random.pick(['EIO', 'ENOSPC']),
    nth: random.between(1, nthMax),
  }
  mayDie(target)
  const skipped = await injected(stage, target, injection, () => stopsOrDies(stage, target))
  if (skipped !== null) return untraced(target, random, skipped)
  await startAnew(target, random)
  return null
}

/**
 * Where strace gave up in the middle it has left threads stopped, and where its call came too late it may
 * still fail: such a process is not kept.
 */
async function untraced(target: Slot, random: Random, skipped: string): Promise<Outcome> {
  await startAnew(target, random)
  return skipped
}

/** Until the call has failed and `fails` has seen what comes of it. */
async function injected(
  { folder }: Stage,
  target: Slot,
  injection: Injection,
  fails: () => Promise<void>,
): Promise<Outcome> {
  const tracer = await Tracer.attach(target.pid, injection, join(folder, `trace-${target.pid}`))
  if (tracer === null) return 'strace cannot run here'
  try {
    if (!(await within(strikeMs, () => tracer.hasStruck))) return 'no such call was made'
    await fails()
    return null
  } finally {
    await tracer.detach()
  }
}

/**
 * Where a page of the log cannot be written, LMDB prints a line and writes another, longer than its
 * memory, into 100 bytes. glibc then ends the process sooner or later; or the node stops as it should, with a
 * heap that is not to be trusted: such a process is not kept. Where a page of the state cannot be had, the
 * kernel ends the process.
 */
function mayDie(target: Slot): void {
  target.mayEnd(({ signal }) => signal !== null && deadly.has(signal))
  target.mayPrint(printed)
}

async function stopsOrDies(stage: Stage, target: Slot): Promise<void> {
  try {
    await failsWith(stage, target, 'SKIFF_STORAGE')
  } catch (error) {
    const hasDied = await within(dieMs, () => !target.isUp)
    if (!hasDied) throw error
    stage.lost++
  }
}

/** By LMDB, at first without the end of a line, and by glibc. */
const printed =
  /^(Write error: [^,]+ position \d+, size \d+)*(mdb_page_(spill|alloc|touch)( flushing)? error( \d+)?|(Fatal glibc error|free|malloc|realloc|double free|corrupted|munmap_chunk)\b.*)?$/
const deadly: ReadonlySet<NodeJS.Signals> = new Set(['SIGABRT', 'SIGSEGV', 'SIGBUS'] as const)
/** From the broken channel to the end of the process. */
const dieMs = 2_000

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

/** Not a byte is left. */
export async function diskFull(stage: Stage, target: Slot, random: Random): Promise<Outcome> {
  const { disk } = target
  if (disk === null) return 'it has no small disk'
  mayDie(target)
  try {
    await disk.fill(0)
    await stopsOrDies(stage, target)
  } finally {
    await disk.empty()
  }
  await startAnew(target, random)
  return null
}
