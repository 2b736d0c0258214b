/** Opens this process's part of a replicated key-value store. */
export { createCluster } from './cluster.ts'
/** An operation that failed, with a stable `code`, and whether the write may have happened. */
export { type Outcome, SkiffError, type SkiffErrorCode } from './errors.ts'
/** Options, each with its unit and default. */
export type {
  AddServerOptions,
  CallOptions,
  ChangeOptions,
  ClusterOptions,
  ReadOptions,
  ScanRange,
  WatchOptions,
  WriteOptions,
} from './options.ts'
/** One server of a cluster. */
export type { Member, MemberRole, RoleName } from './raft/types.ts'
/** What a program holds: a cluster, its local nodes, and what they return. */
export type {
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
  Store,
  WatchEvent,
  Watcher,
} from './store.ts'
