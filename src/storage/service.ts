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
import type { Entry, Member, Membership, NodeId } from '../raft/types.ts'
import { BoardWriter } from './board.ts'
import { Changes } from './changes.ts'
import { checkDatabaseFile } from './database-file.ts'
import {
  bootId,
  type Directory,
  directoryAt,
  discardState,
  freeBytes,
  releaseDirectory,
  syncState,
  takeDirectory,
} from './directory.ts'
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

class StorageService {
  readonly #init: StorageInit
  readonly #directory: Directory
  readonly #ports: StoragePorts
  readonly #ended: () => void
  readonly #crashed: (error: Error) => void
  #opened: {
    log: LogStore
    state: StateMachine | null
    memberships: readonly MembershipAt[]
  } | null = null
  #storage: Storage | null = null

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

  #ending = false

  readonly control: StorageControl = {
    open: () => this.#open(),
    listening: (address) => this.#log().saveIdentity({ ...this.#identity(), address }),
    adopt: (clusterId) => this.#adopt(clusterId),
    found: () => this.#found(),
    start: () => this.#start(),
    close: () => this.#close(true),
    kill: () => this.#close(false),
  }

  onAbandoned(act: () => void): void {
    this.#ports.network.onClosed(() => {
      if (!this.#ending) act()
    })
  }

  #open(): OpenedNode {
    takeDirectory(this.#directory)
    try {
      const { store: log, memberships } = LogStore.open(this.#directory.log)
      this.#opened = { log, state: null, memberships }
      const known = log.identity ?? {
        nodeId: randomBytes(8).toString('hex'),
        clusterId: null,
        address: null,
        starts: 0,
      }
      const identity: Identity = { ...known, starts: known.starts + 1 }
      log.saveIdentity(identity)
      this.#openState()
      const { nodeId, clusterId, address, starts } = identity
      const incarnation = starts * incarnationRandom + randomInt(incarnationRandom)
      this.#incarnation = incarnation
      const members = memberships.at(-1)?.members ?? []
      return { nodeId, incarnation, clusterId, address, members, statePath: this.#directory.state }
    } catch (error) {
      if (this.#opened === null) releaseDirectory(this.#directory)
      throw error
    }
  }

  #incarnation = 0

  /** Trusts the state only if no power was lost since it was written; else the log makes it anew. */
  #openState(): void {
    const log = this.#log()
    const boot = bootId()
    const mark = log.stateMark
    if (mark === null || !(mark.clean || mark.bootId === boot)) discardState(this.#directory)
    // Durable before the first write: a clean mark must never stand beside a state that is in use.
    log.saveStateMark({ bootId: boot, clean: false })
    checkDatabaseFile(
      this.#directory.state,
      `Delete ${this.#directory.state}: the log makes it anew`,
    )
    const state = new StateMachine(this.#directory.state)
    if (state.appliedIndex > log.lastIndex) {
      throw new SkiffError(
        'SKIFF_STORAGE',
        'not-applied',
        `the state in ${this.#directory.path} holds entry ${state.appliedIndex}, its log ends at ${log.lastIndex}: the log was damaged or replaced`,
      )
    }
    assert(this.#opened !== null, 'not open')
    this.#opened.state = state
  }

  #adopt(clusterId: string): void {
    const identity = this.#identity()
    if (identity.clusterId === clusterId) return
    assert(identity.clusterId === null, `this directory belongs to cluster ${identity.clusterId}`)
    this.#log().saveIdentity({ ...identity, clusterId })
  }

  #found(): string {
    const identity = this.#identity()
    assert(
      identity.clusterId === null && identity.address !== null,
      'only a fresh node that listens can found a cluster',
    )
    const clusterId = randomBytes(16).toString('hex')
    const self: Member = { id: identity.nodeId, address: identity.address, role: 'voter' }
    const first: Entry = { index: 1, term: 1, type: 'membership', bytes: encodeMembership([self]) }
    this.#log().found({ ...identity, clusterId }, first, packEntries([first]))
    assert(this.#opened !== null, 'not open')
    this.#opened.memberships = [{ index: 1, members: [self] }]
    return clusterId
  }

  #start(): void {
    assert(this.#opened?.state != null, 'not open')
    const { log, state, memberships } = this.#opened
    const { limits, board, watcherBytesMax } = this.#init
    const { nodeId } = this.#identity()
    const raft = new Raft({
      id: nodeId,
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
      proposals: new Proposals(nodeId, this.#incarnation, limits.electionTicksMin),
      reads: new Reads(limits.electionTicksMin, randomInt(questionsRandom)),
      changes: new Changes(raft, limits.heartbeatTicks),
      watchers: new Watchers(state, log, watcherBytesMax),
      board: new BoardWriter(board),
      diskTrouble: () => this.#diskTrouble(),
      members: applied?.members ?? [],
    })
    this.#storage.start((error) => this.#fail(error))
  }

  #diskTrouble(): string | null {
    const free = freeBytes(this.#directory)
    const { diskFreeBytesMin } = this.#init
    if (free >= diskFreeBytesMin) return null
    return `the disk of ${this.#directory.path} has ${free} bytes left, fewer than diskFreeBytesMin (${diskFreeBytesMin}); free some space`
  }

  /** Says why, to those who wait, and ends the actor. The disk is left as it is. */
  #fail(data: SkiffErrorData): void {
    const code = data.code === 'SKIFF_CRASHED' ? data.code : 'SKIFF_STORAGE'
    const error = new SkiffError(code, data.outcome, data.message)
    this.#ports.network.post({ type: 'failed', error: error.toData() })
    this.#ports.network.flush()
    void this.#close(false).then(
      () => this.#crashed(error),
      () => this.#crashed(error),
    )
  }

  async #close(clean: boolean): Promise<void> {
    this.#storage?.stop()
    this.#storage = null
    const opened = this.#opened
    this.#opened = null
    if (opened !== null) {
      await opened.state?.close()
      if (clean && opened.state !== null) {
        syncState(this.#directory)
        opened.log.saveStateMark({ bootId: bootId(), clean: true })
      }
      await opened.log.close()
      releaseDirectory(this.#directory)
    }
    this.#ending = true
    // After this call was answered.
    setImmediate(() => this.#end())
  }

  #end(): void {
    this.#ports.network.close()
    for (const codec of this.#ports.codecs) codec.close()
    this.#init.control.close()
    this.#ended()
  }

  #log(): LogStore {
    assert(this.#opened !== null, 'not open')
    return this.#opened.log
  }

  #identity(): Identity {
    const { identity } = this.#log()
    assert(identity !== null, 'no identity')
    return identity
  }
}
