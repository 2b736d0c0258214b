/**
 * One member, in this process: the network actor, wired to the two others. It starts them, passes on what
 * they say, and stops them; what callers want of it is the client's matter (client/client.ts).
 */
import type { Control } from './actor/control.ts'
import { onExit } from './actor/exit.ts'
import { Actors } from './actors.ts'
import { formatAddress, lastPort } from './address.ts'
import { Backups } from './backup/online.ts'
import { Client } from './client/client.ts'
import { ForwardingStore } from './client/forwarding.ts'
import { neverStarted, type Outcome, type SkiffError } from './errors.ts'
import { Life } from './life.ts'
import type { PeerAddress } from './messages.ts'
import { type Clock, startClock } from './network/clock.ts'
import {
  type LocalIdentity,
  Network,
  type NetworkEvents,
  type ProbeOptions,
} from './network/network.ts'
import { checkBelonging, findSeed } from './network/seed.ts'
import { type BackupOptions, type ResolvedOptions, tickMs } from './options.ts'
import { BoardReader } from './storage/board.ts'
import { checkIsFinished, directoryAt, makeDirectory } from './storage/directory.ts'
import { DirectoryLock } from './storage/lock.ts'
import { StateReader } from './storage/reader.ts'
import type { OpenedNode, StorageControl } from './storage/service.ts'
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
  readonly #life = new Life(() => void this.kill())
  readonly #actors: Actors
  readonly #board: BoardReader
  readonly #backups: Backups
  #network: Network | null = null
  #state: StateReader | null = null
  #client: Client | null = null
  #clock: Clock | null = null
  #lock: DirectoryLock | null = null
  #identity: LocalIdentity | null = null
  #stateFound: string | null = null
  #stopping: Promise<void> | null = null
  readonly #forgetExit: () => void

  private constructor({ dir, options }: NodeSettings) {
    super()
    this.dir = dir
    this.#options = options
    this.#actors = new Actors(dir, options, (error) => this.#life.failed(error))
    this.#board = new BoardReader(this.#actors.board)
    this.#backups = new Backups(this, {
      control: this.#actors.control,
      clusterId: () => this.#identity?.clusterId ?? '',
      alive: (answer) => this.#life.unlessDead(answer),
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
      const { failure } = node.#life
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
    return this.#life.isRunning
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
      failure: this.#life.failure?.message ?? null,
    }
  }

  async snapshot(): Promise<number> {
    this.serving()
    return this.#backups.unlessEnded(this.#ask('snapshot'))
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
    if (this.#client === null || !this.isLive) throw this.#life.ended('not-applied')
    return this.#client
  }

  // ── start ─────────────────────────────────────────────────────────────────────────────────────

  async #start(settings: NodeSettings): Promise<void> {
    checkIsFinished(this.dir)
    makeDirectory(this.dir)
    this.#lock = DirectoryLock.take(this.dir)
    const opened = await this.#ask('open')
    const network = await this.#listen(settings, opened)
    const { nodeId, incarnation, ancestors, met } = opened
    const address = formatAddress(this.#options.advertisedHost, network.port)
    if (address !== opened.address) await this.#ask('listening', address)
    const founds = opened.isRestored || (opened.clusterId === null && settings.join === null)
    const clusterId = founds ? await this.#ask('bootstrap') : opened.clusterId
    this.#identity = { nodeId, incarnation, ancestors, address, clusterId }
    network.start(this.#identity, this.#networkEvents(), {
      adoptable: settings.join?.length === 0,
      met,
    })
    const seed = await this.#findSeed(settings, opened)
    const client = this.#openClient(opened)
    await this.#ask('start')
    this.#clock = startClock(tickMs, () => this.#tick())
    this.#life.run()
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
      await this.#ask('adopt', seed.clusterId)
      this.#identity.clusterId = seed.clusterId
    }
    return seed
  }

  /** Lest it tries again and again, under another incarnation each time. */
  #disown({ message }: SkiffError): Promise<void> {
    return this.#ask('disown', message)
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
      failed: (error) => this.#life.failed(error),
    })
    this.#actors.hearFrames({
      send: (to, bytes) => this.#network?.send(to, bytes),
      malformed: (from, reason) => this.#network?.disconnect(from, reason),
    })
    return this.#client
  }

  async #probe(address: string, options: ProbeOptions): Promise<PeerAddress> {
    try {
      const { nodeId, address: advertised } = await this.#running().probe(address, options)
      return { id: nodeId, address: advertised }
    } catch (error) {
      // The network only knows that it was closed, not why.
      throw this.#life.isOver ? this.#life.ended('not-applied') : error
    }
  }

  #networkEvents(): NetworkEvents {
    const { storage } = this.#actors
    return {
      frame: (from, bytes) => this.#actors.decode(from, bytes),
      peer: (id, up) => {
        storage.post({ type: 'peer', id, up })
        storage.flush()
      },
      adopt: (clusterId) => this.#ask('adopt', clusterId),
      meet: (node, incarnation) =>
        this.#ask('meet', node, incarnation).catch((error) => {
          // Nobody knows what the disk holds now.
          this.#life.failed(error)
          throw error
        }),
      disowned: (error) => {
        const failed = (): void => this.#life.failed(error)
        this.#disown(error).then(failed, failed)
      },
    }
  }

  #tick(): void {
    this.#actors.storage.post({ type: 'tick' })
    this.#actors.storage.flush()
    this.#client?.sweep()
    try {
      this.#lock?.pass(tickMs)
    } catch (error) {
      this.#life.failed(error)
    }
  }

  /** Storage's answer, unless an actor dies before. */
  readonly #ask: Control<StorageControl>['call'] = (name, ...args) =>
    this.#life.unlessDead(this.#actors.control.call(name, ...args))

  #running(): Network {
    if (this.#network === null) throw this.#life.ended('not-applied')
    return this.#network
  }

  // ── end ───────────────────────────────────────────────────────────────────────────────────────

  #stop(how: 'close' | 'kill', others: Promise<unknown>): Promise<void> {
    this.#stopping ??= this.#shutDown(how, others)
    return this.#stopping
  }

  async #shutDown(how: 'close' | 'kill', others: Promise<unknown>): Promise<void> {
    const handsOver = how === 'close' && this.leads
    this.#life.end()
    const release = (step: () => unknown): Promise<void> => this.#life.release(step)
    const ended = (outcome: Outcome): SkiffError => this.#life.ended(outcome)
    if (handsOver) {
      await release(() => this.#client?.stopAsking(ended))
      await release(() => others)
      await release(() => this.#ask('handOver'))
    }
    // At once, and in this order; only the last takes time.
    await Promise.all([
      release(() => this.#clock?.stop()),
      release(() => this.#client?.end(ended)),
      release(() => this.#state?.close()),
      release(() => this.#backups.end(ended('not-applied'))),
    ])
    // Dead already, or dying of it: either way at its end.
    const stored = release(() => this.#ask(how))
    await release(() => this.#network?.close())
    await stored
    await release(() => this.#actors.close())
    await release(() => this.#lock?.release())
    this.#forgetExit()
  }
}
