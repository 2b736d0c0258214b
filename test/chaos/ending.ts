/** What must hold when the faults are over: nothing lost, nothing twice, all alike, nothing left behind. */
import { isDeepStrictEqual } from 'node:util'
import type { Entry } from '../../src/store.ts'
import { formatOperation, type Operation, type Value } from '../linearizability/history.ts'
import { judge } from '../linearizability/judge.ts'
import { type Change, checkOrder, Violation } from '../linearizability/order.ts'
import { checkWatch, toLog, type Watched } from '../linearizability/watch.ts'
import type { Random } from '../simulation/random.ts'
import { BrokenPromise, type Complaints, kept, promised } from './complaints.ts'
import { mountsBelow } from './disk.ts'
import type { Fleet, Slot } from './fleet.ts'
import { prefixes } from './load.ts'
import { processes } from './processes.ts'
import type { Stage } from './stage.ts'
import { WatchRecord } from './watching.ts'

/** For all keys together; beyond it a history is undecided, which is no pass. */
const judgeMsMax = 600_000

/**
 * The load has stopped. Judging comes last, as it would keep the proxies from their work.
 * @throws BrokenPromise
 */
export async function checkEnding(stage: Stage, random: Random): Promise<void> {
  const { fleet, load } = stage
  const ends = await writeEnds(stage, random.pick(fleet.slots))
  const log = await readLog(random.pick(fleet.slots), ends.get('') ?? 0)
  const watched = load.watches.map((watch) => watch.upTo(ends.get(watch.prefix) ?? 0))
  await checkEqual(fleet.slots, log)
  const given = await Promise.all(watched)
  await fleet.close()
  judgeAll(load.recorder.history(), given, log)
}

/** A last write below each prefix; the revisions, also of the last one of all. */
async function writeEnds({ load }: Stage, slot: Slot): Promise<Map<string, number>> {
  const ends = new Map<string, number>()
  for (const prefix of prefixes) {
    await promised('a last write succeeds', async () => {
      try {
        const { revision } = await load.tryWrite(slot, `${prefix}end`)
        ends.set(prefix, revision).set('', revision)
        return true
      } catch {
        // Recorded; asked again until the cap.
        return false
      }
    })
  }
  return ends
}

/** Every change from the first on, as this member tells it. */
async function readLog(slot: Slot, revision: number): Promise<Change[]> {
  const { events } = await new WatchRecord(slot, '').upTo(revision)
  return toLog(events)
}

/** @throws BrokenPromise */
function judgeAll(
  history: readonly Operation[],
  watched: readonly Watched[],
  log: readonly Change[],
): void {
  try {
    checkOrder(history, log)
    for (const one of watched) checkWatch(one, log)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    throw new BrokenPromise(error.rule, `${error.message}\n${toLines(error.operations)}`)
  }
  const { verdict, key, offence } = judge(history, { timeoutMs: judgeMsMax })
  if (verdict === 'legal') return
  throw new BrokenPromise(
    'histories are linearizable',
    `key '${key}' is ${verdict}\n${toLines(offence)}`,
  )
}

function toLines(operations: readonly Operation[]): string {
  return operations.map(formatOperation).join('\n')
}

/** Each has applied the same and holds what the log makes, to the last revision. */
async function checkEqual(slots: readonly Slot[], log: readonly Change[]): Promise<void> {
  const applied = async (): Promise<(number | undefined)[]> => {
    const statuses = await Promise.all(slots.map((slot) => slot.glance()))
    return statuses.map((status) => status?.appliedIndex)
  }
  await promised('all members apply all', async () => new Set(await applied()).size === 1)
  const wanted = entriesOf(log)
  for (const slot of slots) {
    const found = await kept('a member can be read', slot.member.entries())
    if (!isDeepStrictEqual(found, wanted))
      throw new BrokenPromise('all members are equal', difference(slot, found, wanted))
  }
}

/** The state that these changes make, in order of the keys (which are ASCII). */
export function entriesOf(log: readonly Change[]): Entry[] {
  const state = new Map<string, Entry<Value>>()
  for (const { key, value, revision } of log) {
    if (value === null) {
      state.delete(key)
      continue
    }
    const old = state.get(key)
    const createRevision = old?.createRevision ?? revision
    const version = (old?.version ?? 0) + 1
    state.set(key, { key, value, createRevision, modRevision: revision, version })
  }
  return [...state.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

function difference(slot: Slot, found: readonly Entry[], wanted: readonly Entry[]): string {
  const longer = found.length > wanted.length ? found : wanted
  const n = longer.findIndex((_, at) => !isDeepStrictEqual(found[at], wanted[at]))
  const [has, needs] = [found[n], wanted[n]].map((entry) => JSON.stringify(entry ?? null))
  return `member ${slot.n} has ${found.length} entries of ${wanted.length}; first ${has}, not ${needs}`
}

/** No process and no mount of ours is left. */
export async function checkRemains(
  folder: string,
  { slots }: Fleet,
  complaints: Complaints,
): Promise<void> {
  const mounts = await mountsBelow(folder)
  if (mounts.length > 0) complaints.add('no mount is left', mounts.join('\n'))
  const groups = new Set(slots.flatMap(({ pids }) => pids))
  const orphans = processes().filter(
    ({ parent, group }) => parent === process.pid || groups.has(group),
  )
  const text = orphans.map(({ pid, name }) => `${pid} ${name}`).join('\n')
  if (orphans.length > 0) complaints.add('no process is left', text)
}
