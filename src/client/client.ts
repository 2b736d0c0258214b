/**
 * The callers' side of one node: their operations, and the promises that wait for what storage says. The
 * parts (writes.ts, reads.ts, watchers.ts, changes.ts, view.ts) share one port and one clock.
 */
import type { Port } from '../actor/port.ts'
import { checkFields } from '../checks.ts'
import { keyBytes, prefixBytes } from '../codec/key.ts'
import { unpackValue } from '../codec/value.ts'
import type { Outcome, SkiffError, SkiffErrorData } from '../errors.ts'
import type { MemberChange, NetworkToStorage, PeerAddress, StorageToNetwork } from '../messages.ts'
import {
  type AddServerOptions,
  addServerFields,
  type CallOptions,
  type ChangeOptions,
  changeFields,
  type ReadOptions,
  type ResolvedOptions,
  readFields,
  type ScanRange,
  type WatchOptions,
  type WriteOptions,
  watchFields,
} from '../options.ts'
import { unreachable } from '../raft/assert.ts'
import { isNodeId, type Member, type MemberRole, type NodeId } from '../raft/types.ts'
import type { BoardReader } from '../storage/board.ts'
import type { StateReader } from '../storage/reader.ts'
import type { Changed, Entry, Membership, Store, Watcher } from '../store.ts'
import { Changes } from './changes.ts'
import { shareDeadline } from './deadline.ts'
import { Load } from './load.ts'
import { planOf } from './plan.ts'
import { Reads } from './reads.ts'
import { planScan, Scans, scan } from './scan.ts'
import { ViewBoard } from './view.ts'
import { Watchers } from './watchers.ts'
import { Writes } from './writes.ts'

export interface ClientParts {
  readonly port: Port<NetworkToStorage, StorageToNetwork>
  readonly options: ResolvedOptions
  readonly board: BoardReader
  readonly state: StateReader
  /** Who answers at this address? */
  readonly probe: (address: string, options: ProbeOptions) => Promise<PeerAddress>
  /** The state was found to be wrong. */
  readonly stateFound: (reason: string) => void
  /** What is read from now on is in another directory. False: that is gone again, and yet another comes. */
  readonly stateReplaced: (generation: number) => boolean
  /** Whom to keep links to; who is to be told that its log has lost what it had acknowledged. */
  readonly peersChanged: (peers: readonly PeerAddress[], forgetful: readonly NodeId[]) => void
  /** The node has stopped itself. */
  readonly failed: (error: SkiffErrorData) => void
}

type ProbeOptions = CallOptions & { readonly timeoutMs: number }

export class Client implements Store, Membership {
  readonly #parts: ClientParts
  readonly #load: Load
  readonly #views: ViewBoard
  readonly #writes: Writes
  readonly #reads: Reads
  readonly #scans: Scans
  readonly #watchers: Watchers
  readonly #changes: Changes

  constructor(parts: ClientParts) {
    const { port, options, board, state } = parts
    this.#parts = parts
    this.#load = new Load(options)
    this.#views = new ViewBoard(options.timeoutMs)
    this.#writes = new Writes(port, options, this.#load)
    this.#reads = new Reads({ port, options, load: this.#load, board, state })
    this.#scans = new Scans(state)
    this.#watchers = new Watchers(port, options)
    this.#changes = new Changes({
      port,
      views: this.#views,
      timeoutMs: options.timeoutMs,
      catchUp: async (call) => {
        await this.#reads.catchUp(call)
        this.#load.checkEnd()
      },
      progress: () => board.read().appliedIndex,
    })
    port.onWaiting(() => {
      for (const message of port.receive()) this.#hear(message)
    })
  }

  get views(): ViewBoard {
    return this.#views
  }

  get pending(): { requests: number; bytes: number } {
    return this.#load.pending
  }

  put(key: string, value: unknown, options?: WriteOptions): Promise<{ revision: number }> {
    return this.#writes.put(key, value, options)
  }

  delete(key: string, options?: WriteOptions): Promise<boolean> {
    return this.#writes.delete(key, options)
  }

  async get<T = unknown>(key: string, options?: ReadOptions): Promise<T | undefined> {
    checkFields(options, 'options', readFields)
    const bytes = keyBytes(key)
    return this.#reads.read(options, (state) => {
      const record = state.get(bytes)
      return record === null ? undefined : (unpackValue(record.value) as T)
    })
  }

  async entry<T = unknown>(key: string, options?: ReadOptions): Promise<Entry<T> | undefined> {
    checkFields(options, 'options', readFields)
    const bytes = keyBytes(key)
    return this.#reads.read(options, (state) => {
      const record = state.get(bytes)
      if (record === null) return undefined
      const { createRevision, modRevision, version, value } = record
      return { key, value: unpackValue(value) as T, createRevision, modRevision, version }
    })
  }

  async keys(prefix = '', options?: ReadOptions): Promise<string[]> {
    checkFields(options, 'options', readFields)
    const bytes = prefixBytes(prefix)
    return this.#reads.read(options, (state) => state.keys(bytes))
  }

  async prefixes(options?: ReadOptions): Promise<string[]> {
    checkFields(options, 'options', readFields)
    return this.#reads.read(options, (state) => state.prefixes())
  }

  scan<T = unknown>(range?: ScanRange, options?: ReadOptions): AsyncIterableIterator<Entry<T>> {
    checkFields(options, 'options', readFields)
    const open = () => ({ scans: this.#scans, scan: this.#scans.open() })
    return scan<T>(planScan(range), () => this.#reads.read(options, open), options?.signal)
  }

  watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T> {
    checkFields(options, 'options', watchFields)
    return this.#watchers.watch<T>(prefix, options)
  }

  async members(options?: CallOptions): Promise<readonly Member[]> {
    await this.#reads.catchUp(options)
    return this.#views.view.members
  }

  async waitForLeader(options?: CallOptions): Promise<string> {
    return this.#views.leader(options)
  }

  async addServer<Plan extends boolean = false>(
    address: string,
    options?: AddServerOptions<Plan>,
  ): Promise<Changed<Plan>> {
    checkFields(options, 'options', addServerFields)
    const role = roleOf(options)
    return this.#reach(address, options, ({ id: member, address: at }) => {
      return { type: 'add', member, address: at, role }
    })
  }

  async removeServer<Plan extends boolean = false>(
    id: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>> {
    checkFields(options, 'options', changeFields)
    checkNodeId(id, 'id')
    return this.#change({ type: 'remove', member: id }, options)
  }

  async replaceServer<Plan extends boolean = false>(
    id: string,
    address: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>> {
    checkFields(options, 'options', changeFields)
    checkNodeId(id, 'id')
    return this.#reach(address, options, ({ id: member, address: at }) => {
      return { type: 'replace', old: id, member, address: at }
    })
  }

  async transferLeadership(to?: string, options?: CallOptions): Promise<void> {
    if (to !== undefined) checkNodeId(to, 'to')
    await this.#changes.transfer(to ?? null, options)
  }

  /** Makes this node a member of the cluster of `seed`; see {@link Changes.join}. */
  join(member: NodeId, address: string, seed: PeerAddress): Promise<void> {
    return this.#changes.join(member, address, seed)
  }

  /** A change of whoever is at this address. */
  async #reach<Plan extends boolean>(
    address: string,
    options: ChangeOptions<Plan> | undefined,
    changeOf: (server: PeerAddress) => MemberChange,
  ): Promise<Changed<Plan>> {
    const rest = shareDeadline(options, this.#parts.options.timeoutMs)
    const server = await this.#parts.probe(address, rest())
    return this.#change(changeOf(server), { ...options, ...rest() })
  }

  async #change<Plan extends boolean>(
    change: MemberChange,
    options: ChangeOptions<Plan> | undefined,
  ): Promise<Changed<Plan>> {
    const isPlan: unknown = options?.plan ?? false
    if (typeof isPlan !== 'boolean')
      throw new TypeError(`plan: expected true or false, got ${String(isPlan)}`)
    if (isPlan) return planOf(await this.#changes.plan(change, options)) as Changed<Plan>
    return (await this.#changes.change(change, options)).members as Changed<Plan>
  }

  /** Once a tick: who has waited too long? */
  sweep(): void {
    this.#writes.sweep()
    this.#reads.sweep()
    this.#views.sweep()
    this.#scans.sweep()
  }

  /** The node is about to close. What was asked may still be answered; what was not will never happen. */
  stopAsking(failure: (outcome: Outcome) => SkiffError): void {
    this.#load.end(failure)
    this.#writes.stopAsking(failure)
    this.#reads.stopAsking(failure)
  }

  /** The node is closed or dead: nothing will be answered any more. */
  end(failure: (outcome: Outcome) => SkiffError): void {
    this.#load.end(failure)
    this.#writes.failAll(failure)
    this.#reads.failAll(failure)
    this.#watchers.failAll(failure('not-applied'))
    this.#views.failAll(failure)
    this.#scans.closeAll(failure('not-applied'))
  }

  #hear(message: StorageToNetwork): void {
    switch (message.type) {
      case 'applied':
        this.#writes.applied(message.batch, message.revisions)
        return
      case 'refused':
        this.#writes.refused(message.batch, message.error)
        return
      case 'readable':
        this.#reads.readable(message.ids)
        return
      case 'readRefused':
        this.#reads.refused(message.id, message.error)
        return
      case 'watching':
        this.#watchers.watching(message.id, message.revision)
        return
      case 'history':
        this.#watchers.history(message.id, message.events)
        return
      case 'events':
        this.#watchers.events(message.events)
        return
      case 'watchEnded':
        this.#watchers.ended(message.id, message.error)
        return
      case 'changeRefused':
        this.#changes.refused(message.id, message.reason)
        return
      case 'changePlanned':
        this.#changes.planned(message.id, message.forecast)
        return
      case 'view':
        this.#parts.peersChanged(message.peers, message.forgetful)
        this.#views.show(message.view)
        return
      case 'stateFound':
        this.#parts.stateFound(message.reason)
        return
      case 'stateReplaced':
        if (this.#parts.stateReplaced(message.generation))
          this.#parts.board.reads(message.generation)
        return
      case 'failed':
        this.#parts.failed(message.error)
        return
      default:
        unreachable(message)
    }
  }
}

function checkNodeId(id: unknown, name: string): void {
  if (!isNodeId(id)) throw new TypeError(`${name}: expected 16 hex digits, got ${String(id)}`)
}

function roleOf({ role = 'voter' }: { role?: MemberRole } = {}): MemberRole {
  if (role === 'voter' || role === 'learner') return role
  throw new TypeError(`role: expected 'voter' or 'learner', got ${String(role)}`)
}
