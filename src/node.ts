/**
 * One member, in this process: the network actor, wired to the two others. It starts them, passes on what
 * they say, and stops them; what callers want of it is the client's matter (client/client.ts).
 */
import { onExit } from './actor/exit.ts'
import { Actors } from './actors.ts'
import { formatAddress, lastPort } from './address.ts'
import { Backups } from './backup/online.ts'
import { Client } from './client/client.ts'
import { ForwardingStore } from './client/forwarding.ts'
import { errorFromData, failureOf, neverStarted, type Outcome, SkiffError } from './errors.ts'
import type { CodecToNetwork, PeerAddress } from './messages.ts'
import { type Clock, startClock } from './network/clock.ts'
import {
  type LocalIdentity,
  Network,
  type NetworkEvents,
  type ProbeOptions,
} from './network/network.ts'
import { checkBelonging, findSeed } from './network/seed.ts'
import { type BackupOptions, type ResolvedOptions, tickMs } from './options.ts'
import { unreachable } from './raft/assert.ts'
import { BoardReader } from './storage/board.ts'
import { checkIsFinished, directoryAt, makeDirectory } from './storage/directory.ts'
import { DirectoryLock } from './storage/lock.ts'
import { StateReader } from './storage/reader.ts'
import type { OpenedNode } from './storage/service.ts'
import type { Backup, Node, NodeStatus } from './store.ts'

export interface NodeSettings {
  readonly dir: string
  readonly options: ResolvedOptions
  /** 0: the port it had last, or any free one. */
  readonly port: number
  /** `null`: found a cluster, unless the directory belongs to one. */
  readonly join: readonly string[] | null
}

export class LocalNode extends ForwardingStore implements Node {
  readonly dir: string
  readonly #options: ResolvedOptions
  readonly #actors: Actors
  readonly #board: BoardReader
  readonly #backups: Backups
  #network: Network | null = null
  #state: StateReader | null = null
  #client: Client | null = null
  #clock: Clock | null = null
  #lock: DirectoryLock | null = null
  #identity: LocalIdentity | null = null
  #life: 'starting' | 'running' | 'stopped' = 'starting'
  #failure: SkiffError | null = null
  #stateFound: string | null = null
  #stopping: Promise<void> | null = null
  #flushScheduled = false
  #die: (error: SkiffError) => void = () => undefined
  readonly #forgetExit: () => void
  /** Rejects with the first failure of an actor; never resolves. */
  readonly #death: Promise<never>

  private constructor({ dir, options }: NodeSettings) {
    super()
    this.dir = dir
    this.#options = options
    this.#death = new Promise((_, reject) => {
      this.#die = reject
    })
    // Nobody may be waiting when it happens.
    this.#death.catch(() => undefined)
    this.#actors = new Actors(dir, options, (error) => this.#failed(failureOf(error)))
    this.#board = new BoardReader(this.#actors.board)
    this.#backups = new Backups(this, {
      control: this.#actors.control,
      clusterId: () => this.#identity?.clusterId ?? '',
      alive: (answer) => this.#alive(answer),
    })
    this.#forgetExit = onExit(() => this.#board.halt())
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
      await node.kill()
      throw failure === null ? error : neverStarted(failure)
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

  /** It lives, and as far as it knows it belongs to the cluster. */
  get isLiveMember(): boolean {
    if (!this.isLive || this.#client === null) return false
    const { id } = this
    return this.#client.views.view.members.some((member) => member.id === id)
  }

  status(): NodeStatus {
    const view = this.#client?.views.view
    const { term, commitIndex, appliedIndex, revision, ...rest } = this.#board.read()
    const { firstIndex, lastIndex, snapshotIndex, repairs, stateBad } = rest
    return {
      id: this.id,
      address: this.address,
      role: this.isLive && view !== undefined ? view.role : 'stopped',
      term,
      leaderId: this.isLive ? (view?.leaderId ?? null) : null,
      members: view?.members ?? [],
      commitIndex,
      appliedIndex,
      firstIndex,
      lastIndex,
      revision,
      snapshotIndex,
      state: { repairs, lost: stateBad === 1, reason: this.#stateFound },
      transport: this.#network?.transport ?? 'ws',
      workers: this.#options.workers,
      pending: this.#client?.pending ?? { requests: 0, bytes: 0 },
      links: this.#network?.links() ?? [],
      failure: this.#failure?.message ?? null,
    }
  }

  async snapshot(): Promise<number> {
    this.serving()
    return this.#backups.unlessEnded(this.#alive(this.#actors.control.call('snapshot')))
  }

  async backup(file: string, options?: BackupOptions): Promise<Backup> {
    this.serving()
    return this.#backups.run(file, options)
  }

  /** As far as is known on this thread. */
  get leads(): boolean {
    return this.isLive && this.#client?.views.view.role === 'leader'
  }

  /** `others`: what ends before leadership is handed over, so that it is not handed to them. */
  close(others: Promise<unknown> = Promise.resolve()): Promise<void> {
    return this.#stop('close', others)
  }

  kill(): Promise<void> {
    return this.#stop('kill', Promise.resolve())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected override serving(): Client {
    if (this.#client === null || !this.isLive) throw this.#ended('not-applied')
    return this.#client
  }

  // ── start ─────────────────────────────────────────────────────────────────────────────────────

  async #start(settings: NodeSettings): Promise<void> {
    const { control } = this.#actors
    checkIsFinished(this.dir)
    makeDirectory(this.dir)
    this.#lock = DirectoryLock.take(this.dir)
    const opened = await this.#alive(control.call('open'))
    const network = await this.#listen(settings, opened)
    const { nodeId, incarnation, ancestors, met } = opened
    const address = formatAddress(this.#options.advertisedHost, network.port)
    if (address !== opened.address) await this.#alive(control.call('listening', address))
    const founds = opened.isRestored || (opened.clusterId === null && settings.join === null)
    const clusterId = founds ? await this.#alive(control.call('bootstrap')) : opened.clusterId
    this.#identity = { nodeId, incarnation, ancestors, address, clusterId }
    network.start(this.#identity, this.#networkEvents(), {
      adoptable: settings.join?.length === 0,
      met,
    })
    const seed = await this.#findSeed(settings, opened)
    const client = this.#openClient(opened)
    await this.#alive(control.call('start'))
    this.#clock = startClock(tickMs, () => this.#tick())
    this.#life = 'running'
    if (seed !== null) await client.join(nodeId, address, seed)
    if (founds) await client.waitForLeader()
  }

  async #listen({ port }: NodeSettings, opened: OpenedNode): Promise<Network> {
    const { host, advertisedHost, secret, transport } = this.#options
    const wanted = port === 0 ? lastPort(opened.address, advertisedHost) : port
    this.#network = await Network.listen({ host, port: wanted, secret, transport })
    return this.#network
  }

  /**
   * The member to ask for admission, whose cluster it enters on the way; `null` if there is no need to. Who
   * was a member once, or founds of what was restored, does not: if it was removed, that was meant.
   */
  async #findSeed({ join }: NodeSettings, opened: OpenedNode): Promise<PeerAddress | null> {
    if (opened.wasMember || opened.isRestored) {
      const others = opened.members.filter(({ id }) => id !== opened.nodeId)
      await checkBelonging(this.#running(), join ?? [], others, (error) => this.#disown(error))
      return null
    }
    if (join === null || join.length === 0) return null
    const seed = await findSeed(this.#running(), join, this.#options.timeoutMs)
    if (this.#identity?.clusterId === null) {
      await this.#alive(this.#actors.control.call('adopt', seed.clusterId))
      this.#identity.clusterId = seed.clusterId
    }
    return seed
  }

  /** Lest it tries again and again, under another incarnation each time. */
  #disown({ message }: SkiffError): Promise<void> {
    return this.#alive(this.#actors.control.call('disown', message))
  }

  // ── wiring ────────────────────────────────────────────────────────────────────────────────────

  #openClient({ stateGeneration }: OpenedNode): Client {
    const directory = directoryAt(this.dir)
    this.#state = new StateReader(directory.state(stateGeneration))
    this.#board.reads(stateGeneration)
    this.#client = new Client({
      port: this.#actors.storage,
      options: this.#options,
      board: this.#board,
      state: this.#state,
      probe: (address, options) => this.#probe(address, options),
      stateReplaced: (generation) => this.#state?.replace(directory.state(generation)) ?? false,
      stateFound: (reason) => {
        this.#stateFound = reason
      },
      peersChanged: (peers, forgetful) => {
        this.#network?.setPeers(peers)
        for (const id of forgetful) this.#network?.disown(id)
      },
      failed: (error) => this.#failed(errorFromData(error)),
    })
    for (const codec of this.#actors.codecs) {
      codec.onWaiting(() => {
        for (const message of codec.receive()) this.#hearCodec(message)
      })
    }
    return this.#client
  }

  async #probe(address: string, options: ProbeOptions): Promise<PeerAddress> {
    try {
      const { nodeId, address: advertised } = await this.#running().probe(address, options)
      return { id: nodeId, address: advertised }
    } catch (error) {
      // The network only knows that it was closed, not why.
      throw this.#life === 'stopped' ? this.#ended('not-applied') : error
    }
  }

  #networkEvents(): NetworkEvents {
    const { storage, control } = this.#actors
    return {
      frame: (from, bytes) => {
        const codec = this.#actors.codecOf(from)
        codec.post({ type: 'frame', from, bytes }, [bytes.buffer as ArrayBuffer])
        this.#scheduleFlush()
      },
      peer: (id, up) => {
        storage.post({ type: 'peer', id, up })
        storage.flush()
      },
      adopt: (clusterId) => this.#alive(control.call('adopt', clusterId)),
      meet: (node, incarnation) =>
        this.#alive(control.call('meet', node, incarnation)).catch((error) => {
          // Nobody knows what the disk holds now.
          this.#failed(failureOf(error))
          throw error
        }),
      disowned: (error) => {
        const failed = (): void => this.#failed(error)
        this.#disown(error).then(failed, failed)
      },
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
    this.#client?.sweep()
    try {
      this.#lock?.pass(tickMs)
    } catch (error) {
      this.#failed(failureOf(error))
    }
  }

  #running(): Network {
    if (this.#network === null) throw this.#ended('not-applied')
    return this.#network
  }

  // ── end ───────────────────────────────────────────────────────────────────────────────────────

  /** Rejects when an actor dies before it answers; comlink alone would wait forever. */
  #alive<T>(answer: Promise<T>): Promise<T> {
    return Promise.race([this.#death, answer])
  }

  /** The first failure is the reason of all that follow. */
  #failed(error: SkiffError): void {
    if (this.#failure !== null || this.#life === 'stopped') return
    this.#failure = error
    this.#die(error)
    // While starting, whoever starts us hears of it.
    if (this.#life === 'running') void this.kill()
  }

  #stop(how: 'close' | 'kill', others: Promise<unknown>): Promise<void> {
    this.#stopping ??= this.#shutDown(how, others)
    return this.#stopping
  }

  async #shutDown(how: 'close' | 'kill', others: Promise<unknown>): Promise<void> {
    const handsOver = how === 'close' && this.leads
    this.#life = 'stopped'
    if (handsOver) {
      await this.#release(() => this.#client?.stopAsking((outcome) => this.#ended(outcome)))
      await this.#release(() => others)
      await this.#release(() => this.#alive(this.#actors.control.call('handOver')))
    }
    // At once, and in this order; only the last takes time.
    await Promise.all([
      this.#release(() => this.#clock?.stop()),
      this.#release(() => this.#client?.end((outcome) => this.#ended(outcome))),
      this.#release(() => this.#state?.close()),
      this.#release(() => this.#backups.end(this.#ended('not-applied'))),
    ])
    // Dead already, or dying of it: either way at its end.
    const stored = this.#release(() => this.#alive(this.#actors.control.call(how)))
    await this.#release(() => this.#network?.close())
    await stored
    await this.#release(() => this.#actors.close())
    await this.#release(() => this.#lock?.release())
    this.#forgetExit()
  }

  /** Whatever one step throws, the others follow, and status() says why. */
  async #release(step: () => unknown): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.#failure ??= failureOf(error)
    }
  }

  /** What callers are told who come, or still wait, when we have stopped. */
  #ended(outcome: Outcome): SkiffError {
    if (this.#failure === null) return new SkiffError('SKIFF_CLOSED', outcome, 'the node is closed')
    const { code, message } = this.#failure
    return new SkiffError(code, outcome, message, { cause: this.#failure })
  }
}
