/**
 * One member, in this process: the network actor and the callers' side of everything. It wires the three
 * actors together, starts and stops them, and turns what comes back into settled promises.
 */
import { Actors } from './actors.ts'
import { Changes } from './client/changes.ts'
import { Reads } from './client/reads.ts'
import { planScan, Scans, scan } from './client/scan.ts'
import { ViewBoard } from './client/view.ts'
import { Watchers } from './client/watchers.ts'
import { Writes } from './client/writes.ts'
import { keyBytes } from './codec/command.ts'
import { unpackValue } from './codec/value.ts'
import { SkiffError, type SkiffErrorData } from './errors.ts'
import type { CodecToNetwork, MembershipChange, PeerAddress, StorageToNetwork } from './messages.ts'
import { type Clock, startClock } from './network/clock.ts'
import { type LocalIdentity, Network, type NetworkEvents } from './network/network.ts'
import {
  type CallOptions,
  formatAddress,
  type ReadOptions,
  type ResolvedOptions,
  type ScanRange,
  tickMs,
  type WatchOptions,
  type WriteOptions,
} from './options.ts'
import { unreachable } from './raft/assert.ts'
import type { Member } from './raft/types.ts'
import { BoardReader } from './storage/board.ts'
import { StateReader } from './storage/reader.ts'
import type { OpenedNode } from './storage/service.ts'
import type { Entry, Node, NodeStatus, Watcher } from './store.ts'

export interface NodeSettings {
  readonly dir: string
  readonly options: ResolvedOptions
  /** 0: the port it had last, or any free one. */
  readonly port: number
  /** `null`: found a cluster, unless the directory belongs to one. */
  readonly join: readonly string[] | null
}

type State = 'starting' | 'running' | 'closing' | 'stopped'

export class LocalNode implements Node {
  readonly dir: string
  readonly #options: ResolvedOptions
  readonly #actors: Actors
  readonly #views: ViewBoard
  readonly #writes: Writes
  readonly #watchers: Watchers
  readonly #changes: Changes
  readonly #board: BoardReader
  #reads: Reads | null = null
  #scans: Scans | null = null
  #state: StateReader | null = null
  #network: Network | null = null
  #clock: Clock | null = null
  #identity: LocalIdentity | null = null
  #life: State = 'starting'
  #failure: SkiffError | null = null
  #stopping: Promise<void> | null = null
  #flushScheduled = false

  private constructor({ dir, options }: NodeSettings) {
    this.dir = dir
    this.#options = options
    this.#actors = new Actors(dir, options, (error) => this.#died(error))
    this.#views = new ViewBoard(options.timeoutMs)
    this.#writes = new Writes(this.#actors.storage, options)
    this.#watchers = new Watchers(this.#actors.storage, options)
    this.#changes = new Changes(this.#actors.storage, this.#views)
    this.#board = new BoardReader(this.#actors.board)
    // Nobody may be waiting when it happens.
    this.#death.catch(() => undefined)
  }

  /**
   * Opens the directory, takes the port, and founds, enters or rejoins a cluster. On failure nothing is
   * left running.
   */
  static async start(settings: NodeSettings): Promise<LocalNode> {
    const node = new LocalNode(settings)
    try {
      await node.#start(settings)
      return node
    } catch (error) {
      const failure = node.#failure
      await node.#stop('kill')
      throw failure ?? error
    }
  }

  get id(): string {
    return this.#identity?.nodeId ?? ''
  }

  get address(): string {
    return this.#identity?.address ?? ''
  }

  /** Its actors live, and it takes requests. */
  get isLive(): boolean {
    return this.#life === 'running'
  }

  async put(key: string, value: unknown, options?: WriteOptions): Promise<{ revision: number }> {
    this.#checkLive()
    return { revision: await this.#writes.put(key, value, options) }
  }

  async delete(key: string, options?: WriteOptions): Promise<boolean> {
    this.#checkLive()
    return (await this.#writes.delete(key, options)) > 0
  }

  async get<T = unknown>(key: string, options?: ReadOptions): Promise<T | undefined> {
    const bytes = keyBytes(key)
    return this.#read(options, (state) => {
      const record = state.get(bytes)
      return record === null ? undefined : (unpackValue(record.value) as T)
    })
  }

  async entry<T = unknown>(key: string, options?: ReadOptions): Promise<Entry<T> | undefined> {
    const bytes = keyBytes(key)
    return this.#read(options, (state) => {
      const record = state.get(bytes)
      if (record === null) return undefined
      const { createRevision, modRevision, version, value } = record
      return { key, value: unpackValue(value) as T, createRevision, modRevision, version }
    })
  }

  async keys(prefix = '', options?: ReadOptions): Promise<string[]> {
    if (typeof prefix !== 'string') throw new TypeError(`prefix: expected a string, got ${typeof prefix}`)
    return this.#read(options, (state) => state.keys(Buffer.from(prefix)))
  }

  async prefixes(options?: ReadOptions): Promise<string[]> {
    return this.#read(options, (state) => state.prefixes())
  }

  scan<T = unknown>(range?: ScanRange, options?: ReadOptions): AsyncIterableIterator<Entry<T>> {
    return scan<T>(planScan(range), () =>
      this.#read(options, () => {
        if (this.#scans === null) throw this.#closedError('not-applied')
        return { scans: this.#scans, snapshot: this.#scans.open() }
      }),
    )
  }

  watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T> {
    this.#checkLive()
    return this.#watchers.watch<T>(prefix, options)
  }

  status(): NodeStatus {
    const { role, term, leaderId, members } = this.#views.view
    const { commitIndex, appliedIndex, lastIndex, revision } = this.#board.read()
    const { requests, bytes } = this.#writes.pending
    const stopped = this.#life === 'stopped' || this.#life === 'closing'
    return {
      id: this.id,
      address: this.address,
      role: stopped ? 'stopped' : role,
      term,
      leaderId: stopped ? null : leaderId,
      members,
      commitIndex,
      appliedIndex,
      lastIndex,
      revision,
      transport: this.#network?.transport ?? 'ws',
      workers: this.#options.workers,
      pending: { requests: requests + (this.#reads?.requests ?? 0), bytes },
      links: this.#network?.links() ?? [],
      failure: this.#failure?.message ?? null,
    }
  }

  async waitForLeader(options?: CallOptions): Promise<string> {
    this.#checkLive()
    const late = () => new SkiffError('SKIFF_NO_LEADER', 'not-applied', 'no leader within the deadline')
    const { leaderId } = await this.#views.until((view) => view.leaderId !== null, late, options)
    return leaderId ?? ''
  }

  async members(options?: CallOptions): Promise<readonly Member[]> {
    return this.#read(options, () => this.#views.view.members)
  }

  async addServer(address: string, options?: CallOptions): Promise<readonly Member[]> {
    this.#checkLive()
    const peer = await this.#running().probe(address, { timeoutMs: this.#options.timeoutMs, ...options })
    const change: MembershipChange = { type: 'add', member: peer.nodeId, address: peer.address }
    return (await this.#changes.change(change, null, options)).members
  }

  async removeServer(id: string, options?: CallOptions): Promise<readonly Member[]> {
    this.#checkLive()
    if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) {
      throw new TypeError(`id: expected 16 hex digits, got ${String(id)}`)
    }
    return (await this.#changes.change({ type: 'remove', member: id }, null, options)).members
  }

  close(): Promise<void> {
    return this.#stop('close')
  }

  kill(): Promise<void> {
    return this.#stop('kill')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ── start ─────────────────────────────────────────────────────────────────────────────────────

  async #start(settings: NodeSettings): Promise<void> {
    const { control, storage } = this.#actors
    const opened = await this.#alive(control.call('open'))
    const network = await this.#listen(settings, opened)
    const { nodeId, incarnation } = opened
    const address = formatAddress(this.#options.host, network.port)
    if (address !== opened.address) await this.#alive(control.call('listening', address))
    const founds = opened.clusterId === null && settings.join === null
    const clusterId = founds ? await this.#alive(control.call('found')) : opened.clusterId
    this.#identity = { nodeId, incarnation, address, clusterId }

    const adoptable = clusterId === null && settings.join?.length === 0
    network.start(this.#identity, this.#networkEvents(), { adoptable })
    const seed = await this.#findSeed(settings, opened)
    this.#listenToActors()
    await this.#alive(control.call('start'))
    this.#state = new StateReader(opened.statePath)
    this.#reads = new Reads(storage, this.#options, this.#board, this.#state)
    this.#scans = new Scans(this.#state)
    this.#clock = startClock(tickMs, () => this.#tick())
    this.#life = 'running'
    if (seed !== null) await this.#changes.change({ type: 'add', member: nodeId, address }, seed)
    if (founds) await this.waitForLeader()
  }

  async #listen(settings: NodeSettings, opened: OpenedNode): Promise<Network> {
    const { host, secret, transport } = this.#options
    const port = settings.port === 0 ? lastPort(opened.address, host) : settings.port
    this.#network = await Network.listen({ host, port, secret, transport })
    return this.#network
  }

  /** The member to ask for admission; `null` if there is no need to. Enters its cluster on the way. */
  async #findSeed({ join }: NodeSettings, { members, nodeId }: OpenedNode): Promise<PeerAddress | null> {
    if (join === null || join.length === 0 || members.some(({ id }) => id === nodeId)) return null
    const seed = await this.#probeAny(join)
    if (this.#identity?.clusterId === null) {
      await this.#alive(this.#actors.control.call('adopt', seed.clusterId))
      this.#identity.clusterId = seed.clusterId
    }
    return seed
  }

  /** The first of the addresses where a member answers. A refusal is final, silence is not. */
  async #probeAny(addresses: readonly string[]): Promise<PeerAddress & { clusterId: string }> {
    const failures: SkiffError[] = []
    for (const address of addresses) {
      try {
        const { nodeId, clusterId } = await this.#running().probe(address, { timeoutMs: this.#options.timeoutMs })
        if (clusterId !== null) return { id: nodeId, address, clusterId }
        failures.push(new SkiffError('SKIFF_CONFIG', 'not-applied', `${address} belongs to no cluster yet`))
      } catch (error) {
        if (!(error instanceof SkiffError) || error.code !== 'SKIFF_CONFIG') throw error
        failures.push(error)
      }
    }
    const reasons = failures.map(({ message }) => message).join('; ')
    throw new SkiffError('SKIFF_CONFIG', 'not-applied', `none of the addresses to join can be reached: ${reasons}`, { cause: failures.at(-1) })
  }

  // ── wiring ────────────────────────────────────────────────────────────────────────────────────

  #networkEvents(): NetworkEvents {
    return {
      frame: (from, bytes) => {
        this.#actors.codecOf(from).post({ type: 'frame', from, bytes }, [bytes.buffer as ArrayBuffer])
        this.#scheduleFlush()
      },
      peer: (id, up) => {
        this.#actors.storage.post({ type: 'peer', id, up })
        this.#actors.storage.flush()
      },
      adopt: (clusterId) => this.#alive(this.#actors.control.call('adopt', clusterId)),
    }
  }

  #listenToActors(): void {
    const { storage, codecs } = this.#actors
    storage.onWaiting(() => {
      for (const message of storage.receive()) this.#hearStorage(message)
    })
    for (const codec of codecs) {
      codec.onWaiting(() => {
        for (const message of codec.receive()) this.#hearCodec(message)
      })
    }
  }

  /** Frames of one event-loop turn go to the codec together. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => {
      this.#flushScheduled = false
      for (const codec of this.#actors.codecs) codec.flush()
    })
  }

  #hearStorage(message: StorageToNetwork): void {
    switch (message.type) {
      case 'applied':
        this.#writes.applied(message.batch, message.revisions)
        return
      case 'refused':
        this.#writes.refused(message.batch, message.error)
        return
      case 'readable':
        this.#reads?.readable(message.ids)
        return
      case 'readRefused':
        this.#reads?.refused(message.id, message.error)
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
      case 'changed':
        this.#changes.answered(message.id, message.answer)
        return
      case 'view':
        this.#network?.setPeers(message.peers)
        this.#views.show(message.view)
        return
      case 'failed':
        this.#fail(message.error)
        return
      default:
        unreachable(message)
    }
  }

  #hearCodec(message: CodecToNetwork): void {
    switch (message.type) {
      case 'frame':
        for (const id of message.to) this.#network?.send(id, message.bytes)
        return
      case 'malformed':
        this.#network?.disconnect(message.from, message.reason)
        return
      default:
        unreachable(message)
    }
  }

  #tick(): void {
    this.#actors.storage.post({ type: 'tick' })
    this.#actors.storage.flush()
    this.#writes.sweep()
    this.#reads?.sweep()
    this.#views.sweep()
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────

  async #read<T>(options: ReadOptions | undefined, read: (state: StateReader) => T): Promise<T> {
    this.#checkLive()
    if (this.#reads === null) throw this.#closedError('not-applied')
    return this.#reads.read(options, read)
  }

  #checkLive(): void {
    if (this.#life !== 'running') throw this.#closedError('not-applied')
  }

  #running(): Network {
    if (this.#network === null) throw this.#closedError('not-applied')
    return this.#network
  }

  // ── end ───────────────────────────────────────────────────────────────────────────────────────

  /** Rejects when the actors die before they answer; comlink would wait for ever. */
  #alive<T>(answer: Promise<T>): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return Promise.race([answer, this.#death])
  }

  #kill: (error: SkiffError) => void = () => undefined
  readonly #death: Promise<never> = new Promise((_, reject) => {
    this.#kill = reject
  })

  #died(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    const data = error instanceof SkiffError ? error.toData() : null
    this.#fail(data ?? new SkiffError('SKIFF_CRASHED', 'unknown', `an actor died: ${reason}`, { cause: error }).toData())
  }

  /** The first failure is the reason of all that follow. */
  #fail(data: SkiffErrorData): void {
    if (this.#failure !== null) return
    this.#failure = SkiffError.fromData(data)
    this.#kill(this.#failure)
    if (this.#life === 'running') void this.#stop('kill')
  }

  #stop(how: 'close' | 'kill'): Promise<void> {
    this.#stopping ??= this.#shutDown(how)
    return this.#stopping
  }

  async #shutDown(how: 'close' | 'kill'): Promise<void> {
    this.#life = 'closing'
    this.#clock?.stop()
    this.#rejectPending()
    this.#scans?.closeAll()
    await this.#state?.close()
    // It may be dead already, or die of it; either way it is at its end.
    const ended = this.#alive(this.#actors.control.call(how)).catch((error: unknown) => this.#noteFailure(error))
    await this.#network?.close()
    await ended
    await this.#actors.close()
    this.#life = 'stopped'
  }

  #noteFailure(error: unknown): void {
    this.#failure ??= error instanceof SkiffError ? error : new SkiffError('SKIFF_CRASHED', 'unknown', String(error), { cause: error })
  }

  #rejectPending(): void {
    this.#writes.failAll((outcome) => this.#closedError(outcome))
    this.#reads?.failAll((outcome) => this.#closedError(outcome))
    this.#watchers.failAll(this.#closedError('not-applied'))
    this.#views.failAll(this.#closedError('not-applied'))
  }

  #closedError(outcome: 'not-applied' | 'unknown'): SkiffError {
    if (this.#failure === null) return new SkiffError('SKIFF_CLOSED', outcome, 'the node is closed')
    const { code, message } = this.#failure
    return new SkiffError(code, outcome, message, { cause: this.#failure })
  }
}

/** The port it had last, if it still listens on the same host. */
function lastPort(address: string | null, host: string): number {
  if (address === null) return 0
  const at = address.lastIndexOf(':')
  const port = Number(address.slice(at + 1))
  return address === formatAddress(host, port) ? port : 0
}
