import type { Index, NodeId, SnapshotMark } from './types.ts'

/** The snapshots of this server, as the core sees them: which there is, and how to read it. */
export interface SnapshotReader {
  /**
   * The newest; `null`: there is none yet, or what there was is damaged. Stands for at least all that was cut from
   * the log.
   */
  readonly newest: SnapshotMark | null
  /** The newest as of this entry or before. It, too, stands for all that was cut from the log. */
  newestUpTo(index: Index): SnapshotMark | null
  /**
   * A part of a snapshot; empty at its end. Also of an older one, while `Raft.snapshotsInUse` names it. `null`: its file
   * is gone, or not what it was.
   */
  chunk(snapshot: SnapshotMark, offset: number): Uint8Array | null
  /** Whoever was sent all of it says that it is damaged. */
  suspect(snapshot: SnapshotMark): void
}

/** A chunk that came from the leader and is wanted; what is here of its snapshot by now goes to `Raft.chunkStored`. */
export interface ReceivedChunk {
  readonly from: NodeId
  readonly snapshot: SnapshotMark
  readonly offset: number
  readonly chunk: Uint8Array
}
