/**
 * How a node comes out of its data directory: who it is, which start this is, and whether its state can be
 * believed or must be made anew from the log. Logic over environments, without files or chance of its own:
 * the storage service opens real ones with it (service.ts), the simulator those in memory.
 */
import { packEntries } from '../codec/record.ts'
import { SkiffError } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import { incarnationRandom, withStart } from '../raft/lineage.ts'
import {
  configurationOf,
  encodeConfiguration,
  everyone,
  type MembershipAt,
  noMembership,
} from '../raft/membership.ts'
import { Raft } from '../raft/raft.ts'
import type { Entry, Index, Membership, NodeId, RaftLimits, SnapshotMark } from '../raft/types.ts'
import { BoardWriter } from './board.ts'
import { Changes } from './changes.ts'
import type { DiskSpace } from './disk-space.ts'
import { type Environment, logRemedy } from './environment.ts'
import { type Identity, LogStore, type StateMark } from './log-store.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import { isTrue } from './scrub.ts'
import { type SnapshotFiles, Snapshots } from './snapshots.ts'
import { StateMachine } from './state-machine.ts'
import type { StorageParts } from './storage.ts'
import { Succession } from './succession.ts'
import { Watchers } from './watchers.ts'

/** A data directory, as far as it matters what is in it. */
export interface Home {
  /** For messages. */
  readonly path: string
  /** Another one after each loss of power. */
  bootId(): string
  openLog(): Environment
  openState(generation: number): Environment
  /** One of any generation. */
  hasState(): boolean
  /** All but this one. */
  discardStates(kept: number | null): void
  readonly snapshots: SnapshotFiles
  /** Makes durable that the log's file exists. */
  syncNames(): void
  /** Makes durable what was written to the state. */
  syncState(generation: number): void
}

/** Where chance comes in. */
export interface Dice {
  /** So many random bytes, in hexadecimal. */
  id(bytes: number): string
  /** A whole number in [0, end). */
  below(end: number): number
  /** In [0, 1). */
  next(): number
}

/** What is there between opening and closing. */
export interface Opened {
  readonly log: LogStore
  readonly state: StateMachine
  /** Higher at each start from the same directory. */
  readonly incarnation: number
  identity: Identity
  /** What a state is trusted by while it is in use; rewritten when a snapshot takes its place. */
  stateMark: StateMark
  memberships: readonly MembershipAt[]
}

export interface NodeSettings {
  readonly limits: RaftLimits
  readonly watcherBytesMax: number
  readonly snapshotLogBytes: number
  readonly snapshotChunkBytes: number
  readonly board: SharedArrayBuffer
  readonly space: DiskSpace
  readonly schedule: (turn: () => void) => void
  /** Has a turn run soon, for something that was finished aside of the turns. */
  readonly wake: () => void
}

/** A state that so many starts did not live to prove is given up. */
const unprovenStartsMax = 4

/** What no start would trust. */
const noState = { bootId: '', clean: false, lost: false, unproven: 0 } as const

/** Applied again in one transaction. */
const replayedEntriesMax = 1_024
const replayedBytesMax = 4 * 2 ** 20

/** Range of the first question's number (reads.ts); what is left above it is never used up. */
const questionsRandom = 2 ** 47

/** @throws SkiffError `SKIFF_STORAGE` for a directory that must not be used any more */
export function openNode(home: Home, dice: Dice): Opened {
  const { store: log, memberships } = LogStore.open(home.openLog(), `${home.path}/log`)
  try {
    checkLogIsThere(home, log)
    checkOwned(home, log)
    const identity = nextStart(log.identity, dice)
    log.saveIdentity(identity)
    home.syncNames()
    const { state, stateMark } = openState(home, log)
    if (stateMark.lost) checkOthersHaveIt(home, identity.nodeId, memberships)
    const incarnation = identity.lineage.at(-1) ?? 0
    return { log, state, stateMark, identity, incarnation, memberships }
  } catch (error) {
    void log.close()
    throw error
  }
}

/** Makes a cluster with these as its first members: its id and its first entry. */
export function bootstrap(opened: Opened, clusterId: string, members: Membership): void {
  const { clusterId: known, address } = opened.identity
  assert(known === null && address !== null, 'only a fresh node that listens can found a cluster')
  const { base, hardState } = opened.log
  const at = { index: base.index + 1, term: hardState.term + 1 }
  const founding = configurationOf(members)
  const first: Entry = { ...at, type: 'membership', bytes: encodeConfiguration(founding) }
  opened.identity = { ...opened.identity, clusterId }
  opened.log.bootstrap(opened.identity, first, packEntries([first]))
  opened.memberships = [{ index: at.index, ...founding }]
}

/** All that a turn needs, over what was opened. */
export function assembleNode(
  home: Home,
  opened: Opened,
  settings: NodeSettings,
  dice: Dice,
): StorageParts {
  const { log, state, stateMark, memberships, identity, incarnation } = opened
  const { limits, watcherBytesMax, board, space, schedule, wake } = settings
  const { snapshotLogBytes: logBytes, snapshotChunkBytes: chunkBytes } = settings
  const snapshots = new Snapshots({
    ...{ files: home.snapshots, log, state, logBytes, chunkBytes, wake },
    isStateLost: stateMark.lost,
  })
  const raft = new Raft({
    id: identity.nodeId,
    limits,
    random: () => dice.next(),
    disk: log,
    snapshots,
    hardState: log.hardState,
    memberships,
    appliedIndex: stateMark.lost ? log.base.index : state.appliedIndex,
    assumesLeader: true,
  })
  if (stateMark.lost) raft.loseState()
  return {
    raft,
    log,
    state,
    snapshots,
    incarnation,
    auditTicks: limits.electionTicksMin,
    install: (snapshot) => install(home, opened, snapshot, raft),
    remake: (isRight) => remakeState(home, opened, raft.appliedIndex, isRight),
    stateGeneration: () => opened.stateMark.generation,
    proven: () => prove(opened),
    distrust: () => log.saveStateMark({ ...opened.stateMark, bootId: '', clean: false }),
    proposals: new Proposals(identity.nodeId, incarnation, limits.electionTicksMin),
    reads: new Reads(limits.electionTicksMin, dice.below(questionsRandom)),
    changes: new Changes(raft, limits.heartbeatTicks, identity.address),
    succession: new Succession(raft, space, limits.electionTicksMin),
    watchers: new Watchers(state, log, watcherBytesMax),
    board: new BoardWriter(board),
    space,
    // No less than a full window of appends brings, or a follower would fall ever further behind.
    applyEntriesMax: limits.appendsInFlightMax * limits.appendEntriesMax,
    applyBytesMax: 2 * limits.appendsInFlightMax * limits.appendBytesMax,
    schedule,
  }
}

/** Last of all, once the state's environment is closed: it will be believed whatever happens meanwhile. */
export function markClean(home: Home, { log, stateMark }: Opened): void {
  home.syncState(stateMark.generation)
  log.saveStateMark({ ...stateMark, clean: true })
}

/**
 * A state is made only after the log says whose it is. Without that the log is gone, and with it what was
 * promised: taken for a new directory, it would found another cluster.
 */
function checkLogIsThere(home: Home, log: LogStore): void {
  if (log.identity !== null || !home.hasState()) return
  const reason = `there is a state in ${home.path}, but its log is empty or was removed`
  throw new SkiffError('SKIFF_STORAGE', 'not-applied', `${reason}. ${logRemedy}`)
}

/** A state that is lost is to come from another member; where there is none, nobody will bring it. */
function checkOthersHaveIt(home: Home, self: NodeId, memberships: readonly MembershipAt[]): void {
  if (everyone(memberships.at(-1) ?? noMembership).some(({ id }) => id !== self)) return
  const reason = `the state in ${home.path} is lost, no snapshot of it is whole, and the log begins behind its first entry`
  throw new SkiffError('SKIFF_STORAGE', 'not-applied', `${reason}. ${logRemedy}`)
}

/** Started again and again it would in the end be of a lineage that nobody can judge any more. */
function checkOwned(home: Home, { identity }: LogStore): void {
  const reason = identity?.disowned ?? null
  if (reason === null) return
  const message = `${home.path} was refused before: ${reason}`
  throw new SkiffError('SKIFF_MEMBERSHIP', 'not-applied', message)
}

/**
 * A snapshot takes the place of log and state. The state is made of it aside; then one step of the log decides,
 * and what was made before is thrown away: at once, or at the next start, whichever of the two it is.
 * `null`: the snapshot is damaged, and nothing has happened.
 */
function install(home: Home, opened: Opened, snapshot: SnapshotMark, raft: Raft): number | null {
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

/** Entries that were applied once already, by a state that is no more: nobody waits for what comes of them. */
function replay(log: LogStore, state: StateMachine, upTo: Index): void {
  while (state.appliedIndex < upTo) {
    const entriesMax = Math.min(replayedEntriesMax, upTo - state.appliedIndex)
    const entries = log.entries(state.appliedIndex + 1, entriesMax, replayedBytesMax)
    state.apply(entries, null, log.base.index + 1)
  }
}

/**
 * The state is not what it should be: throws it away and makes it anew, of the newest snapshot that is what it
 * says and from which the log leads to what `isRight`, or of the log alone, where all of it is there. Returns its
 * generation. `null`: there is none such, and the state is lost; durably, for what is here would mislead the
 * next start just the same.
 */
function remakeState(
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

/** Its rows are those that were written. */
function prove(opened: Opened): void {
  if (opened.stateMark.unproven === 0) return
  opened.stateMark = { ...opened.stateMark, unproven: 0 }
  opened.log.saveStateMark(opened.stateMark)
}

/** Another generation, with nothing in it yet, that no start would trust. */
function beginState(home: Home, opened: Opened, lost: boolean): number {
  const generation = opened.stateMark.generation + 1
  opened.stateMark = { ...noState, lost, generation }
  opened.log.saveStateMark(opened.stateMark)
  home.discardStates(null)
  return generation
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

/** Of one that is deleted, cut short or rubbish, another is made, as after the loss of power. */
function openState(home: Home, log: LogStore): { state: StateMachine; stateMark: StateMark } {
  const stateMark = prepareState(home, log)
  const state = tryState(home, log, stateMark)
  if (state !== null) return { state, stateMark }
  log.saveStateMark({ ...noState, generation: stateMark.generation + 1 })
  const another = prepareState(home, log)
  const made = tryState(home, log, another)
  assert(made !== null, `the state that was made in ${home.path} cannot be opened`)
  return { state: made, stateMark: another }
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

function nextStart(known: Identity | null, dice: Dice): Identity {
  const nobody = { clusterId: null, address: null, starts: 0, lineage: [], disowned: null }
  const identity = known ?? { nodeId: dice.id(8), ...nobody }
  const starts = identity.starts + 1
  const incarnation = starts * incarnationRandom + dice.below(incarnationRandom)
  return { ...identity, starts, lineage: withStart(identity.lineage, incarnation) }
}
