/**
 * Where the state of a node comes from. It is not synced, so it is trusted only as long as no power was lost; else
 * it is made anew, of a snapshot and the log behind it, or of the log alone. While the node runs, a snapshot from
 * the leader may take its place, or one that is made anew because it was found to be wrong (health.ts). Where
 * nothing leads to it, it is lost.
 *
 * A state is a generation, a directory of its own; which one counts is said by the log, durably, in the state's mark.
 */
import { SkiffError } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import type { Raft } from '../raft/raft.ts'
import type { Index, SnapshotMark } from '../raft/types.ts'
import type { LogStore, StateMark } from './log-store.ts'
import type { Home, Opened } from './opening.ts'
import { isTrue } from './scrub.ts'
import { StateMachine } from './state-machine.ts'

/** A state that so many starts did not live to prove is given up. */
const unprovenStartsMax = 4

/** What no start would trust. */
const noState = { bootId: '', clean: false, lost: false, unproven: 0 } as const

/** Applied again in one transaction. */
const replayedEntriesMax = 1_024
const replayedBytesMax = 4 * 2 ** 20

// ── at the start ────────────────────────────────────────────────────────────────────────────────

/** Of one that is deleted, cut short or rubbish, another is made, as after the loss of power. */
export function openState(
  home: Home,
  log: LogStore,
): { state: StateMachine; stateMark: StateMark } {
  const stateMark = prepareState(home, log)
  const state = tryState(home, log, stateMark)
  if (state !== null) return { state, stateMark }
  log.saveStateMark({ ...noState, generation: stateMark.generation + 1 })
  const another = prepareState(home, log)
  const made = tryState(home, log, another)
  assert(made !== null, `the state that was made in ${home.path} cannot be opened`)
  return { state: made, stateMark: another }
}

/**
 * Trusts the state only if no power was lost since it was written; else it is made of the newest snapshot that
 * is whole, or of nothing, and the log does the rest. Nor is one trusted that several starts did not survive for
 * long enough to look at its rows: LMDB ends the process where it meets a page that makes no sense.
 */
function prepareState(home: Home, log: LogStore): StateMark {
  const bootId = home.bootId()
  const mark = log.stateMark
  const generation = mark?.generation ?? 0
  const isTrusted =
    mark !== null && (mark.clean || mark.bootId === bootId) && mark.unproven < unprovenStartsMax
  home.discardStates(isTrusted ? generation : null)
  const lost = mark?.lost === true || (!isTrusted && !restoreState(home, log, generation))
  // Durable before the first write: a clean mark must never stand beside a state that is in use.
  const unproven = isTrusted ? mark.unproven + 1 : 1
  const used: StateMark = { bootId, clean: false, lost, unproven, generation }
  log.saveStateMark(used)
  return used
}

/** False: no snapshot is whole, and the log does not reach back to the first entry. */
function restoreState(home: Home, log: LogStore, generation: number): boolean {
  const whole = log.snapshots.findIndex((each) => home.snapshots.restore(each, generation))
  // One that is damaged must not be sent to others, either.
  if (whole > 0) log.recordSnapshots(log.snapshots.slice(whole), log.base)
  return whole >= 0 || log.base.index === 0
}

function tryState(home: Home, log: LogStore, { generation, lost }: StateMark): StateMachine | null {
  const state = openTables(home, generation)
  if (state === null || lost) return state
  const { appliedIndex } = state
  if (appliedIndex >= log.base.index && appliedIndex <= log.lastIndex) return state
  void state.close()
  if (appliedIndex < log.base.index) return null
  throw new SkiffError(
    'SKIFF_STORAGE',
    'not-applied',
    `the state in ${home.path} holds entry ${appliedIndex}, its log goes from ${log.base.index + 1} to ${log.lastIndex}: the log was damaged or replaced`,
  )
}

/** `null`: this is no database, or its first pages are damaged. */
function openTables(home: Home, generation: number): StateMachine | null {
  try {
    return new StateMachine(home.openState(generation))
  } catch (error) {
    // What the process may not do here, it may not do with another, either.
    if (isRefused(error)) throw error
    return null
  }
}

/** By the system: permissions, limits. Files say so by `errno`, lmdb by a number that is not negative. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return 'errno' in error || ('code' in error && typeof error.code === 'number' && error.code > 0)
}

// ── while the node runs ─────────────────────────────────────────────────────────────────────────

/**
 * A snapshot takes the place of log and state. The state is made of it aside; then one step of the log decides,
 * and what was made before is thrown away: at once, or at the next start, whichever of the two it is.
 * `null`: the snapshot is damaged, and nothing has happened.
 */
export function install(
  home: Home,
  opened: Opened,
  snapshot: SnapshotMark,
  raft: Raft,
): number | null {
  const { log, state } = opened
  const keepsLog = raft.holds(snapshot)
  const generation = opened.stateMark.generation + 1
  if (!home.snapshots.restore(snapshot, generation)) return null
  opened.stateMark = { ...noState, bootId: home.bootId(), generation }
  if (keepsLog) log.adopt(snapshot, opened.stateMark)
  else log.install(snapshot, opened.stateMark)
  void state.replace(home.openState(generation)).close()
  assert(state.appliedIndex === snapshot.index, `the snapshot holds entry ${state.appliedIndex}`)
  home.discardStates(generation)
  if (keepsLog) replay(log, state, raft.appliedIndex)
  if (keepsLog) raft.stateRestored(snapshot, state.appliedIndex)
  else raft.restored(snapshot)
  return generation
}

/**
 * The state is not what it should be: throws it away and makes it anew, of the newest snapshot that is what it
 * says and from which the log leads to what `isRight`, or of the log alone, where all of it is there. Returns its
 * generation. `null`: there is none such, and the state is lost; durably, for what is here would mislead the
 * next start just the same.
 */
export function remakeState(
  home: Home,
  opened: Opened,
  upTo: Index,
  isRight: (state: StateMachine) => boolean,
): number | null {
  const { log, state } = opened
  const sources = log.base.index === 0 ? [...log.snapshots, null] : log.snapshots
  for (const snapshot of sources) {
    const generation = beginState(home, opened, false)
    if (snapshot !== null && !home.snapshots.restore(snapshot, generation)) continue
    const environment = home.openState(generation)
    void state.replace(environment).close()
    if (!isTrue(environment) || state.appliedIndex < log.base.index) continue
    replay(log, state, upTo)
    if (!isRight(state)) continue
    // What was found to be wrong must not be used again, here or by those to whom it would be sent.
    const from = snapshot === null ? log.snapshots.length : log.snapshots.indexOf(snapshot)
    if (from > 0) log.recordSnapshots(log.snapshots.slice(from), log.base)
    opened.stateMark = { ...noState, bootId: home.bootId(), generation }
    log.saveStateMark(opened.stateMark)
    return generation
  }
  void state.replace(home.openState(beginState(home, opened, true))).close()
  return null
}

/** Another generation, with nothing in it yet, that no start would trust. */
function beginState(home: Home, opened: Opened, lost: boolean): number {
  const generation = opened.stateMark.generation + 1
  opened.stateMark = { ...noState, lost, generation }
  opened.log.saveStateMark(opened.stateMark)
  home.discardStates(null)
  return generation
}

/** Entries that were applied once already, by a state that is no more: nobody waits for what comes of them. */
function replay(log: LogStore, state: StateMachine, upTo: Index): void {
  while (state.appliedIndex < upTo) {
    const entriesMax = Math.min(replayedEntriesMax, upTo - state.appliedIndex)
    const entries = log.entries(state.appliedIndex + 1, entriesMax, replayedBytesMax)
    state.apply(entries, null, log.base.index + 1)
  }
}

/** Its rows are those that were written. */
export function prove(opened: Opened): void {
  if (opened.stateMark.unproven === 0) return
  opened.stateMark = { ...opened.stateMark, unproven: 0 }
  opened.log.saveStateMark(opened.stateMark)
}

/** The next start is not to trust it: it could not be written. */
export function distrust({ log, stateMark }: Opened): void {
  log.saveStateMark({ ...stateMark, bootId: '', clean: false })
}

/** Last of all, once the state's environment is closed: it will be believed whatever happens meanwhile. */
export function markClean(home: Home, { log, stateMark }: Opened): void {
  home.syncState(stateMark.generation)
  log.saveStateMark({ ...stateMark, clean: true })
}
