/**
 * How a node comes out of its data directory: who it is, which start this is, and what a turn needs; where its state
 * comes from is in state-origin.ts. Logic over environments, without files or chance of its own: the storage
 * service opens real ones with it (service.ts), the simulator those in memory.
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
import type { Entry, Membership, NodeId, RaftLimits } from '../raft/types.ts'
import { BoardWriter } from './board.ts'
import { Changes } from './changes.ts'
import type { DiskSpace } from './disk-space.ts'
import { type Environment, logRemedy } from './environment.ts'
import { type Identity, LogStore, type StateMark } from './log-store.ts'
import type { StorageParts } from './parts.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import { type SnapshotFiles, Snapshots } from './snapshots.ts'
import type { StateMachine } from './state-machine.ts'
import { distrust, install, openState, prove, remakeState } from './state-origin.ts'
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
    distrust: () => distrust(opened),
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

function nextStart(known: Identity | null, dice: Dice): Identity {
  const nobody = { clusterId: null, address: null, starts: 0, lineage: [], disowned: null }
  const identity = known ?? { nodeId: dice.id(8), ...nobody }
  const starts = identity.starts + 1
  const incarnation = starts * incarnationRandom + dice.below(incarnationRandom)
  return { ...identity, starts, lineage: withStart(identity.lineage, incarnation) }
}
