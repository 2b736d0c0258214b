/** The nouns of the Raft paper, as this library stores and sends them. */

/** An election epoch. 0 before the first election; never goes back. */
export type Term = number

/** A position in the log. The first entry has index 1; 0 means "before the log". */
export type Index = number

/** 16 lower-case hex digits: 64 random bits drawn when a data directory is made, kept for its life. */
export type NodeId = string

export function isNodeId(value: unknown): value is NodeId {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)
}

/**
 * - `noop`: appended by each new leader, so that entries of older terms can commit (paper §5.4.2, §8).
 * - `membership`: the members from this entry on, effective as soon as it is appended (thesis §4.1).
 * - `batch`: commands of the state machine, opaque here.
 */
export type EntryType = 'noop' | 'membership' | 'batch'

export interface Entry {
  readonly index: Index
  readonly term: Term
  readonly type: EntryType
  /** Never changed after it was appended; shared with the wire and the disk. */
  readonly bytes: Uint8Array
}

/** What a server must not forget (paper, figure 2): durable before any message that relies on it. */
export interface HardState {
  readonly term: Term
  readonly votedFor: NodeId | null
}

/** A `voter` counts in every majority; a `learner` only receives the log, until it has caught up. */
export type MemberRole = 'voter' | 'learner'

export interface Member {
  readonly id: NodeId
  /** `host:port` at which its peers reach it. */
  readonly address: string
  readonly role: MemberRole
}

/** Sorted by id, so that every node iterates alike. Empty only in a node that belongs to no cluster yet. */
export type Membership = readonly Member[]

/** A learner that is made a voter as soon as it has caught up (thesis §4.2.1). */
export interface Promotion {
  readonly id: NodeId
  /** The member that goes in the same step; `null`: nobody. */
  readonly inPlaceOf: NodeId | null
}

/** Who belongs to the cluster, and who decides in it. */
export interface Configuration {
  readonly members: Membership
  /** Those of the learners that are not to stay what they are. */
  readonly promotions: readonly Promotion[]
  /**
   * In a joint configuration the voters of before, whose majority counts beside that of the members until the
   * change is left (paper §6, thesis §4.3). Empty in all others.
   */
  readonly outgoing: Membership
}

export interface MembershipAt extends Configuration {
  /** Of the entry that made it. */
  readonly index: Index
}

/** An entry, as far as it takes to know it again: equal positions, equal logs up to there (paper §5.3). */
export interface LogPosition {
  readonly index: Index
  readonly term: Term
}

/** A snapshot of the state machine (paper §7): everything up to and including one entry. */
export interface SnapshotMark extends LogPosition {
  /** The newest members up to there. Committed, so no truncation can take them back. */
  readonly membership: MembershipAt
  /** Size and hash of its file. One that is equal in all of these is the same snapshot. */
  readonly bytes: number
  readonly hash: string
}

export function isSameSnapshot(a: SnapshotMark, b: SnapshotMark): boolean {
  return a.index === b.index && a.term === b.term && a.bytes === b.bytes && a.hash === b.hash
}

export type RoleName = 'follower' | 'preCandidate' | 'candidate' | 'leader'

/** Timing and limits of the core, in ticks, entries and bytes. */
export interface RaftLimits {
  readonly heartbeatTicks: number
  /** A leader not heard of for a random time in [min, max] is given up. */
  readonly electionTicksMin: number
  readonly electionTicksMax: number
  readonly appendEntriesMax: number
  readonly appendBytesMax: number
  readonly appendsInFlightMax: number
  readonly uncommittedBytesMax: number
}
