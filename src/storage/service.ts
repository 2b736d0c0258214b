/**
 * The life of a storage actor: open the directory, found or enter a cluster, run, close. Called over the
 * control plane by the node it belongs to (node.ts); what happens in between is storage.ts.
 */
import { randomBytes, randomInt } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { serveControl } from '../actor/control.ts'
import { openPort } from '../actor/port.ts'
import { StorageLane } from '../codec/lane.ts'
import { SkiffError, type SkiffErrorData } from '../errors.ts'
import type { NetworkToStorage, StorageToNetwork } from '../messages.ts'
import { snapshotChunkBytes } from '../options.ts'
import { assert } from '../raft/assert.ts'
import { everyone, type MembershipAt } from '../raft/membership.ts'
import type { Membership, NodeId, RaftLimits, SnapshotMark } from '../raft/types.ts'
import {
  bootId,
  type Directory,
  directoryAt,
  discardStates,
  discardUnfinishedLog,
  freeBytes,
  hasState,
  syncNames,
  syncState,
} from './directory.ts'
import { DiskSpace } from './disk-space.ts'
import { mapFreeBytes, openLogEnvironment, openStateEnvironment } from './environment.ts'
import type { Identity } from './log-store.ts'
import { assembleNode, bootstrap, type Dice, type Home, type Opened, openNode } from './opening.ts'
import { SnapshotFolder } from './snapshot-files.ts'
import type { SnapshotFiles, Snapshots } from './snapshots.ts'
import { markClean } from './state-origin.ts'
import { Storage, type StoragePorts } from './storage.ts'

/** What the actor is started with; plain data and ports. */
export interface StorageInit {
  readonly dir: string
  readonly board: SharedArrayBuffer
  readonly limits: RaftLimits
  readonly watcherBytesMax: number
  readonly diskFreeBytesMin: number
  readonly snapshotLogBytes: number
  readonly network: MessagePort
  readonly lanes: readonly LanePorts[]
  readonly control: MessagePort
}

export interface OpenedNode {
  readonly nodeId: NodeId
  /** Higher at each start from the same directory. */
  readonly incarnation: number
  /** Those before it, newest last. */
  readonly ancestors: readonly number[]
  /** The newest incarnation of each other node that was let in here. */
  readonly met: ReadonlyMap<NodeId, number>
  readonly clusterId: string | null
  /** Where it listened last. */
  readonly address: string | null
  readonly members: Membership
  /** The log holds a membership it was in; not necessarily the newest. */
  readonly wasMember: boolean
  /** It holds the state of another cluster, and founds its own of it: it can enter none. */
  readonly isRestored: boolean
  /** Which of its directories the state is in. */
  readonly stateGeneration: number
}

/** One codec, and the way past it. */
export interface LanePorts {
  readonly codec: MessagePort
  readonly direct: MessagePort
}

/** A type, not an interface: only types fit an index signature (control.ts). */
export type StorageControl = {
  open(): OpenedNode
  /** Remembers the address it listens at. */
  listening(address: string): void
  /** Enters a cluster: from now on this directory belongs to it and to no other. */
  adopt(clusterId: string): void
  /** Remembers that this incarnation of another node was let in. */
  meet(node: NodeId, incarnation: number): void
  /** The cluster takes this directory for a copy: it is never started again. */
  disown(reason: string): void
  /** Makes a cluster of its own, with this node as its only member. Returns the cluster's id. */
  bootstrap(): string
  /** Begins to take part. */
  start(): void
  /** Takes a snapshot now. Returns its last entry. */
  snapshot(): Promise<number>
  /** Takes one now, whose file stays until it is released. */
  holdSnapshot(): Promise<SnapshotMark>
  releaseSnapshot(snapshot: SnapshotMark): void
  /** Has another lead, if we do and another can; not for longer than a few elections take. */
  handOver(): Promise<void>
  /** Flushed and marked clean. */
  close(): Promise<void>
  /** As a crash would leave it. */
  kill(): Promise<void>
}

const dice: Dice = {
  id: (bytes) => randomBytes(bytes).toString('hex'),
  below: (end) => randomInt(end),
  next: () => Math.random(),
}

/** Runs the actor; settles when it has been closed, rejects when it failed. */
export function runStorage(init: StorageInit): Promise<void> {
  return new Promise((resolve, reject) => {
    const service = new StorageService(init, resolve, reject)
    serveControl(service.control, init.control)
    // Main gives up on us without a word when another actor of the node has died.
    service.onAbandoned(() => void service.control.kill().catch(reject))
  })
}

class StorageService {
  readonly #init: StorageInit
  readonly #directory: Directory
  readonly #home: Home
  readonly #snapshots: SnapshotFolder
  readonly #ports: StoragePorts
  readonly #ended: () => void
  /** As data: an error would lose its code on the way. */
  readonly #crashed: (error: SkiffErrorData) => void
  #opened: Opened | null = null
  #storage: Storage | null = null
  #taken: Snapshots | null = null
  #closing: Promise<void> | null = null

  constructor(init: StorageInit, ended: () => void, crashed: (error: SkiffErrorData) => void) {
    this.#init = init
    this.#directory = directoryAt(init.dir)
    this.#snapshots = new SnapshotFolder(this.#directory, init.diskFreeBytesMin)
    this.#home = homeAt(this.#directory, this.#snapshots)
    this.#ended = ended
    this.#crashed = crashed
    this.#ports = {
      network: openPort<StorageToNetwork, NetworkToStorage>(init.network),
      lanes: init.lanes.map(
        ({ codec, direct }) => new StorageLane(openPort(codec), openPort(direct)),
      ),
    }
  }

  readonly control: StorageControl = {
    open: () => this.#open(),
    listening: (address) => this.#remember({ address }),
    adopt: (clusterId) => this.#adopt(clusterId),
    meet: (node, incarnation) => this.#whatIsOpen().log.meet(node, incarnation),
    disown: (reason) => this.#remember({ disowned: reason }),
    bootstrap: () => this.#bootstrap(),
    start: () => this.#start(),
    snapshot: async () => (await this.#snapshot(() => undefined)).index,
    holdSnapshot: () => this.#snapshot((taken) => this.#taken?.hold(taken)),
    releaseSnapshot: (snapshot) => this.#taken?.release(snapshot),
    handOver: () => this.#handOver(),
    close: () => this.#close(true),
    kill: () => this.#close(false),
  }

  /** Calls back when the other end of the port goes away before we were told to close. */
  onAbandoned(act: () => void): void {
    this.#ports.network.onClosed(() => {
      if (this.#closing === null) act()
    })
  }

  #open(): OpenedNode {
    this.#opened = openNode(this.#home, dice)
    return describe(this.#opened)
  }

  #adopt(clusterId: string): void {
    const { identity } = this.#whatIsOpen()
    if (identity.clusterId === clusterId) return
    assert(identity.clusterId === null, `this directory belongs to cluster ${identity.clusterId}`)
    this.#remember({ clusterId })
  }

  #bootstrap(): string {
    const opened = this.#whatIsOpen()
    const { nodeId, address } = opened.identity
    assert(address !== null, 'a cluster is founded by a node that listens')
    const clusterId = dice.id(16)
    bootstrap(opened, clusterId, [{ id: nodeId, address, role: 'voter' }])
    return clusterId
  }

  #remember(news: Partial<Identity>): void {
    const opened = this.#whatIsOpen()
    opened.identity = { ...opened.identity, ...news }
    opened.log.saveIdentity(opened.identity)
  }

  #start(): void {
    const { limits, board, watcherBytesMax, diskFreeBytesMin, snapshotLogBytes } = this.#init
    const { log } = this.#directory
    const space = new DiskSpace(
      () => freeBytes(this.#directory),
      diskFreeBytesMin,
      () => Math.min(mapFreeBytes(log), mapFreeBytes(this.#statePath)),
    )
    // What is in the ports when a turn ends was sent for the next: it is taken with it.
    const schedule = (turn: () => void): void => void setImmediate(turn)
    const wake = (): void => this.#storage?.poke()
    const snapshots = { snapshotLogBytes, snapshotChunkBytes }
    const settings = { limits, board, watcherBytesMax, ...snapshots, space, schedule, wake }
    const parts = assembleNode(this.#home, this.#whatIsOpen(), settings, dice)
    this.#taken = parts.snapshots
    this.#storage = new Storage(this.#ports, parts)
    this.#storage.start((error) => this.#fail(error))
  }

  /** `recorded` is called before anything can throw it away again. */
  #snapshot(recorded: (snapshot: SnapshotMark) => void): Promise<SnapshotMark> {
    return new Promise((resolve, reject) => {
      assert(this.#storage !== null, 'a snapshot of a node that was not started')
      this.#storage.snapshot((outcome) => {
        if (outcome instanceof Error) {
          reject(new SkiffError('SKIFF_STORAGE', 'not-applied', outcome.message))
          return
        }
        recorded(outcome)
        resolve(outcome)
      })
    })
  }

  #handOver(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#storage === null) resolve()
      else this.#storage.handOver(resolve)
    })
  }

  /** Says why, to those who wait, and ends the actor. The disk is left as it is. */
  #fail(data: SkiffErrorData): void {
    this.#ports.network.post({ type: 'failed', error: data })
    this.#ports.network.flush()
    const end = (): void => this.#crashed(data)
    void this.#close(false).then(end, end)
  }

  #close(clean: boolean): Promise<void> {
    this.#closing ??= this.#shutDown(clean)
    return this.#closing
  }

  async #shutDown(clean: boolean): Promise<void> {
    this.#storage?.stop()
    try {
      if (this.#opened !== null) await this.#closeFiles(this.#opened, clean)
    } finally {
      // After this call was answered.
      setImmediate(() => this.#end())
    }
  }

  async #closeFiles(opened: Opened, clean: boolean): Promise<void> {
    const { log, state } = opened
    try {
      // A copy that is being made reads through the environment.
      await this.#snapshots.settled()
      await state.close()
      if (!clean) return
      markClean(this.#home, opened)
    } finally {
      await log.close()
    }
  }

  #end(): void {
    this.#ports.network.close()
    for (const lane of this.#ports.lanes) lane.close()
    this.#init.control.close()
    this.#ended()
  }

  get #statePath(): string {
    return this.#directory.state(this.#whatIsOpen().stateMark.generation)
  }

  #whatIsOpen(): Opened {
    assert(this.#opened !== null, 'not open')
    return this.#opened
  }
}

function describe({ log, identity, incarnation, memberships, stateMark }: Opened): OpenedNode {
  const { nodeId, clusterId, address, lineage } = identity
  const isIn = (at: MembershipAt): boolean => everyone(at).some(({ id }) => id === nodeId)
  return {
    nodeId,
    incarnation,
    ancestors: lineage.slice(0, -1),
    met: log.met,
    clusterId,
    address,
    members: memberships.at(-1)?.members ?? [],
    wasMember: memberships.some(isIn),
    isRestored: clusterId === null && log.base.index > 0,
    stateGeneration: stateMark.generation,
  }
}

/** A directory with LMDB in it. */
export function homeAt(directory: Directory, snapshots: SnapshotFiles): Home {
  return {
    path: directory.path,
    bootId,
    openLog: () => {
      discardUnfinishedLog(directory)
      return openLogEnvironment(directory.log)
    },
    openState: (generation) => openStateEnvironment(directory.state(generation)),
    hasState: () => hasState(directory),
    discardStates: (kept) => discardStates(directory, kept),
    snapshots,
    syncNames: () => syncNames(directory),
    syncState: (generation) => syncState(directory, generation),
  }
}
