import { assert } from './assert.ts'
import type { Index, SnapshotMark } from './types.ts'

/** So often in a row it must refuse what it held; a late refusal or two there may be. */
const forgottenRefusalsMin = 3
/** Of the shortest election timeout: so long a snapshot, or the log behind it, waits for its receiver. */
const stalledElectionsMax = 40
/** And longer, as it takes its time to check it and to make a state of it. */
const checkedBytesPerTick = 2 ** 18
/** But only so long while nothing is heard of it: as it takes to dial again. */
const silentElectionsMax = 4

/** What the leader knows about one other server (paper, figure 2: nextIndex, matchIndex). */
export class Progress {
  /**
   * The next entry to send. Starts after the leader's last entry, falls back while probing.
   * Always in [matchIndex + 1, lastIndex + 1]; entries in (matchIndex, nextIndex) are on their way.
   */
  nextIndex: Index
  /** The highest entry known to be on its disk and equal to ours. Never goes back. */
  matchIndex: Index = 0
  /** The highest commit index it was told. */
  commitSent: Index = 0
  /** The newest entry that somebody there waits for; 0: none. Every commit up to it is told at once. */
  #awaitedIndex: Index = 0
  /** Answered since the last check of the quorum. */
  active = true
  /** Since it was last heard; infinite before, and from the loss of the link to it until then. */
  ticksSilent: number = Number.POSITIVE_INFINITY
  /**
   * `probe`: one append at a time until one is accepted. `replicate`: a window of them. `snapshot`: what it
   * needs was cut away, and until it holds `snapshot` it gets no appends.
   */
  mode: 'probe' | 'replicate' | 'snapshot' = 'probe'
  /** What it is being sent; afterwards, until it has caught up from there, what the log is kept for. */
  snapshot: SnapshotMark | null = null
  /**
   * It is being sent now: in that mode, or beside the entries to one that has lost its state and holds the log. That
   * one may be needed for every commit meanwhile.
   */
  sendsSnapshot = false
  /** So much of it has arrived. */
  heldBytes = 0
  /** Last index of each append on its way, oldest first. */
  #inFlight: Index[] = []
  #ticksUnanswered = 0
  #forgottenRefusals = 0
  /** Of the snapshot this much was sent, the last time. */
  #sentBytes = 0
  /** A chunk is on its way. */
  #chunkIsSent = false
  #ticksChunkUnanswered = 0
  /** Since it came any further with the snapshot, or with what is behind it. */
  #ticksStalled = 0

  constructor(nextIndex: Index) {
    this.nextIndex = nextIndex
  }

  /** Somebody there waits until it knows that this is committed. */
  awaits(index: Index): void {
    this.#awaitedIndex = Math.max(this.#awaitedIndex, index)
  }

  /** Somebody waits for what it was not told yet. */
  get isAwaiting(): boolean {
    return this.#awaitedIndex > this.commitSent
  }

  /** It has answered, whatever. */
  heard(): void {
    this.active = true
    this.ticksSilent = 0
  }

  /** It answers nothing, not even heartbeats: no snapshot is begun for it, and one that was is soon given up. */
  isSilent(electionTicks: number): boolean {
    return this.ticksSilent > silentElectionsMax * electionTicks
  }

  canSend(appendsInFlightMax: number): boolean {
    if (this.mode === 'snapshot') return false
    return this.#inFlight.length < (this.mode === 'probe' ? 1 : appendsInFlightMax)
  }

  /** An append up to `lastIndex` was sent (`nextIndex - 1` if it held no entries). */
  sent(lastIndex: Index): void {
    this.#inFlight.push(lastIndex)
    if (this.mode === 'replicate') this.nextIndex = lastIndex + 1
  }

  accepted(matchIndex: Index): void {
    this.#ticksUnanswered = 0
    if (matchIndex >= this.matchIndex) this.#forgottenRefusals = 0
    if (matchIndex > this.matchIndex && !this.sendsSnapshot) this.#ticksStalled = 0
    this.matchIndex = Math.max(this.matchIndex, matchIndex)
    const isInstalled = this.#saysInstalled(matchIndex)
    if (isInstalled) {
      this.sendsSnapshot = false
      this.#ticksStalled = 0
    }
    if (this.mode === 'probe' || (this.mode === 'snapshot' && isInstalled)) {
      this.mode = 'replicate'
      this.#inFlight = []
      this.nextIndex = this.matchIndex + 1
      return
    }
    this.#inFlight = this.#inFlight.filter((index) => index > matchIndex)
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1)
  }

  /** From here on it gets this snapshot, a chunk at a time. */
  sendSnapshot(snapshot: SnapshotMark): void {
    if (this.matchIndex < snapshot.index) {
      this.mode = 'snapshot'
      this.#inFlight = []
      this.#ticksUnanswered = 0
    }
    this.snapshot = snapshot
    this.sendsSnapshot = true
    this.heldBytes = 0
    this.#sentBytes = 0
    this.#chunkIsSent = false
    this.#ticksStalled = 0
  }

  /** There is none that could be sent. */
  stopSnapshot(): void {
    this.snapshot = null
    this.sendsSnapshot = false
  }

  /** Once it has all that the newest snapshot stands for, no snapshot of ours will be missed. */
  caughtUp(newestIndex: Index): void {
    if (!this.sendsSnapshot && this.matchIndex >= newestIndex) this.snapshot = null
  }

  /** One chunk is on its way at a time: neither heartbeats nor other followers wait behind many. */
  get canSendChunk(): boolean {
    return this.sendsSnapshot && !this.#chunkIsSent
  }

  /** A chunk that ends there. */
  chunkSent(sentBytes: number): void {
    this.#chunkIsSent = true
    this.#ticksChunkUnanswered = 0
    this.#sentBytes = sentBytes
  }

  /** So much of the snapshot with this index is there. False: all of it was, and turned out to be damaged. */
  chunkHeld(index: Index, heldBytes: number): boolean {
    const { snapshot } = this
    if (!this.sendsSnapshot || snapshot?.index !== index) return true
    if (heldBytes > snapshot.bytes) return true
    if (heldBytes === 0 && this.#sentBytes === snapshot.bytes) return false
    if (heldBytes !== this.heldBytes) this.#ticksStalled = 0
    this.heldBytes = heldBytes
    // Once it has all of it the word is with the receiver, which installs it.
    if (heldBytes < snapshot.bytes) this.#chunkIsSent = false
    this.#ticksChunkUnanswered = 0
    return true
  }

  /** Is this the refusal of what we sent last, and not one that came late? */
  isCurrent(rejectIndex: Index): boolean {
    if (this.mode === 'snapshot') return false
    return this.mode === 'probe'
      ? rejectIndex === this.nextIndex - 1
      : rejectIndex > this.matchIndex
  }

  /**
   * It does not hold what it has acknowledged. What it said then was a promise about its disk, and others may
   * have been built on it: it counts nowhere any more, as long as it says so.
   */
  get hasForgotten(): boolean {
    return this.#forgottenRefusals >= forgottenRefusalsMin
  }

  /** What counts of it in a majority. */
  get heldIndex(): Index {
    return this.hasForgotten ? 0 : this.matchIndex
  }

  /**
   * Must we go back further? Not if the refusal came late, nor if it is of what it held: that probe stays on
   * its way, and is sent again in its time.
   */
  refused(rejectIndex: Index): boolean {
    if (!this.isCurrent(rejectIndex)) return false
    if (rejectIndex > this.matchIndex) return true
    this.#forgottenRefusals++
    return false
  }

  /** Sends again from `nextIndex`, one append at a time. */
  probe(nextIndex: Index): void {
    assert(nextIndex > this.matchIndex, `next ${nextIndex} is not above match ${this.matchIndex}`)
    this.mode = 'probe'
    this.nextIndex = nextIndex
    this.#inFlight = []
    this.#ticksUnanswered = 0
  }

  /** Nothing was answered for `ticksMax` ticks: it is lost. */
  tick(ticksMax: number): void {
    this.ticksSilent++
    this.#tickSnapshot(ticksMax)
    this.#tickChunk(ticksMax)
    if (this.#inFlight.length === 0) return
    this.#ticksUnanswered++
    if (this.#ticksUnanswered >= ticksMax) this.lost()
  }

  /** The entries that were on their way are gone. */
  lost(): void {
    if (this.mode !== 'snapshot') this.probe(this.matchIndex + 1)
  }

  /** What was on its way is lost, and perhaps it is gone itself; of a snapshot goes on what has not arrived. */
  linkLost(): void {
    this.lost()
    this.#chunkIsSent = false
    this.ticksSilent = Number.POSITIVE_INFINITY
  }

  /** Whoever is gone, or cannot take it, must not have the log kept for ever: it gets the newest, if it returns. */
  #tickSnapshot(ticksMax: number): void {
    if (this.snapshot === null) return
    this.#ticksStalled++
    const patience = this.isSilent(ticksMax)
      ? silentElectionsMax * ticksMax
      : stalledElectionsMax * ticksMax + this.snapshot.bytes / checkedBytesPerTick
    if (this.#ticksStalled <= patience) return
    this.stopSnapshot()
    if (this.mode === 'snapshot') this.probe(this.matchIndex + 1)
  }

  #tickChunk(ticksMax: number): void {
    if (!this.#chunkIsSent) return
    this.#ticksChunkUnanswered++
    if (this.#ticksChunkUnanswered >= ticksMax) this.#chunkIsSent = false
  }

  /** Who holds the log acknowledges entries behind the snapshot all the time: it says so by the snapshot's own. */
  #saysInstalled(matchIndex: Index): boolean {
    const { mode, snapshot } = this
    if (snapshot === null || !this.sendsSnapshot) return false
    return mode === 'snapshot' ? this.matchIndex >= snapshot.index : matchIndex === snapshot.index
  }
}
