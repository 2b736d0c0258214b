/** Every option and every limit once: default, unit, meaning, check. */
import { resolve } from 'node:path'
import { bracketed, parseAddress, parseHost } from './address.ts'
import { checkFields, describe, integer, oneOf, text } from './checks.ts'
import { SkiffError } from './errors.ts'

/** The server that listens: uWebSockets.js or ws. */
export type Transport = 'uws' | 'ws'

export interface ClusterOptions {
  /** Data directory; made if missing. Omitted: a temporary one, removed at close. */
  dir?: string
  /** Members started in this process: 1 (default), or e.g. 3 for a whole cluster in one program. */
  nodes?: number
  /**
   * Worker threads per node. 2 (default): one for log and state machine, which codes short frames too, and one
   * that codes long ones. 1: long ones are coded on the main thread. n: n - 1 codec threads, peers spread over them.
   */
  workers?: number
  /**
   * `host:port` of the first node. Default: `127.0.0.1` and a free port, which is kept in `dir` and used
   * again at restart. Further nodes take free ports of the same host.
   */
  listen?: string
  /**
   * Host at which the others reach this process, where `listen` names none that they could dial, such as
   * 0.0.0.0 in a container. Default: the host of `listen`.
   */
  advertise?: string
  /**
   * Addresses of members of an existing cluster: the node enters that one instead of founding its own,
   * unless `dir` says it is a member already. They are tried until one answers, or `timeoutMs` has passed.
   * An empty array: wait until a member calls `addServer`.
   */
  join?: readonly string[]
  /** Shared secret. Peers without it are refused before anything they send is decoded. Default: none. */
  secret?: string
  /** Which server listens: uWebSockets.js, ws, or (default) uWebSockets.js where it loads, else ws. */
  transport?: 'auto' | Transport
  /** A leader makes itself heard this often, in milliseconds. Default 75. */
  heartbeatMs?: number
  /**
   * A follower that has heard of no leader for a random time in this range campaigns, in milliseconds.
   * Default [1000, 2000]: ten slow fsyncs and a busy machine must fit in. At least 4 × `heartbeatMs`.
   */
  electionTimeoutMs?: readonly [min: number, max: number]
  /** Deadline of every operation that names none itself, in milliseconds. Default 10000. */
  timeoutMs?: number
  /** Operations waiting for an answer, per node; beyond it `SKIFF_OVERLOADED`. Default 100000. */
  requestsMax?: number
  /**
   * How long what waits for an answer may need, at the pace at which answers come, in milliseconds; beyond it
   * `SKIFF_OVERLOADED`, before all wait too long. A few thousand may always wait. Default 250.
   */
  backlogMsMax?: number
  /** Bytes of writes waiting for an answer, per node; beyond it `SKIFF_OVERLOADED`. Default 64 MiB. */
  requestBytesMax?: number
  /** Bytes of a value once packed; beyond it `SKIFF_TOO_LARGE`. Default 1 MiB, at most 4 MiB. */
  valueBytesMax?: number
  /** Watchers per node; beyond it `SKIFF_OVERLOADED`. Default 1000. */
  watchersMax?: number
  /** Bytes of events a watcher may leave unread before it is ended. Default 4 MiB. */
  watcherBytesMax?: number
  /**
   * Bytes of log behind the newest snapshot at which another is taken, or the size of that one if it is more.
   * The log is kept back to the snapshot before. Default 64 MiB.
   */
  snapshotLogBytes?: number
  /** Free bytes on the disk of `dir` below which writes are refused. Default 256 MiB. */
  diskFreeBytesMin?: number
}

/** Options of one call. */
export interface CallOptions {
  /** Gives up with the signal's reason. A write already sent may still happen. */
  signal?: AbortSignal
  /** Deadline in milliseconds; default {@link ClusterOptions.timeoutMs}. */
  timeoutMs?: number
}

export interface WriteOptions extends CallOptions {}

/** Of a change of the members. */
export interface ChangeOptions<Plan extends boolean = false> extends CallOptions {
  /** `true`: changes nothing, and resolves with what it would come to. Default `false`. */
  plan?: Plan
}

export interface AddServerOptions<Plan extends boolean = false> extends ChangeOptions<Plan> {
  /**
   * `voter` (default): it enters as a learner and votes as soon as it has caught up, within one append of the
   * end of the log. `learner`: it receives everything and counts in no majority, for as long as it is not added
   * again as a voter.
   */
  role?: 'voter' | 'learner'
}

export interface ReadOptions extends CallOptions {
  /**
   * `linearizable` (default): sees every write acknowledged before the call, whichever node took it.
   * `stale`: what this node has applied, at once, without asking anyone.
   */
  consistency?: 'linearizable' | 'stale'
}

export interface ScanRange {
  /** Keys that begin with this string. */
  prefix?: string
  /** First key, included. */
  from?: string
  /** End, not included. */
  to?: string
  /** From the last key to the first. */
  reverse?: boolean
  /** Entries at most. */
  limit?: number
}

export interface WatchOptions {
  /** First revision wanted, at least 1. Omitted: whatever is applied after the watch began. */
  fromRevision?: number
  /** Also give the value before the change. Not together with `fromRevision`: the log keeps no old values. */
  previous?: boolean
  signal?: AbortSignal
}

/** Of what takes as long as there are bytes. */
export interface LongWorkOptions {
  /** Gives up with the signal's reason; what was begun is removed. */
  signal?: AbortSignal
  /** Called now and then with the bytes done, and how many there are in all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void
}

export interface BackupOptions extends LongWorkOptions {
  /** Takes the place of a file that is there already. Default false: it is refused. */
  overwrite?: boolean
  /**
   * `linearizable` (default): everything acknowledged before the call is in it, whichever node took it.
   * `stale`: what this node has applied, also without a leader.
   */
  consistency?: 'linearizable' | 'stale'
  /** Deadline of the question what was acknowledged, not of the copying; in milliseconds. */
  timeoutMs?: number
}

export interface RestoreOptions extends LongWorkOptions {
  /** Data directory of the new cluster, for `createCluster({ dir })`; made if missing, else it must be empty. */
  dir: string
  /**
   * Revisions left out, so that none is given out twice: the old cluster may have gone on after the backup, and who
   * watched it must not meet the same revisions with other changes. Default 1,000,000,000.
   */
  revisionBump?: number
}

export interface RecoverOptions {
  /** Gives up with the signal's reason; what was begun is removed. */
  signal?: AbortSignal
  /** Data directory of a new cluster to write; made if missing, else it must be empty. Omitted: nothing is written. */
  write?: string
  /** As in {@link RestoreOptions.revisionBump}. */
  revisionBump?: number
}

// ── Limits that are not options ─────────────────────────────────────────────────────────────────

/** Requests that may wait whatever the pace: a thousand callers or two are no overload of anything. */
export const backlogRequestsMin: number = 4_096
/** Bytes of a key in UTF-8. LMDB takes 1,978; the rest is kept for what may be put around keys. */
export const keyBytesMax: number = 1_024
/** Bytes a value may ever have: one command must fit into a frame with all that surrounds it. */
export const valueBytesCeiling: number = 4 * 2 ** 20
/** Bytes of one batch of commands, and so of one log entry. A single larger command makes its own. */
export const batchBytesMax: number = 2 ** 20
/** Commands in one batch, and in one transaction of the state: callers hear of some while others are being applied. */
export const batchCommandsMax: number = 256
/** Bytes of entries in one append, unless a single entry is larger. */
export const appendBytesMax: number = 2 ** 20
/** Entries in one append. */
export const appendEntriesMax: number = 128
/** Bytes of a snapshot in one message; the next one waits until it was answered. */
export const snapshotChunkBytes: number = 512 * 1_024
/** Appends on the way to one follower. A deeper window makes messages small (hashicorp/raft uses 2). */
export const appendsInFlightMax: number = 4
/** Bytes of one frame, whatever is in it; the listener closes links that exceed it. */
export const frameBytesMax: number = 8 * 2 ** 20
/** Bytes of a frame that storage codes itself, rather than wake a codec thread for it (codec/lane.ts). */
export const shortFrameBytesMax: number = 32 * 1_024
/** Bytes waiting in one link's socket; beyond it the link is dropped, and Raft sends again. */
export const linkBytesMax: number = 64 * 2 ** 20
/** Connections accepted at once from those who know the secret: links and probes. */
export const linksMax: number = 64
/** Connections accepted at once from those who have not proven it yet; for one more the oldest is closed. */
export const strangersMax: number = 256
/** From accepted socket to finished handshake. */
export const handshakeTimeoutMs: number = 5_000
/** Bytes the leader appends beyond what is committed; beyond it proposals wait. */
export const uncommittedBytesMax: number = 64 * 2 ** 20
/** Revisions left out by a restore, unless told otherwise. */
export const revisionBumpDefault: number = 1_000_000_000
/** Members of a cluster, learners included. */
export const membersMax: number = 7
/** Scans open at once per node; each pins the pages of its snapshot. */
export const scansMax: number = 64
/** A scan that is not finished by then is ended, so that it cannot make the file grow forever. */
export const scanAgeMsMax: number = 60_000
/** A leader that closes waits no longer for another to lead, nor longer than two election timeouts. */
export const handOverMsMax: number = 3_000
/** Time between ticks. Heartbeat and election timeout are rounded to whole ticks. */
export const tickMs: number = 25

/** Options with every default filled in and every value checked. */
export interface ResolvedOptions {
  readonly dir: string | null
  readonly nodes: number
  readonly workers: number
  readonly host: string
  /** Part of the address that peers are told. */
  readonly advertisedHost: string
  /** 0: any free port, or the one kept in the directory. */
  readonly port: number
  readonly join: readonly string[] | null
  readonly secret: string
  readonly transport: 'auto' | Transport
  readonly heartbeatTicks: number
  readonly electionTicksMin: number
  readonly electionTicksMax: number
  readonly timeoutMs: number
  readonly requestsMax: number
  readonly backlogMsMax: number
  readonly requestBytesMax: number
  readonly valueBytesMax: number
  readonly watchersMax: number
  readonly watcherBytesMax: number
  readonly diskFreeBytesMin: number
  readonly snapshotLogBytes: number
}

const clusterFields = [
  'dir',
  'nodes',
  'workers',
  'listen',
  'advertise',
  'join',
  'secret',
  'transport',
  'heartbeatMs',
  'electionTimeoutMs',
  'timeoutMs',
  'requestsMax',
  'backlogMsMax',
  'requestBytesMax',
  'valueBytesMax',
  'watchersMax',
  'watcherBytesMax',
  'diskFreeBytesMin',
  'snapshotLogBytes',
] as const satisfies readonly (keyof ClusterOptions)[]
export const callFields: readonly string[] = ['signal', 'timeoutMs']
export const changeFields: readonly string[] = [...callFields, 'plan']
export const addServerFields: readonly string[] = [...changeFields, 'role']
export const readFields: readonly string[] = [...callFields, 'consistency']
export const scanFields: readonly string[] = ['prefix', 'from', 'to', 'reverse', 'limit']
export const watchFields: readonly string[] = ['fromRevision', 'previous', 'signal']
const longWorkFields: readonly string[] = ['signal', 'onProgress']
export const backupFields: readonly string[] = [
  ...longWorkFields,
  'overwrite',
  'consistency',
  'timeoutMs',
]
export const offlineBackupFields: readonly string[] = [...longWorkFields, 'overwrite']
export const restoreFields: readonly string[] = [...longWorkFields, 'dir', 'revisionBump']
export const recoverFields: readonly string[] = ['signal', 'write', 'revisionBump']

/**
 * @throws TypeError for values of the wrong kind, also for null, and for options that do not exist
 * @throws SkiffError `SKIFF_CONFIG` for values that cannot work together
 */
export function resolveOptions(options: ClusterOptions = {}): ResolvedOptions {
  checkFields(options, 'options', clusterFields)
  const { dir, secret, join, listen = '127.0.0.1:0', advertise, transport = 'auto' } = options
  const { heartbeatMs: heartbeat = 75, electionTimeoutMs = [1_000, 2_000] } = options
  const { host, port } = parseAddress(listen, 'listen')
  const heartbeatMs = integer(heartbeat, 'heartbeatMs', tickMs, 60_000)
  const [min, max] = electionRange(electionTimeoutMs, heartbeatMs)
  return {
    dir: dir === undefined ? null : resolve(text(dir, 'dir')),
    host,
    advertisedHost: advertisedHost(advertise, host),
    port,
    join: join === undefined ? null : addresses(join, 'join'),
    secret: secret === undefined ? '' : text(secret, 'secret'),
    transport: oneOf(transport, 'transport', ['auto', 'uws', 'ws']),
    heartbeatTicks: ticks(heartbeatMs),
    electionTicksMin: ticks(min),
    electionTicksMax: ticks(max),
    ...resolveLimits(options),
  }
}

function resolveLimits({
  nodes = 1,
  workers = 2,
  timeoutMs = 10_000,
  requestsMax = 100_000,
  backlogMsMax = 250,
  requestBytesMax = 64 * 2 ** 20,
  valueBytesMax = 2 ** 20,
  watchersMax = 1_000,
  watcherBytesMax = 4 * 2 ** 20,
  diskFreeBytesMin = 256 * 2 ** 20,
  snapshotLogBytes = 64 * 2 ** 20,
}: ClusterOptions) {
  return {
    nodes: integer(nodes, 'nodes', 1, membersMax),
    workers: integer(workers, 'workers', 1, 16),
    timeoutMs: integer(timeoutMs, 'timeoutMs', 1, 2 ** 31 - 1),
    requestsMax: integer(requestsMax, 'requestsMax', 1, 10_000_000),
    backlogMsMax: integer(backlogMsMax, 'backlogMsMax', 1, 2 ** 31 - 1),
    requestBytesMax: integer(requestBytesMax, 'requestBytesMax', 1, 2 ** 40),
    valueBytesMax: integer(valueBytesMax, 'valueBytesMax', 1, valueBytesCeiling),
    watchersMax: integer(watchersMax, 'watchersMax', 0, 1_000_000),
    watcherBytesMax: integer(watcherBytesMax, 'watcherBytesMax', 1, 2 ** 40),
    diskFreeBytesMin: integer(diskFreeBytesMin, 'diskFreeBytesMin', 0, 2 ** 50),
    snapshotLogBytes: integer(snapshotLogBytes, 'snapshotLogBytes', 1, 2 ** 50),
  }
}

function advertisedHost(advertise: string | undefined, host: string): string {
  const named = advertise === undefined ? bracketed(host) : text(advertise, 'advertise')
  const advertised = parseHost(named, 'advertise')
  if (!['0.0.0.0', '::'].includes(advertised)) return advertised
  throw new SkiffError(
    'SKIFF_CONFIG',
    'not-applied',
    `listen: no peer can dial ${advertised}; set \`advertise\` to a host they can dial`,
  )
}

function ticks(ms: number): number {
  return Math.max(1, Math.round(ms / tickMs))
}

function electionRange(range: unknown, heartbeatMs: number): [number, number] {
  if (!Array.isArray(range) || range.length !== 2) {
    throw new TypeError('electionTimeoutMs: expected [min, max] in milliseconds')
  }
  const min = integer(range[0], 'electionTimeoutMs[0]', 1, 600_000)
  const max = integer(range[1], 'electionTimeoutMs[1]', 1, 600_000)
  // Fewer heartbeats per timeout and a single lost one would depose a healthy leader.
  if (min < 4 * heartbeatMs || max < 1.5 * min) {
    throw new SkiffError(
      'SKIFF_CONFIG',
      'not-applied',
      `electionTimeoutMs [${min}, ${max}]: min must be at least 4 × heartbeatMs (${heartbeatMs}), max at least 1.5 × min`,
    )
  }
  return [min, max]
}

function addresses(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`${name}: expected an array of 'host:port', got ${describe(value)}`)
  }
  for (const address of value) parseAddress(address, name)
  return value
}
