/**
 * How a node comes out of its data directory: who it is, which start this is, and whether its state can be
 * believed or must be made anew from the log. Logic over environments, without files or chance of its own:
 * the storage service opens real ones with it (service.ts), the simulator those in memory.
 */
import { packEntries } from '../codec/record.ts'
import { SkiffError } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import { incarnationRandom, withStart } from '../raft/lineage.ts'
import { configurationOf, encodeConfiguration, type MembershipAt } from '../raft/membership.ts'
import { Raft } from '../raft/raft.ts'
import type { Entry, Membership, RaftLimits, SnapshotMark } from '../raft/types.ts'
import { BoardWriter } from './board.ts'
import { Changes } from './changes.ts'
import type { DiskSpace } from './disk-space.ts'
import { type Environment, logRemedy } from './environment.ts'
import { type Identity, LogStore, type StateMark } from './log-store.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
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
    const stateMark = prepareState(home, log)
    const state = openState(home, log, stateMark)
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
  const founding = configurationOf(members)
  const bytes = encodeConfiguration(founding)
  const first: Entry = { index: 1, term: 1, type: 'membership', bytes }
  opened.identity = { ...opened.identity, clusterId }
  opened.log.bootstrap(opened.identity, first, packEntries([first]))
  opened.memberships = [{ index: 1, ...founding }]
}

/** All that a turn needs, over what was opened. */
export function assembleNode(
  home: Home,
  opened: Opened,
  settings: NodeSettings,
  dice: Dice,
): StorageParts {
  const { log, state, memberships, identity, incarnation } = opened
  const { limits, watcherBytesMax, board, space, schedule, wake } = settings
  const { snapshotLogBytes: logBytes, snapshotChunkBytes: chunkBytes } = settings
  const snapshots = new Snapshots({ files: home.snapshots, log, state, logBytes, chunkBytes, wake })
  const raft = new Raft({
    id: identity.nodeId,
    limits,
    random: () => dice.next(),
    disk: log,
    snapshots,
    hardState: log.hardState,
    memberships,
    appliedIndex: state.appliedIndex,
    assumesLeader: true,
  })
  return {
    raft,
    log,
    state,
    snapshots,
    incarnation,
    install: (snapshot) => install(home, opened, snapshot),
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
function install(home: Home, opened: Opened, snapshot: SnapshotMark): number | null {
  const { log, state, stateMark } = opened
  const generation = stateMark.generation + 1
  if (!home.snapshots.restore(snapshot, generation)) return null
  opened.stateMark = { bootId: stateMark.bootId, clean: false, generation }
  log.install(snapshot, opened.stateMark)
  void state.replace(home.openState(generation)).close()
  assert(state.appliedIndex === snapshot.index, `the snapshot holds entry ${state.appliedIndex}`)
  home.discardStates(generation)
  return generation
}

/**
 * Trusts the state only if no power was lost since it was written; else it is made of the newest snapshot that
 * is whole, or of nothing, and the log does the rest.
 */
function prepareState(home: Home, log: LogStore): StateMark {
  const bootId = home.bootId()
  const mark = log.stateMark
  const generation = mark?.generation ?? 0
  const isTrusted = mark !== null && (mark.clean || mark.bootId === bootId)
  home.discardStates(isTrusted ? generation : null)
  if (!isTrusted) restoreState(home, log, generation)
  // Durable before the first write: a clean mark must never stand beside a state that is in use.
  const used: StateMark = { bootId, clean: false, generation }
  log.saveStateMark(used)
  return used
}

function restoreState(home: Home, log: LogStore, generation: number): void {
  if (log.snapshots.some((snapshot) => home.snapshots.restore(snapshot, generation))) return
  if (log.base.index === 0) return
  throw new SkiffError(
    'SKIFF_STORAGE',
    'not-applied',
    `the state in ${home.path} was lost, no snapshot of it is whole, and the log begins behind entry ${log.base.index}. ${logRemedy}`,
  )
}

function openState(home: Home, log: LogStore, { generation }: StateMark): StateMachine {
  const state = new StateMachine(home.openState(generation))
  const { appliedIndex } = state
  if (appliedIndex >= log.base.index && appliedIndex <= log.lastIndex) return state
  void state.close()
  throw new SkiffError(
    'SKIFF_STORAGE',
    'not-applied',
    `the state in ${home.path} holds entry ${appliedIndex}, its log goes from ${log.base.index + 1} to ${log.lastIndex}: the log was damaged or replaced`,
  )
}

function nextStart(known: Identity | null, dice: Dice): Identity {
  const nobody = { clusterId: null, address: null, starts: 0, lineage: [], disowned: null }
  const identity = known ?? { nodeId: dice.id(8), ...nobody }
  const starts = identity.starts + 1
  const incarnation = starts * incarnationRandom + dice.below(incarnationRandom)
  return { ...identity, starts, lineage: withStart(identity.lineage, incarnation) }
}
