/**
 * The wiring diagram: who may say what to whom. Three actors, and unions each named after its two ends. A port
 * carries arrays of these, one array per flush.
 *
 *            network (main thread)
 *             ↑↓             ↑↓
 *           codec  ←——————→  storage
 *
 * Short frames go past the codec, for a thread more costs more than it takes off: storage codes them itself, and speaks
 * to the network as a codec does (codec/lane.ts).
 *
 * Bytes are moved when the sender is done with them, copied when it keeps them. Absent on purpose is
 * `null`; there are no optional fields.
 */

import type { SkiffErrorData } from './errors.ts'
import type {
  AppendReply,
  Heartbeat,
  HeartbeatReply,
  PreVote,
  PreVoteReply,
  ReadIndex,
  ReadIndexReply,
  SnapshotChunk,
  SnapshotReply,
  TimeoutNow,
  TimeoutNowDeclined,
  Vote,
  VoteReply,
} from './raft/rpc.ts'
import type { Index, Member, MemberRole, NodeId, RoleName, Term } from './raft/types.ts'

/** A frame's place among those from, or to, one peer, by whichever way it goes; the first has number 1. */
export interface Place {
  readonly peer: NodeId
  readonly number: number
}

// ── codec ↔ network: frames, unread ─────────────────────────────────────────────────────────────

/** A frame that came over the authenticated link of this peer. */
export type NetworkToCodec = {
  readonly type: 'frame'
  readonly from: Place
  readonly bytes: Uint8Array
}

export type CodecToNetwork =
  | { readonly type: 'frame'; readonly to: readonly Place[]; readonly bytes: Uint8Array }
  /** `from` sent something that is no frame of ours: drop its link. */
  | { readonly type: 'malformed'; readonly from: NodeId; readonly reason: string }

// ── codec ↔ storage: RPCs, decoded and validated ────────────────────────────────────────────────

export type CodecToStorage = {
  readonly type: 'rpc'
  readonly from: Place
  /** `null`: what stood there was malformed. */
  readonly rpc: WireRpc | null
}
export type StorageToCodec = {
  readonly type: 'rpc'
  readonly to: readonly Place[]
  readonly rpc: WireRpc
}

// ── storage ↔ peers: the same, whoever codes it ─────────────────────────────────────────────────

export type PeersToStorage = { readonly type: 'rpc'; readonly from: NodeId; readonly rpc: WireRpc }
export type StorageToPeers = {
  readonly type: 'rpc'
  readonly to: readonly NodeId[]
  readonly rpc: WireRpc
}

/** What travels between nodes: consensus, with entries as one packed block, and requests to a leader. */
export type WireRpc =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | WireAppend
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndex
  | ReadIndexReply
  | SnapshotChunk
  | SnapshotReply
  | TimeoutNow
  | TimeoutNowDeclined
  | Forward
  | ForwardRefused
  | Change
  | Plan
  | ChangeReply
  | Audit
  | AuditReply
  | Verdict
  | StateWanted

/** `Append` whose entries are records back to back, as the log stores them (codec/record.ts). */
export interface WireAppend {
  readonly type: 'append'
  readonly term: Term
  readonly prevIndex: Index
  readonly prevTerm: Term
  readonly commitIndex: Index
  readonly entryCount: number
  readonly entries: Uint8Array
}

/** A batch of commands for the leader's log, exactly as the sender's callers packed it. */
export interface Forward {
  readonly type: 'forward'
  readonly batch: Uint8Array
}

/** The leader takes no batches, and nobody can take its place. What was sent may be in a log all the same. */
export interface ForwardRefused {
  readonly type: 'forwardRefused'
  readonly reason: string
}

/** Asks the leader to change the membership, or to make room for another. */
export interface Change {
  readonly type: 'change'
  /** Chosen by the asker, never used twice in its life. */
  readonly id: number
  readonly change: MembershipChange
}

/** Asks the leader what it would make of a change. */
export interface Plan {
  readonly type: 'plan'
  readonly id: number
  readonly change: MemberChange
}

export type MembershipChange = MemberChange | Move | LeaderChange

export type MemberChange =
  /** As a `voter` it enters as a learner, and votes once it has caught up. */
  | {
      readonly type: 'add'
      readonly member: NodeId
      readonly address: string
      readonly role: MemberRole
    }
  | { readonly type: 'remove'; readonly member: NodeId }
  /** `member` takes the place of `old`. */
  | {
      readonly type: 'replace'
      readonly old: NodeId
      readonly member: NodeId
      readonly address: string
    }

/** A member is elsewhere now, and says so itself. Unlike `add` it makes nobody a member who is none. */
export interface Move {
  readonly type: 'move'
  readonly member: NodeId
  readonly address: string
}

/** `transfer`: this member is to lead. `relieve`: any but this one. */
export type LeaderChange =
  | { readonly type: 'transfer'; readonly member: NodeId }
  | { readonly type: 'relieve'; readonly member: NodeId }

export interface ChangeReply {
  readonly type: 'changeReply'
  readonly id: number
  readonly answer: ChangeAnswer
}

export type ChangeAnswer =
  /** In the leader's log, or already so. The asker sees it done when its own log says so. */
  | { readonly type: 'accepted' }
  /** Ask this one; `null` when no leader is known here. */
  | { readonly type: 'redirected'; readonly leader: PeerAddress | null }
  /** Not now: another change, or an election, is under way. Ask again. */
  | { readonly type: 'busy'; readonly reason: string }
  | { readonly type: 'refused'; readonly reason: string }
  /** What a change would lead to that was only asked about. */
  | { readonly type: 'planned'; readonly forecast: Forecast }

/** The members now, and after a change; the same, where it would be refused. */
export interface Forecast {
  readonly before: readonly Member[]
  readonly after: readonly Member[]
  /** `null`: it would be done. */
  readonly refused: string | null
}

/** A leader asks for the hash of the state as of this entry (storage/audits.ts). */
export interface Audit {
  readonly type: 'audit'
  readonly index: Index
}

export interface AuditReply {
  readonly type: 'auditReply'
  readonly index: Index
  readonly digest: number
}

/** As of this entry the state has this hash, by all that can be known. True whenever it is heard. */
export interface Verdict {
  readonly type: 'verdict'
  readonly index: Index
  readonly digest: number
}

/** The sender has lost its state, and needs a snapshot; its log begins behind `base`. */
export interface StateWanted {
  readonly type: 'stateWanted'
  readonly base: Index
}

export interface PeerAddress {
  readonly id: NodeId
  readonly address: string
}

// ── network ↔ storage: callers' requests, time, and what came of them ───────────────────────────

export type NetworkToStorage =
  /** One event-loop turn of writes, packed once (codec/command.ts). Batches are numbered 1, 2, 3 … */
  | { readonly type: 'propose'; readonly batch: number; readonly bytes: Uint8Array }
  /** The deadline of these writes has passed: drop them if nothing was sent, and say which it was. */
  | { readonly type: 'cancel'; readonly batch: number }
  /** All linearizable reads of one event-loop turn. */
  | { readonly type: 'read'; readonly id: number }
  | { readonly type: 'cancelRead'; readonly id: number }
  | {
      readonly type: 'watch'
      readonly id: number
      readonly prefix: string
      /** First revision wanted; `null`: whatever comes from now on. */
      readonly fromRevision: number | null
      readonly previous: boolean
    }
  | { readonly type: 'unwatch'; readonly id: number }
  /** The watcher has taken this many bytes of events. */
  | { readonly type: 'consumed'; readonly id: number; readonly bytes: number }
  | {
      readonly type: 'change'
      readonly id: number
      readonly change: MembershipChange
      /** Whom to ask while no leader is known, for a node that is not a member yet. */
      readonly via: PeerAddress | null
    }
  | { readonly type: 'plan'; readonly id: number; readonly change: MemberChange }
  /** A change, or a plan. */
  | { readonly type: 'cancelChange'; readonly id: number }
  /** One unit of time, however much has passed. */
  | { readonly type: 'tick' }
  /** The link *to* this peer was made or lost: what was in flight on an older one is gone. */
  | { readonly type: 'peer'; readonly id: NodeId; readonly up: boolean }

export type StorageToNetwork =
  | {
      readonly type: 'applied'
      readonly batch: number
      /** Per command the revision it made; 0 for a delete that found nothing. */
      readonly revisions: Float64Array
    }
  | { readonly type: 'refused'; readonly batch: number; readonly error: SkiffErrorData }
  /** These reads may be served from the local state now. */
  | { readonly type: 'readable'; readonly ids: readonly number[] }
  | { readonly type: 'readRefused'; readonly id: number; readonly error: SkiffErrorData }
  /** Live events follow from `revision` + 1 on, after the history this watcher asked for. */
  | { readonly type: 'watching'; readonly id: number; readonly revision: number }
  /** Events of the past, for one watcher. */
  | { readonly type: 'history'; readonly id: number; readonly events: Uint8Array }
  /** Events just applied, for every live watcher whose prefix they match (codec/event.ts). */
  | { readonly type: 'events'; readonly events: Uint8Array }
  | { readonly type: 'watchEnded'; readonly id: number; readonly error: SkiffErrorData }
  /** Final. That a change is done is seen in the members. */
  | { readonly type: 'changeRefused'; readonly id: number; readonly reason: string }
  | { readonly type: 'changePlanned'; readonly id: number; readonly forecast: Forecast }
  /** Role, leader or members have changed. */
  | {
      readonly type: 'view'
      readonly view: NodeView
      /** Whom to keep links to, never ourselves. */
      readonly peers: readonly PeerAddress[]
      /** Who is to be told that its log has lost what it had acknowledged. */
      readonly forgetful: readonly NodeId[]
    }
  /** The state was found to be wrong, and is made anew. */
  | { readonly type: 'stateFound'; readonly reason: string }
  /** A snapshot took the place of the state: what is read from now on is in the directory of this generation. */
  | { readonly type: 'stateReplaced'; readonly generation: number }
  /** The node has stopped itself; nothing follows. */
  | { readonly type: 'failed'; readonly error: SkiffErrorData }

/** What a node knows of its cluster; the numbers that change with every put are in the status board. */
export interface NodeView {
  readonly role: RoleName
  readonly term: Term
  readonly leaderId: NodeId | null
  /** As applied here: committed. While a change of voters is under way, all whose majorities count. */
  readonly members: readonly Member[]
  /** Is such a change under way? */
  readonly isJoint: boolean
}
