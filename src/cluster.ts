/** The public object: the local nodes of one cluster, and the store served by the first fit to. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAddress } from './address.ts'
import { ForwardingStore } from './client/forwarding.ts'
import { MovingWatcher } from './client/moving-watcher.ts'
import { summaryOf } from './client/plan.ts'
import { SkiffError } from './errors.ts'
import { LocalNode } from './node.ts'
import {
  type BackupOptions,
  type ClusterOptions,
  type ResolvedOptions,
  resolveOptions,
  type WatchOptions,
} from './options.ts'
import type { Backup, Cluster, ClusterStatus, Node, Watcher } from './store.ts'

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
  const dir = resolved.dir ?? (await mkdtemp(join(tmpdir(), 'skiff-')))
  const cluster = new LocalCluster(resolved, dir, { removeAtClose: resolved.dir === null })
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
  readonly #removeAtClose: boolean
  readonly #nodes: LocalNode[] = []
  /** One at a time; settles with the last. */
  #restarting: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(
    options: ResolvedOptions,
    dir: string,
    { removeAtClose }: { readonly removeAtClose: boolean },
  ) {
    super()
    this.#options = options
    this.#dir = dir
    this.#removeAtClose = removeAtClose
  }

  /** The first founds or joins; the others join through it, unless their directories know better. */
  async start(): Promise<void> {
    const first = await this.#startNode(0, this.#options.port, this.#options.join)
    for (let n = 1; n < this.#options.nodes; n++) await this.#startNode(n, 0, [first.address])
  }

  get nodes(): readonly Node[] {
    return this.#nodes
  }

  async snapshot(): Promise<void> {
    const live = this.#nodes.filter(({ isLive }) => isLive)
    // Of none the one that serves tells why there is none.
    const taking = live.length > 0 ? live : [this.serving()]
    await Promise.all(taking.map((node) => node.snapshot()))
  }

  async backup(file: string, options?: BackupOptions): Promise<Backup> {
    return this.serving().backup(file, options)
  }

  override watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T> {
    return new MovingWatcher<T>(
      (from) => this.serving().watch<T>(prefix, { ...options, ...from }),
      {
        hasLive: () => this.#nodes.some((node) => node.isLive),
        hasLiveMember: () => this.#nodes.some((node) => node.isLiveMember),
      },
      options,
    )
  }

  status(): ClusterStatus {
    const nodes = this.#nodes.map((node) => node.status())
    const status = this.serving().status()
    const { toleratedFailures } = summaryOf(status.members)
    return { ...status, nodes, toleratedFailures }
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
      port: parseAddress(old.address, 'address').port,
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
    if (this.#removeAtClose) await rm(this.#dir, { recursive: true, force: true })
  }

  async #closeNodes(): Promise<void> {
    // Followers before their leader: it is to hand over to another process, or to nobody.
    const followers = this.#nodes.filter((node) => !node.leads).map((node) => node.close())
    const closed = Promise.all(followers)
    const leaders = this.#nodes.filter((node) => node.leads).map((node) => node.close(closed))
    await Promise.all([closed, ...leaders])
  }

  async #startNode(n: number, port: number, seeds: readonly string[] | null): Promise<LocalNode> {
    const dir = join(this.#dir, `node-${n + 1}`)
    const node = await LocalNode.start({ dir, options: this.#options, port, join: seeds })
    this.#nodes.push(node)
    return node
  }

  protected override serving(): LocalNode {
    const node =
      this.#nodes.find((one) => one.isLiveMember) ??
      this.#nodes.find((one) => one.isLive) ??
      this.#nodes[0]
    if (node === undefined)
      throw new SkiffError('SKIFF_CLOSED', 'not-applied', 'no node was started')
    return node
  }
}
