/// <reference lib="esnext.disposable" preserve="true" />
/** The public shapes: what a program that imports this package sees and holds. */
import type { LinkStatus } from './network/link.ts'
import type {
  AddServerOptions,
  BackupOptions,
  CallOptions,
  ChangeOptions,
  ReadOptions,
  ScanRange,
  Transport,
  WatchOptions,
  WriteOptions,
} from './options.ts'
import type { Member, RoleName } from './raft/types.ts'

export type { LinkStatus } from './network/link.ts'

/** A key with its value and history. Revisions count the changes of the whole store: 1, 2, 3 … */
export interface Entry<T = unknown> {
  readonly key: string
  readonly value: T
  /** Revision of the put that made the key (since it was last deleted). */
  readonly createRevision: number
  /** Revision of the put that wrote this value. */
  readonly modRevision: number
  /** Puts since the key was made: 1, 2, 3 … */
  readonly version: number
}

export type WatchEvent<T = unknown> =
  | {
      readonly type: 'put'
      readonly key: string
      readonly value: T
      readonly revision: number
      /** The value before, if there was one and `previous` was asked for. */
      readonly previous?: T
    }
  | {
      readonly type: 'delete'
      readonly key: string
      readonly revision: number
      readonly previous?: T
    }

/**
 * Changes below a prefix: each once, in order of their revisions, until `close` or `break`. It goes on by
 * itself when its node loses the leader. Iteration throws `SKIFF_SLOW_WATCHER` or `SKIFF_COMPACTED` when
 * events would be missed, `SKIFF_MEMBERSHIP` when its node was removed; the error carries the revision to go on from.
 */
export interface Watcher<T = unknown>
  extends AsyncIterableIterator<WatchEvent<T>>,
    AsyncDisposable {
  /** Resolves once the watch is in place: every later change will be seen. */
  readonly ready: Promise<void>
  /** Every change up to here was delivered: `fromRevision: watcher.revision + 1` goes on. */
  readonly revision: number
  close(): Promise<void>
}

/** The operations; each works on the leader and on every other node alike. */
export interface Store {
  /**
   * Stores a value: anything msgpack carries. Resolves when the write is on the disks of a majority
   * and applied here.
   * @throws TypeError for keys and values that cannot be stored
   */
  put(key: string, value: unknown, options?: WriteOptions): Promise<{ revision: number }>
  /** The value, or `undefined`. Linearizable unless asked otherwise. */
  get<T = unknown>(key: string, options?: ReadOptions): Promise<T | undefined>
  /** The value with its revisions, or `undefined`. */
  entry<T = unknown>(key: string, options?: ReadOptions): Promise<Entry<T> | undefined>
  /** Removes a key; says whether it existed. */
  delete(key: string, options?: WriteOptions): Promise<boolean>
  /** Keys that begin with `prefix`, in order of their UTF-8 bytes; '' (default) lists all. */
  keys(prefix?: string, options?: ReadOptions): Promise<string[]>
  /** Namespaces that hold at least one key directly, sorted: `a/b/` holds `a/b/c`; '' holds `c`. */
  prefixes(options?: ReadOptions): Promise<string[]>
  /** Entries in key order, read from one consistent snapshot, page by page as you iterate. */
  scan<T = unknown>(range?: ScanRange, options?: ReadOptions): AsyncIterableIterator<Entry<T>>
  /** Puts and deletes of keys that begin with `prefix`. */
  watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T>
}

/** Who belongs to the cluster, asked and changed at any of its members. */
export interface Membership {
  /** Resolves with the leader's id as soon as one is known. */
  waitForLeader(options?: CallOptions): Promise<string>
  members(options?: CallOptions): Promise<readonly Member[]>
  /**
   * Makes the server at `address` a member: it enters as a learner and votes once it has caught up; as
   * `role: 'learner'` it stays one. Resolves with the members when it is what it was to be. It must be running
   * and belong to no other cluster. Of a member it changes the role.
   * @throws SkiffError `SKIFF_MEMBERSHIP` it would cost the quorum, or cannot be · `SKIFF_TIMEOUT`
   */
  addServer<Plan extends boolean = false>(
    address: string,
    options?: AddServerOptions<Plan>,
  ): Promise<Changed<Plan>>
  /**
   * Removes a member; also the leader, which hands over first. Resolves with the members that are left when the
   * removed one counts nowhere any more, and may be stopped. Whoever is no member may be removed, too.
   * @throws SkiffError `SKIFF_MEMBERSHIP` it would cost the quorum, or is the last voter · `SKIFF_TIMEOUT`
   */
  removeServer<Plan extends boolean = false>(
    id: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>>
  /**
   * Puts the server at `address` in the place of member `id`, in one change: it enters as a learner and is
   * caught up, then the two are swapped. In between the cluster is what it was. Resolves with the members then.
   * @throws SkiffError as `addServer`
   */
  replaceServer<Plan extends boolean = false>(
    id: string,
    address: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>>
  /**
   * Has this voter lead, or, without `to`, any other than the leader: the one that has caught up most. Resolves
   * when it leads. Calls wait meanwhile, for a few milliseconds, and none of them fails.
   * @throws SkiffError `SKIFF_MEMBERSHIP` when it does not vote, or does not answer
   */
  transferLeadership(to?: string, options?: CallOptions): Promise<void>
}

/** The members then; with `plan: true`, what it would come to. */
export type Changed<Plan extends boolean> = Plan extends true ? MembershipPlan : readonly Member[]

/** What a change of the members would come to. */
export interface MembershipPlan {
  readonly before: MembershipSummary
  /** As before, where it would be refused. */
  readonly after: MembershipSummary
  /** Why it would be refused; `null`: it would be done. */
  readonly refused: string | null
}

export interface MembershipSummary {
  readonly members: readonly Member[]
  /** How many of them vote. */
  readonly voters: number
  /** How many votes it takes to decide anything. */
  readonly quorum: number
  /** Voters that may fail while the cluster goes on: the rest. */
  readonly toleratedFailures: number
}

/** What a node knows of its own state, which is compared with those of the others, and with what was written. */
export interface StateStatus {
  /** How often it was found to be wrong since the node was started, and made anew. */
  readonly repairs: number
  /** It is lost: the node serves no reads and cannot lead until a snapshot has come from the leader. */
  readonly lost: boolean
  /** What was found last. */
  readonly reason: string | null
}

export interface NodeStatus {
  readonly id: string
  readonly address: string
  /** `stopped` after close, or after the node stopped itself; see `failure`. */
  readonly role: RoleName | 'stopped'
  readonly term: number
  readonly leaderId: string | null
  readonly members: readonly Member[]
  readonly commitIndex: number
  readonly appliedIndex: number
  /** Of the log: entries before it are in the snapshot only. */
  readonly firstIndex: number
  readonly lastIndex: number
  /** Revision of the newest change applied here. */
  readonly revision: number
  /** The last entry that the newest snapshot stands for; 0: none was taken yet. */
  readonly snapshotIndex: number
  readonly state: StateStatus
  /** The server that listens: uWebSockets.js, or ws where that does not load. */
  readonly transport: Transport
  readonly workers: number
  /** Operations and bytes waiting for an answer. */
  readonly pending: { readonly requests: number; readonly bytes: number }
  /** Links to the other members. */
  readonly links: readonly LinkStatus[]
  /** Why the node stopped itself. */
  readonly failure: string | null
}

export interface ClusterStatus extends NodeStatus {
  /** Of every local node, in the order they were started. */
  readonly nodes: readonly NodeStatus[]
  /** Members that may fail while the cluster goes on. 0 for one member, and for two. */
  readonly toleratedFailures: number
}

/** What a backup holds. */
export interface Backup {
  /** Of the cluster it was taken of; a restored one gets another. Empty: it was restored itself, and never started. */
  readonly clusterId: string
  /** The node that took it. */
  readonly nodeId: string
  /** The last entry of the log that is in it, and the term of that. */
  readonly index: number
  readonly term: number
  /** Revision of the newest change in it. */
  readonly revision: number
  readonly keys: number
  /** Size and SHA-256 (hexadecimal) of the state in it. */
  readonly bytes: number
  readonly sha256: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
  /** The members then; for information. */
  readonly members: readonly Member[]
}

/** One member, in this process. */
export interface Node extends Store, Membership, AsyncDisposable {
  readonly id: string
  readonly address: string
  /** Where its files are. */
  readonly dir: string
  status(): NodeStatus
  /**
   * Takes a snapshot now, whatever `snapshotLogBytes` says. Resolves with the index of its last entry, once it
   * is on the disk.
   */
  snapshot(): Promise<number>
  /**
   * Writes a backup to `file` while it serves: everything acknowledged before the call is in it. It is made aside, synced,
   * and then gets its name. Takes a snapshot on the way, as `snapshot` does. Read again by `restore`.
   * @throws SkiffError `SKIFF_CONFIG` the file is there, or cannot be made there · `SKIFF_NO_LEADER`, `SKIFF_TIMEOUT`
   *   nobody can tell what was acknowledged · `SKIFF_STORAGE` no room, or a damaged disk
   */
  backup(file: string, options?: BackupOptions): Promise<Backup>
  /** Stops this member; the others go on. A leader hands over first, if another can lead. Idempotent. */
  close(): Promise<void>
  /** Stops it as a crash would: nothing is handed over, answered, flushed or marked clean. For drills. */
  kill(): Promise<void>
}

/**
 * The local nodes of one cluster, and the store itself, served by the first of them that lives and was not
 * removed.
 */
export interface Cluster extends Store, Membership, AsyncDisposable {
  readonly nodes: readonly Node[]
  /** Of the node that serves, and of all. */
  status(): ClusterStatus
  /** Has every live local member take a snapshot now; resolves when all are on the disk. */
  snapshot(): Promise<void>
  /** As {@link Node.backup}, of the node that serves. */
  backup(file: string, options?: BackupOptions): Promise<Backup>
  /**
   * Starts a local member again from its directory, after it was closed or stopped itself. It takes the
   * place of the old one in `nodes`.
   */
  restart(id: string): Promise<Node>
  /** Stops every local member. Idempotent; nothing of ours is left running. */
  close(): Promise<void>
}
