/** Reads a backup from end to end and says what is in it. */
export { checkBackup } from './backup/file.ts'
/** Backs up a cluster that does not run, from its directory. */
export { backup } from './backup/offline.ts'
/** Tells what is left of a cluster that has lost its quorum, and makes another of it when told to. */
export { type Recovery, recover } from './backup/recover.ts'
/** Makes of a backup the directory of a new cluster. */
export { type Restored, restore } from './backup/restore.ts'
export type { Survivor } from './backup/survivors.ts'
/** Opens this process's part of a replicated key-value store. */
export { createCluster } from './cluster.ts'
/** An operation that failed, with a stable `code`, and whether the write may have happened. */
export { type Outcome, SkiffError, type SkiffErrorCode } from './errors.ts'
/** Options, each with its unit and default. */
export type {
  AddServerOptions,
  BackupOptions,
  CallOptions,
  ChangeOptions,
  ClusterOptions,
  LongWorkOptions,
  ReadOptions,
  RecoverOptions,
  RestoreOptions,
  ScanRange,
  Transport,
  WatchOptions,
  WriteOptions,
} from './options.ts'
/** One server of a cluster. */
export type { Member, MemberRole, RoleName } from './raft/types.ts'
/** What a program holds: a cluster, its local nodes, and what they return. */
export type {
  Backup,
  Changed,
  Cluster,
  ClusterStatus,
  Entry,
  LinkStatus,
  Membership,
  MembershipPlan,
  MembershipSummary,
  Node,
  NodeStatus,
  StateStatus,
  Store,
  WatchEvent,
  Watcher,
} from './store.ts'
