/**
 * The life of a storage actor: open the directory, found or enter a cluster, run, close. Called over the
 * control plane by the node it belongs to (node.ts); what happens in between is storage.ts.
 */
import { randomBytes, randomInt } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { serveControl } from '../actor/control.ts'
import { openPort } from '../actor/port.ts'
import { packEntries } from '../codec/record.ts'
import { SkiffError, type SkiffErrorData } from '../errors.ts'
import type {
  CodecToStorage,
  NetworkToStorage,
  StorageToCodec,
  StorageToNetwork,
} from '../messages.ts'
import { assert } from '../raft/assert.ts'
import { encodeMembership, type MembershipAt } from '../raft/membership.ts'
import type { RaftLimits } from '../raft/progress.ts'
import { Raft } from '../raft/raft.ts'
import type { Entry, Membership, NodeId } from '../raft/types.ts'
import { BoardWriter } from './board.ts'
import { Changes } from './changes.ts'
import { checkDatabaseFile } from './database-file.ts'
import {
  bootId,
  type Directory,
  directoryAt,
  discardState,
  freeBytes,
  syncNames,
  syncState,
} from './directory.ts'
import { DiskSpace } from './disk-space.ts'
import { type Identity, LogStore } from './log-store.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import { StateMachine } from './state-machine.ts'
import { Storage, type StoragePorts } from './storage.ts'
import { Watchers } from './watchers.ts'

/** What the actor is started with; plain data and ports. */
export interface StorageInit {
  readonly dir: string
  readonly board: SharedArrayBuffer
  readonly limits: RaftLimits
  readonly watcherBytesMax: number
  readonly diskFreeBytesMin: number
  readonly network: MessagePort
  readonly codecs: readonly MessagePort[]
  readonly control: MessagePort
}

export interface OpenedNode {
  readonly nodeId: NodeId
  /** Higher at each start from the same directory. */
  readonly incarnation: number
  readonly clusterId: string | null
  /** Where it listened last. */
  readonly address: string | null
  readonly members: Membership
  /** The log holds a membership it was in; not necessarily the newest. */
  readonly wasMember: boolean
  readonly statePath: string
}

/** A type, not an interface: only types fit an index signature (control.ts). */
export type StorageControl = {
  open(): OpenedNode
  /** Remembers the address it listens at. */
  listening(address: string): void
  /** Enters a cluster: from now on this directory belongs to it and to no other. */
  adopt(clusterId: string): void
  /** Makes a cluster of its own, with this node as its only member. Returns the cluster's id. */
  found(): string
  /** Begins to take part. */
  start(): void
  /** Flushed and marked clean. */
  close(): Promise<void>
  /** As a crash would leave it. */
  kill(): Promise<void>
}

/** How far an incarnation counts the starts; below are random bits that tell copies apart. */
const incarnationRandom = 2 ** 20

/** Range of the first question's number (reads.ts); what is left above it is never used up. */
const questionsRandom = 2 ** 47

/** Runs the actor; settles when it has been closed, rejects when it failed. */
export function runStorage(init: StorageInit): Promise<void> {
  return new Promise((resolve, reject) => {
    const service = new StorageService(init, resolve, reject)
    serveControl(service.control, init.control)
    // Main gives up on us without a word when another actor of the node has died.
    service.onAbandoned(() => void service.control.kill().catch(reject))
  })
}

/** What is there between `open` and `close`. */
interface Opened {
  readonly log: LogStore
  readonly state: StateMachine
  readonly incarnation: number
  identity: Identity
  memberships: readonly MembershipAt[]
}

class StorageService {
  readonly #init: StorageInit
  readonly #directory: Directory
  readonly #ports: StoragePorts
  readonly #ended: () => void
  readonly #crashed: (error: Error) => void
  #opened: Opened | null = null
  #storage: Storage | null = null
  #closing: Promise<void> | null = null

  constructor(init: StorageInit, ended: () => void, crashed: (error: Error) => void) {
    this.#init = init
    this.#directory = directoryAt(init.dir)
    this.#ended = ended
    this.#crashed = crashed
    this.#ports = {
      network: openPort<StorageToNetwork, NetworkToStorage>(init.network),
      codecs: init.codecs.map((port) => openPort<StorageToCodec, CodecToStorage>(port)),
    }
  }

  readonly control: StorageControl = {
    open: () => this.#open(),
    listening: (address) => this.#remember({ address }),
    adopt: (clusterId) => this.#adopt(clusterId),
    found: () => this.#found(),
    start: () => this.#start(),
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
    const { store: log, memberships } = LogStore.open(this.#directory.log)
    try {
      const identity = nextStart(log.identity)
      log.saveIdentity(identity)
      syncNames(this.#directory)
      const state = this.#openState(log)
      const incarnation = identity.starts * incarnationRandom + randomInt(incarnationRandom)
      this.#opened = { log, state, identity, incarnation, memberships }
      return describe(this.#opened, this.#directory)
    } catch (error) {
      void log.close()
      throw error
    }
  }

  /** Trusts the state only if no power was lost since it was written; else the log makes it anew. */
  #openState(log: LogStore): StateMachine {
    const boot = bootId()
    const mark = log.stateMark
    if (mark === null || !(mark.clean || mark.bootId === boot)) discardState(this.#directory)
    // Durable before the first write: a clean mark must never stand beside a state that is in use.
    log.saveStateMark({ bootId: boot, clean: false })
    const { path, state: statePath } = this.#directory
    checkDatabaseFile(statePath, `Delete ${statePath}: the log makes it anew`)
    const state = new StateMachine(statePath)
    if (state.appliedIndex <= log.lastIndex) return state
    void state.close()
    throw new SkiffError(
      'SKIFF_STORAGE',
      'not-applied',
      `the state in ${path} holds entry ${state.appliedIndex}, its log ends at ${log.lastIndex}: the log was damaged or replaced`,
    )
  }

  #adopt(clusterId: string): void {
    const { identity } = this.#whatIsOpen()
    if (identity.clusterId === clusterId) return
    assert(identity.clusterId === null, `this directory belongs to cluster ${identity.clusterId}`)
    this.#remember({ clusterId })
  }

  #found(): string {
    const opened = this.#whatIsOpen()
    const { nodeId, address, clusterId: known } = opened.identity
    assert(known === null && address !== null, 'only a fresh node that listens can found a cluster')
    const clusterId = randomBytes(16).toString('hex')
    const members: Membership = [{ id: nodeId, address, role: 'voter' }]
    const bytes = encodeMembership(members)
    const first: Entry = { index: 1, term: 1, type: 'membership', bytes }
    opened.identity = { ...opened.identity, clusterId }
    opened.log.found(opened.identity, first, packEntries([first]))
    opened.memberships = [{ index: 1, members }]
    return clusterId
  }

  #remember(news: Partial<Identity>): void {
    const opened = this.#whatIsOpen()
    opened.identity = { ...opened.identity, ...news }
    opened.log.saveIdentity(opened.identity)
  }

  #start(): void {
    const { log, state, memberships, identity, incarnation } = this.#whatIsOpen()
    const { limits, board, watcherBytesMax, diskFreeBytesMin } = this.#init
    const raft = new Raft({
      id: identity.nodeId,
      limits,
      random: Math.random,
      disk: log,
      hardState: log.hardState,
      memberships,
      appliedIndex: state.appliedIndex,
    })
    const applied = memberships.findLast(({ index }) => index <= state.appliedIndex)
    this.#storage = new Storage(this.#ports, {
      raft,
      log,
      state,
      proposals: new Proposals(identity.nodeId, incarnation, limits.electionTicksMin),
      reads: new Reads(limits.electionTicksMin, randomInt(questionsRandom)),
      changes: new Changes(raft, limits.heartbeatTicks),
      watchers: new Watchers(state, log, watcherBytesMax),
      board: new BoardWriter(board),
      space: new DiskSpace(() => freeBytes(this.#directory), diskFreeBytesMin),
      members: applied?.members ?? [],
    })
    this.#storage.start((error) => this.#fail(error))
  }

  /** Says why, to those who wait, and ends the actor. The disk is left as it is. */
  #fail(data: SkiffErrorData): void {
    const error = SkiffError.fromData(data)
    this.#ports.network.post({ type: 'failed', error: data })
    this.#ports.network.flush()
    const end = (): void => this.#crashed(error)
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

  async #closeFiles({ log, state }: Opened, clean: boolean): Promise<void> {
    try {
      await state.close()
      if (!clean) return
      syncState(this.#directory)
      log.saveStateMark({ bootId: bootId(), clean: true })
    } finally {
      await log.close()
    }
  }

  #end(): void {
    this.#ports.network.close()
    for (const codec of this.#ports.codecs) codec.close()
    this.#init.control.close()
    this.#ended()
  }

  #whatIsOpen(): Opened {
    assert(this.#opened !== null, 'not open')
    return this.#opened
  }
}

function nextStart(known: Identity | null): Identity {
  const fresh = {
    nodeId: randomBytes(8).toString('hex'),
    clusterId: null,
    address: null,
    starts: 0,
  }
  const identity = known ?? fresh
  return { ...identity, starts: identity.starts + 1 }
}

function describe(
  { identity, incarnation, memberships }: Opened,
  directory: Directory,
): OpenedNode {
  const { nodeId, clusterId, address } = identity
  const isIn = ({ members }: MembershipAt): boolean => members.some(({ id }) => id === nodeId)
  return {
    nodeId,
    incarnation,
    clusterId,
    address,
    members: memberships.at(-1)?.members ?? [],
    wasMember: memberships.some(isIn),
    statePath: directory.state,
  }
}
