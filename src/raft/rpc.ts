import type { Entry, Index, NodeId, SnapshotMark, Term } from './types.ts'

/**
 * What servers say to each other about consensus. Names follow the sender's intent; each request has
 * a reply of the same name. The sender is known from the link, so no message carries it.
 *
 * `term` is the sender's current term, except in `preVote`, where it is the term the sender would
 * campaign in.
 */
export type Rpc =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndex
  | ReadIndexReply
  | SnapshotChunk
  | SnapshotReply
  | TimeoutNow
  | TimeoutNowDeclined

/** Would you vote for me? Asked before a term is spent (thesis §9.6). */
export interface PreVote {
  readonly type: 'preVote'
  readonly term: Term
  readonly lastIndex: Index
  readonly lastTerm: Term
}

export interface PreVoteReply {
  readonly type: 'preVoteReply'
  readonly term: Term
  readonly granted: boolean
}

/** RequestVote of the paper (§5.2). */
export interface Vote {
  readonly type: 'vote'
  readonly term: Term
  readonly lastIndex: Index
  readonly lastTerm: Term
  /** The leader has asked for this campaign, so hearing it is no reason against a vote (thesis §4.2.3). */
  readonly isTransfer: boolean
}

export interface VoteReply {
  readonly type: 'voteReply'
  readonly term: Term
  readonly granted: boolean
}

/** AppendEntries of the paper (§5.3). Without entries it probes, or carries only the commit index. */
export interface Append {
  readonly type: 'append'
  readonly term: Term
  readonly prevIndex: Index
  readonly prevTerm: Term
  readonly commitIndex: Index
  readonly entries: readonly Entry[]
}

export type AppendReply = { readonly type: 'appendReply'; readonly term: Term } & (
  | {
      readonly accepted: true
      /** Everything up to here is on the sender's disk and equals the leader's log. */
      readonly matchIndex: Index
    }
  | {
      readonly accepted: false
      /** The `prevIndex` that was refused; tells late refusals from current ones. */
      readonly rejectIndex: Index
      /** Where the logs may meet: the sender's last entry at or below `rejectIndex` … */
      readonly hintIndex: Index
      /** … and its term, so that the leader skips a whole term at a time (paper §5.3, end). */
      readonly hintTerm: Term
    }
)

/**
 * Keeps followers from campaigning and confirms leadership for reads. Apart from `Append`, so that it
 * neither waits for a window nor for a disk.
 */
export interface Heartbeat {
  readonly type: 'heartbeat'
  readonly term: Term
  /** At most what the receiver is known to hold, so that it can be obeyed without a log check. */
  readonly commitIndex: Index
  /**
   * The newest read round (thesis §6.4); the reply confirms it and all before. Rounds count from 1.
   * 0: no reply wanted, this one only spreads the commit index.
   */
  readonly round: number
}

export interface HeartbeatReply {
  readonly type: 'heartbeatReply'
  readonly term: Term
  readonly round: number
}

/** A follower asks for an index at which a read is linearizable (thesis §6.4). */
export interface ReadIndex {
  readonly type: 'readIndex'
  readonly term: Term
  /** Chosen by the asker, never used twice in its life. */
  readonly id: number
}

export interface ReadIndexReply {
  readonly type: 'readIndexReply'
  readonly term: Term
  readonly id: number
  readonly index: Index
}

/**
 * InstallSnapshot of the paper (§7), one chunk at a time. That it is installed is said by an accepted
 * `appendReply`, whose `matchIndex` is that of the snapshot.
 */
export interface SnapshotChunk {
  readonly type: 'snapshot'
  readonly term: Term
  readonly snapshot: SnapshotMark
  /** Of the first of these bytes in the snapshot. */
  readonly offset: number
  readonly chunk: Uint8Array
}

export interface SnapshotReply {
  readonly type: 'snapshotReply'
  readonly term: Term
  /** Which snapshot this is about. */
  readonly index: Index
  /** So much of it is here, from the beginning; the next chunk is to begin there. */
  readonly heldBytes: number
}

/** The leader asks its successor to campaign at once (thesis §3.10). */
export interface TimeoutNow {
  readonly type: 'timeoutNow'
  readonly term: Term
  /** Where the leader's log ends. Whose log ends elsewhere was told long ago. */
  readonly lastIndex: Index
}

/** It has no room for what a leader must write. */
export interface TimeoutNowDeclined {
  readonly type: 'timeoutNowDeclined'
  readonly term: Term
}

/** A message and those it goes to: one encoding serves all. */
export interface Outgoing {
  readonly to: readonly NodeId[]
  readonly rpc: Rpc
}
