/**
 * Brings the logs of everyone else up to the leader's (paper §5.3, §7), and tells them what is committed.
 *
 * Nothing is sent when it is learnt that something is due, but in `flush`, once a turn: so one turn makes at
 * most one append per server, however much came in.
 */
import { assert } from './assert.ts'
import type { Progress } from './progress.ts'
import type { AppendReply, SnapshotReply } from './rpc.ts'
import type { Server } from './server.ts'
import type { Index, NodeId, SnapshotMark } from './types.ts'

export class Replication {
  readonly #server: Server
  /** Of everyone it sends to; kept in step with the configuration by reconfiguration.ts. */
  readonly #progress: ReadonlyMap<NodeId, Progress>
  #ticksToHeartbeat = 0
  /** A commit was told by a message of its own since the last tick. */
  #hasSpreadCommit = false

  constructor(server: Server, progress: ReadonlyMap<NodeId, Progress>) {
    this.#server = server
    this.#progress = progress
  }

  /** What counts of this voter in a majority. */
  heldIndex(id: NodeId): Index {
    const progress = this.#progress.get(id)
    assert(progress !== undefined, `no progress of voter ${id}`)
    return progress.heldIndex
  }

  /** Those that have lost what they had acknowledged. */
  get forgetful(): readonly NodeId[] {
    return [...this.#progress].flatMap(([id, { hasForgotten }]) => (hasForgotten ? [id] : []))
  }

  /** Snapshots on their way, and those whose receivers still need the log behind them. */
  get snapshotsInUse(): readonly SnapshotMark[] {
    return [...this.#progress.values()].flatMap(({ snapshot }) => snapshot ?? [])
  }

  get isHeartbeatDue(): boolean {
    return this.#ticksToHeartbeat <= 0
  }

  tick(): void {
    this.#ticksToHeartbeat--
    this.#hasSpreadCommit = false
    for (const progress of this.#progress.values())
      progress.tick(this.#server.limits.electionTicksMin)
  }

  /** True: it holds what was sent. */
  appendReply(from: NodeId, rpc: AppendReply): boolean {
    const progress = this.#progress.get(from)
    if (progress === undefined) return false
    progress.heard()
    if (rpc.accepted) {
      assert(
        rpc.matchIndex <= this.#server.log.lastIndex,
        `${from} holds ${rpc.matchIndex}, our log ends at ${this.#server.log.lastIndex}`,
      )
      progress.accepted(rpc.matchIndex)
      progress.caughtUp(this.#server.snapshots.newest?.index ?? 0)
      return true
    }
    const { log } = this.#server
    // It lacks what was cut, and there is no snapshot: this probe stays on its way, and is sent again in its time.
    const isInVain = this.#sendable === null && rpc.rejectIndex <= log.base.index
    if (progress.refused(rpc.rejectIndex) && !isInVain) {
      const meeting = log.lastAtMost(rpc.hintIndex, rpc.hintTerm)
      progress.probe(
        Math.max(progress.matchIndex, Math.min(meeting.index, rpc.rejectIndex - 1)) + 1,
      )
    }
    return false
  }

  snapshotReply(from: NodeId, rpc: SnapshotReply): void {
    const progress = this.#progress.get(from)
    if (progress === undefined) return
    progress.heard()
    const { snapshot } = progress
    if (progress.chunkHeld(rpc.index, rpc.heldBytes) || snapshot === null) return
    this.#server.snapshots.suspect(snapshot)
    this.#beginSnapshot(progress)
  }

  /** To one that has lost its state, though it may hold the log behind `base`: an older snapshot would not help it. */
  sendSnapshot(to: NodeId, base: Index): void {
    const progress = this.#progress.get(to)
    const isFit = (this.#sendable?.index ?? -1) >= base
    if (progress?.snapshot === null && isFit) this.#beginSnapshot(progress)
  }

  /** Their state is in doubt: they are begun anew once there is one that may be sent. */
  retractSnapshots(): void {
    for (const progress of this.#progress.values())
      if (progress.sendsSnapshot) this.#goOnWithout(progress)
  }

  flush(): void {
    this.#sendAppends()
    this.#sendChunks()
  }

  /**
   * Followers that get no append learn of a commit by a message of its own, which costs them as much as an append: at
   * once where somebody waits for it, else once a tick, for while more is being written the next append brings it.
   */
  spreadCommit(): void {
    const { commitIndex } = this.#server
    const isWanted = ({ matchIndex, commitSent, isAwaiting }: Progress) =>
      Math.min(commitIndex, matchIndex) > commitSent && (isAwaiting || !this.#hasSpreadCommit)
    if (this.#tellCommit(isWanted, 0)) this.#hasSpreadCommit = true
  }

  /** To everyone, of this round of reads. */
  sendHeartbeats(round: number): void {
    this.#ticksToHeartbeat = this.#server.limits.heartbeatTicks
    this.#tellCommit(() => true, round)
  }

  /** Servers that need the same entries get the same message. */
  #sendAppends(): void {
    const { log, limits } = this.#server
    const groups = new Map<Index, NodeId[]>()
    for (const [id, progress] of this.#progress) {
      const hasNews = progress.nextIndex <= log.lastIndex
      const mustProbe = progress.mode === 'probe'
      if (!(hasNews || mustProbe) || !progress.canSend(limits.appendsInFlightMax)) continue
      if (progress.nextIndex <= log.base.index) {
        // The answer to a heartbeat will say that it is back.
        if (progress.isSilent(limits.electionTicksMin)) continue
        this.#beginSnapshot(progress)
      }
      if (progress.mode === 'snapshot') continue
      const group = groups.get(progress.nextIndex)
      if (group === undefined) groups.set(progress.nextIndex, [id])
      else group.push(id)
    }
    for (const [nextIndex, ids] of groups) this.#appendTo(ids, nextIndex)
  }

  #appendTo(ids: readonly NodeId[], nextIndex: Index): void {
    const { log, limits, term, commitIndex } = this.#server
    const prevTerm = log.term(nextIndex - 1)
    assert(prevTerm !== null, `no term at ${nextIndex - 1}`)
    const { appendEntriesMax, appendBytesMax } = limits
    const entries =
      nextIndex > log.lastIndex ? [] : log.slice(nextIndex, appendEntriesMax, appendBytesMax)
    const lastIndex = nextIndex - 1 + entries.length
    this.#server.sendEarly(ids, {
      type: 'append',
      term,
      prevIndex: nextIndex - 1,
      prevTerm,
      commitIndex,
      entries,
    })
    for (const id of ids) {
      const progress = this.#progress.get(id)
      assert(progress !== undefined, `no progress of ${id}`)
      progress.sent(lastIndex)
      if (progress.mode === 'replicate') progress.commitSent = Math.min(commitIndex, lastIndex)
    }
  }

  /** What it needs was cut away; a snapshot stands for it, if there is one that may be sent. */
  #beginSnapshot(progress: Progress): void {
    const snapshot = this.#sendable
    if (snapshot === null) this.#goOnWithout(progress)
    else progress.sendSnapshot(snapshot)
  }

  /** The snapshot is damaged, the state lost, or nobody has agreed with it yet: it may still hold what was cut. */
  #goOnWithout(progress: Progress): void {
    progress.stopSnapshot()
    progress.probe(Math.max(progress.matchIndex, this.#server.log.base.index) + 1)
  }

  get #sendable(): SnapshotMark | null {
    const { snapshots, stateAgreedIndex } = this.#server
    return snapshots.newestUpTo(stateAgreedIndex)
  }

  #sendChunks(): void {
    const { term, snapshots } = this.#server
    for (const [id, progress] of this.#progress) {
      const { snapshot, heldBytes: offset } = progress
      if (snapshot === null || !progress.canSendChunk) continue
      const chunk = snapshots.chunk(snapshot, offset)
      if (chunk === null) {
        snapshots.suspect(snapshot)
        this.#beginSnapshot(progress)
        continue
      }
      this.#server.sendEarly([id], { type: 'snapshot', term, snapshot, offset, chunk })
      progress.chunkSent(offset + chunk.length)
    }
  }

  /** True: there was somebody to tell. */
  #tellCommit(wanted: (progress: Progress) => boolean, round: number): boolean {
    const { commitIndex, term } = this.#server
    const groups = new Map<Index, NodeId[]>()
    for (const [id, progress] of this.#progress) {
      if (!wanted(progress)) continue
      const known = Math.min(commitIndex, progress.matchIndex)
      progress.commitSent = Math.max(progress.commitSent, known)
      groups.set(known, [...(groups.get(known) ?? []), id])
    }
    for (const [known, ids] of groups) {
      this.#server.sendEarly(ids, { type: 'heartbeat', term, commitIndex: known, round })
    }
    return groups.size > 0
  }
}
