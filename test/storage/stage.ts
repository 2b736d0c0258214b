/**
 * The real storage turn of one member of three, over files in memory that can be told to fail, and ports in
 * the hands of the test.
 */
import assert from 'node:assert/strict'
import { packEntries } from '../../src/codec/record.ts'
import type { SkiffErrorData } from '../../src/errors.ts'
import type {
  NetworkToStorage,
  PeersToStorage,
  StorageToNetwork,
  StorageToPeers,
  WireRpc,
} from '../../src/messages.ts'
import type { Entry, Membership } from '../../src/raft/types.ts'
import { BoardReader, createBoard } from '../../src/storage/board.ts'
import { DiskSpace } from '../../src/storage/disk-space.ts'
import { numberKey, type Table } from '../../src/storage/environment.ts'
import { assembleNode, bootstrap, openNode } from '../../src/storage/opening.ts'
import { Storage } from '../../src/storage/storage.ts'
import { limits } from '../raft/harness.ts'
import { Disks } from '../simulation/disks.ts'
import type { Hooks } from '../simulation/memory.ts'
import { MemoryPort } from '../simulation/port.ts'
import { Random } from '../simulation/random.ts'
import { Sights } from '../simulation/sights.ts'
import type { SnapshotWorld } from '../simulation/snapshots.ts'

export const self: string = '00000000000000aa'
export const leader: string = '00000000000000bb'
export const other: string = '00000000000000cc'
export const members: Membership = [self, leader, other].map((id, n) => ({
  id,
  address: `127.0.0.1:${n + 1}`,
  role: 'voter',
}))

export const tick: NetworkToStorage = { type: 'tick' }
export const spaceLow = 1_000_000

function nothing(): void {}

const quiet: Hooks = { begin: nothing, commit: nothing, done: nothing }

/** In which what takes time ends when it is called. */
function worldOf(later: (() => void)[]): SnapshotWorld {
  return {
    random: new Random(1),
    sights: new Sights(),
    freeBytes: () => Number.POSITIVE_INFINITY,
    after: (_, run) => void later.push(run),
    step: nothing,
  }
}

const snapshots = { snapshotLogBytes: 2 ** 30, snapshotChunkBytes: 64 }

/** What a fault does to it. */
export interface Disk {
  /** Called before each transaction of the log, or of the state, is kept; may throw. */
  logCommit: () => void
  stateCommit: () => void
  freeBytes: number
  mapFreeBytes: number
  /** Transactions kept so far. */
  commits: number
  /** Damages what is stored as this entry. */
  corrupt(index: number): void
}

export type Came = readonly [from: string, rpc: WireRpc]

export interface Stage {
  readonly disk: Disk
  readonly disks: Disks
  /** As the main thread sees it. */
  readonly board: BoardReader
  readonly failures: readonly SkiffErrorData[]
  /** Turns that were asked for, though nothing came in. */
  readonly scheduled: (() => void)[]
  /** What ends a while later: copies of snapshots, and looks at them. */
  readonly later: (() => void)[]
  /** What has left the turn so far, to peers and to callers. */
  readonly rpcs: WireRpc[]
  readonly reports: StorageToNetwork[]
  /** The same to peers, with whom each was for. */
  readonly posted: readonly StorageToPeers[]
  /** Main hears of something, within the turn. */
  readonly main: { hears: (message: StorageToNetwork) => void }
  /** The last entry applied. */
  readonly appliedIndex: () => number
  /** Runs a turn in which these messages have come. */
  turn(came: readonly Came[], calls?: readonly NetworkToStorage[]): void
}

export interface StageOptions {
  /** The first entry of the log. */
  readonly first?: Membership
  /** What an earlier start has left. */
  readonly disks?: Disks | null
}

/** A follower in term 1; its log holds the first members, and nothing is applied. */
export function openStage(options: StageOptions = {}): Stage {
  const stage = openFreshStage(options)
  // No leader counts on it any more: it may vote.
  for (let n = 0; n < limits.electionTicksMin; n++) stage.turn([], [tick])
  return stage
}

/** The same, at the moment of its start. */
export function openFreshStage({ first = members, disks: left = null }: StageOptions = {}): Stage {
  const disks = left ?? new Disks()
  const later: (() => void)[] = []
  const world = worldOf(later)
  const disk: Disk = {
    logCommit: nothing,
    stateCommit: nothing,
    freeBytes: 10 * spaceLow,
    mapFreeBytes: 2 ** 36,
    commits: 0,
    corrupt(index) {
      const environment = disks.home('memory', quiet, quiet, world).openLog()
      const table = environment.openTable('log')
      environment.transactionSync(() => corrupt(table, index))
    },
  }
  const hooks = (commit: () => void): Hooks => ({
    ...quiet,
    commit() {
      commit()
      disk.commits++
    },
  })
  const logHooks = hooks(() => disk.logCommit())
  const stateHooks = hooks(() => disk.stateCommit())
  const home = disks.home('memory', logHooks, stateHooks, world)
  const dice = { id: () => self, below: () => 0, next: () => 0.5 }
  const opened = openNode(home, dice)
  if (left === null) {
    opened.identity = { ...opened.identity, address: '127.0.0.1:1' }
    bootstrap(opened, 'c'.repeat(32), first)
  }

  const [rpcs, reports]: [WireRpc[], StorageToNetwork[]] = [[], []]
  const posted: StorageToPeers[] = []
  const memory = createBoard()
  const board = new BoardReader(memory, opened.stateMark.generation)
  const main: Stage['main'] = { hears: nothing }
  const network = new MemoryPort<StorageToNetwork, NetworkToStorage>((posted) => {
    for (const { message } of posted) {
      if (message.type === 'stateReplaced') board.reads(message.generation)
      reports.push(message)
      main.hears(message)
    }
  })
  const lane = new MemoryPort<StorageToPeers, PeersToStorage>((messages) => {
    rpcs.push(...messages.map(({ message }) => message.rpc))
    posted.push(...messages.map(({ message }) => message))
  })
  const space = new DiskSpace(
    () => disk.freeBytes,
    spaceLow,
    () => disk.mapFreeBytes,
  )
  const settings = { limits, watcherBytesMax: 1_000_000, board: memory, space }
  const scheduled: (() => void)[] = []
  const schedule = (turn: () => void): void => void scheduled.push(turn)
  let wake = nothing
  const snapshotting = { ...snapshots, schedule, wake: () => wake() }
  const parts = assembleNode(home, opened, { ...settings, ...snapshotting }, dice)
  const storage = new Storage({ network, lanes: [lane] }, parts)
  wake = () => storage.poke()
  const failures: SkiffErrorData[] = []
  storage.start((error) => failures.push(error))
  assert.deepEqual(failures, [])
  return {
    ...{ disk, failures, scheduled, later, rpcs, reports, disks },
    ...{ board, main, posted },
    appliedIndex: () => parts.state.appliedIndex,
    turn(came, calls = []) {
      for (const [from, rpc] of came) lane.deliver({ type: 'rpc', from, rpc })
      for (const call of calls) network.deliver(call)
      lane.wake()
    },
  }
}

/** Elected by the others; its no-op is written and sent. */
export function lead(stage: Stage, term = 2): void {
  for (let n = 0; n < limits.electionTicksMax; n++) stage.turn([], [tick])
  for (const type of ['preVoteReply', 'voteReply'] as const)
    stage.turn([
      [leader, { type, term, granted: true }],
      [other, { type, term, granted: true }],
    ])
}

function corrupt(table: Table, index: number): void {
  const record = Buffer.from(table.get(numberKey(index)) ?? assert.fail(`no entry ${index}`))
  record[record.length - 1] = (record[record.length - 1] ?? 0) ^ 1
  table.putSync(numberKey(index), record)
}

export function append(entries: readonly Entry[], commitIndex: number, term = 1): WireRpc {
  const first = entries[0]
  assert.ok(first !== undefined)
  return {
    type: 'append',
    ...{ term, prevIndex: first.index - 1, prevTerm: 1, commitIndex },
    ...{ entryCount: entries.length, entries: packEntries(entries) },
  }
}
