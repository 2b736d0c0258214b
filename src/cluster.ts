/** The public object: the local members of one cluster, and the store served by the first that lives. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ForwardingStore } from './client/forwarding.ts'
import { SkiffError } from './errors.ts'
import { LocalNode } from './node.ts'
import {
  type CallOptions,
  type ClusterOptions,
  type ResolvedOptions,
  resolveOptions,
  temporaryRoot,
  type WatchOptions,
} from './options.ts'
import { majority } from './raft/quorum.ts'
import type { Member } from './raft/types.ts'
import type { Cluster, ClusterStatus, Node, WatchEvent, Watcher } from './store.ts'

/**
 * Opens this process's part of a replicated key-value store: one member, or `nodes` of them. Resolves
 * when they take requests; after a restart that may be before there is a leader (`waitForLeader`).
 *
 * @throws TypeError for options of the wrong kind
 * @throws SkiffError `SKIFF_CONFIG` options that cannot work, a port or directory in use, nobody to join ·
 *   `SKIFF_UNAUTHORIZED` another secret · `SKIFF_MEMBERSHIP` another cluster · `SKIFF_STORAGE` a damaged
 *   directory. Nothing is left running.
 */
export async function createCluster(options?: ClusterOptions): Promise<Cluster> {
  const resolved = resolveOptions(options)
  const temporary = resolved.dir === null ? await mkdtemp(join(temporaryRoot(), 'skiff-')) : null
  const cluster = new LocalCluster(resolved, resolved.dir ?? temporary ?? '', temporary)
  try {
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

class LocalCluster extends ForwardingStore implements Cluster {
  readonly #options: ResolvedOptions
  readonly #dir: string
  /** Removed at close. */
  readonly #temporary: string | null
  readonly #nodes: LocalNode[] = []
  /** One at a time; settles with the last. */
  #restarting: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(options: ResolvedOptions, dir: string, temporary: string | null) {
    super()
    this.#options = options
    this.#dir = dir
    this.#temporary = temporary
  }

  /** The first founds or joins; the others join through it, unless their directories know better. */
  async start(): Promise<void> {
    const first = await this.#startNode(0, this.#options.port, this.#options.join)
    for (let n = 1; n < this.#options.nodes; n++) await this.#startNode(n, 0, [first.address])
  }

  get nodes(): readonly Node[] {
    return this.#nodes
  }

  override watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T> {
    return new MovingWatcher<T>(
      (from) => this.serving().watch<T>(prefix, { ...options, ...from }),
      () => this.#hasLive(),
      options,
    )
  }

  status(): ClusterStatus {
    const nodes = this.#nodes.map((node) => node.status())
    const status = nodes.find(({ role }) => role !== 'stopped') ?? nodes[0]
    if (status === undefined)
      throw new SkiffError('SKIFF_CLOSED', 'not-applied', 'no node was started')
    const voters = status.members.filter(({ role }) => role === 'voter').length
    return { ...status, nodes, toleratedFailures: Math.max(0, voters - majority(voters)) }
  }

  async waitForLeader(options?: CallOptions): Promise<string> {
    return this.serving().waitForLeader(options)
  }

  async members(options?: CallOptions): Promise<readonly Member[]> {
    return this.serving().members(options)
  }

  async addServer(address: string, options?: CallOptions): Promise<readonly Member[]> {
    return this.serving().addServer(address, options)
  }

  async removeServer(id: string, options?: CallOptions): Promise<readonly Member[]> {
    return this.serving().removeServer(id, options)
  }

  restart(id: string): Promise<Node> {
    const node = this.#restarting.then(() => this.#restart(id))
    // Whoever asked for it hears of its failure.
    this.#restarting = node.catch(() => undefined)
    return node
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #restart(id: string): Promise<Node> {
    const at = this.#nodes.findIndex((node) => node.id === id)
    const old = this.#nodes[at]
    if (old === undefined) throw new TypeError(`id: no local node is called ${id}`)
    if (old.isLive)
      throw new SkiffError('SKIFF_CONFIG', 'not-applied', `node ${id} is running; close it first`)
    if (this.#closing !== null)
      throw new SkiffError('SKIFF_CLOSED', 'not-applied', 'the cluster is closed')
    await old.close()
    const others = this.#nodes.filter((node) => node.isLive).map(({ address }) => address)
    const join = others.length > 0 ? others : null
    const node = await LocalNode.start({
      dir: old.dir,
      options: this.#options,
      port: portOf(old.address),
      join,
    })
    this.#nodes[at] = node
    return node
  }

  async #close(): Promise<void> {
    await this.#closeNodes()
    // One more may just have been started.
    await this.#restarting
    await this.#closeNodes()
    if (this.#temporary !== null) await rm(this.#temporary, { recursive: true, force: true })
  }

  async #closeNodes(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()))
  }

  async #startNode(n: number, port: number, join_: readonly string[] | null): Promise<LocalNode> {
    const dir = join(this.#dir, `node-${n + 1}`)
    const node = await LocalNode.start({ dir, options: this.#options, port, join: join_ })
    this.#nodes.push(node)
    return node
  }

  #hasLive(): boolean {
    return this.#nodes.some((node) => node.isLive)
  }

  protected override serving(): LocalNode {
    const live = this.#nodes.find((node) => node.isLive) ?? this.#nodes[0]
    if (live === undefined)
      throw new SkiffError('SKIFF_CLOSED', 'not-applied', 'the cluster is closed')
    return live
  }
}

/** Opens a watcher on a node that lives; without a revision it begins with the present. */
type OpenWatcher<T> = (from: { fromRevision?: number }) => Watcher<T>

/** A watcher that moves to another local node when its own stops, from the revision it had reached. */
class MovingWatcher<T> implements Watcher<T> {
  readonly ready: Promise<void>
  readonly #open: OpenWatcher<T>
  readonly #hasLive: () => boolean
  /** Old values are not in the log, so such a watcher cannot go on elsewhere without a gap. */
  readonly #previous: boolean
  #watcher: Watcher<T>
  /** It is known where it began, so that it can go on from there. */
  #begun: boolean
  #closed = false

  constructor(
    open: OpenWatcher<T>,
    hasLive: () => boolean,
    { fromRevision, previous = false }: WatchOptions = {},
  ) {
    this.#open = open
    this.#hasLive = hasLive
    this.#previous = previous
    this.#begun = fromRevision !== undefined
    this.#watcher = open({})
    this.ready = this.#become()
    // Whoever iterates sees the error there; it must not also count as unhandled here.
    this.ready.catch(() => undefined)
  }

  get revision(): number {
    return this.#watcher.revision
  }

  async next(): Promise<IteratorResult<WatchEvent<T>>> {
    for (;;) {
      const watcher = this.#watcher
      try {
        const result = await watcher.next()
        // Of several takers one is told why a watcher ended; the others go where that one goes.
        if (!result.done || watcher === this.#watcher) return result
      } catch (error) {
        this.#leave(watcher, error)
      }
    }
  }

  async return(): Promise<IteratorResult<WatchEvent<T>>> {
    await this.close()
    return { done: true, value: undefined }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#watcher.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #become(): Promise<void> {
    for (;;) {
      const watcher = this.#watcher
      try {
        await watcher.ready
        this.#begun = true
        return
      } catch (error) {
        this.#leave(watcher, error)
      }
    }
  }

  /** Moves on from a watcher that ended with `error`, or throws that. */
  #leave(watcher: Watcher<T>, error: unknown): void {
    if (!this.#mayMove(error)) throw error
    if (watcher !== this.#watcher) return
    this.#watcher = this.#open(this.#begun ? { fromRevision: watcher.revision + 1 } : {})
  }

  #mayMove(error: unknown): boolean {
    const stopped =
      error instanceof SkiffError &&
      ['SKIFF_CLOSED', 'SKIFF_CRASHED', 'SKIFF_STORAGE'].includes(error.code)
    return stopped && !this.#closed && !this.#previous && this.#hasLive()
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
