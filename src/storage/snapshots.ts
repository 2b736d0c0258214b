/**
 * The snapshots of one node: when one is taken, what is cut from the log for it, and how one that comes from
 * the leader takes the place of log and state. What is done to files is in snapshot-files.ts; the simulator
 * does it in memory.
 *
 * Two are kept, and the log back to the older one: if the newest should turn out to be damaged, a state can
 * still be made of the other. At most one is being taken, and at most one is coming in.
 */
import { SkiffError } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import type { ReceivedChunk, SnapshotReader } from '../raft/snapshot.ts'
import {
  type Index,
  isSameSnapshot,
  type LogPosition,
  type NodeId,
  type SnapshotMark,
} from '../raft/types.ts'
import type { Environment } from './environment.ts'
import type { LogStore } from './log-store.ts'
import type { StateMachine } from './state-machine.ts'

const snapshotsKept = 2
/** After one that failed, e.g. for want of space: about half a minute. */
const ticksToTryAgain = 1_200

/** What a copy of the state turned out to hold. */
export interface TakenSnapshot {
  readonly mark: Omit<SnapshotMark, 'term'>
}

/** Snapshots as files. Each act is durable, or has not happened; `done` is called later, never at once. */
export interface SnapshotFiles {
  /** Copies the state as it is at some moment from now on, while it goes on changing. */
  take(state: Environment, done: (taken: TakenSnapshot | Error) => void): void
  /** Is there room for so much, and for what else is written? */
  hasRoom(bytes: number): boolean
  /** Its file is there, as long as it should be. */
  has(snapshot: SnapshotMark): boolean
  /** Looks at all of its file. */
  check(snapshot: SnapshotMark, done: (isWhole: boolean | Error) => void): void
  /** From `offset` on, at most so much. */
  read(snapshot: SnapshotMark, offset: number, bytesMax: number): Uint8Array
  /** Adds to what has come of this snapshot, if the chunk begins where that ends. Returns how much has. */
  receive(snapshot: SnapshotMark, offset: number, chunk: Uint8Array): number
  /** All of it has come: checks it against its hash. False: it is damaged, and thrown away. */
  complete(snapshot: SnapshotMark, done: (isWhole: boolean | Error) => void): void
  /** Makes the state of this generation from it. False: it is damaged, and thrown away. */
  restore(snapshot: SnapshotMark, generation: number): boolean
  /** Throws away all others. */
  keep(snapshots: readonly SnapshotMark[]): void
}

export interface SnapshotsOptions {
  readonly files: SnapshotFiles
  readonly log: LogStore
  readonly state: StateMachine
  readonly isStateLost?: boolean
  /** Bytes of entries behind the newest snapshot at which another is due, or its own size if that is more. */
  readonly logBytes: number
  /** Of a snapshot, in one message. */
  readonly chunkBytes: number
  /** There is something to do, though nothing came in. */
  readonly wake: () => void
}

type Answer = (outcome: SnapshotMark | Error) => void

export class Snapshots implements SnapshotReader {
  readonly #options: SnapshotsOptions
  /** Newest first: those of the log's whose files are whole, as far as is known. */
  #whole: readonly SnapshotMark[]
  /** Of entries that no snapshot stands for. */
  #appliedBytes: number
  /** Of those, what the one being taken will stand for, if it succeeds. */
  #takingBytes = 0
  #taking = false
  /** What is being copied was replaced meanwhile, perhaps because it was wrong. */
  #overtaken = false
  /** The state is about to be another: nothing is to be made of the one that is here. */
  #awaitsState = false
  #taken: TakenSnapshot | Error | null = null
  #ticksToWait = 0
  /** Who asked for one, and hears of the next that is begun from now on. */
  #asking: Answer[] = []
  #askedBefore: Answer[] = []
  /** From whom, and which. */
  #incoming: { from: NodeId; snapshot: SnapshotMark; state: 'coming' | 'checking' } | null = null
  #checked: boolean | Error | null = null
  /** Their files are being copied. */
  #held: readonly SnapshotMark[] = []
  /** One that a receiver found damaged is being looked at. */
  #checksOwn = false

  constructor(options: SnapshotsOptions) {
    this.#options = options
    const { log, state, files, isStateLost = false } = options
    // What has not led to a state here must not be sent to others, if this node should lead.
    this.#whole = isStateLost ? [] : log.snapshots.filter((snapshot) => files.has(snapshot))
    const behind = this.newest?.index ?? log.base.index
    this.#appliedBytes = log.bytesBetween(behind, state.appliedIndex)
    this.#keep([])
  }

  get newest(): SnapshotMark | null {
    return this.#whole[0] ?? null
  }

  newestUpTo(index: Index): SnapshotMark | null {
    return this.#whole.find((snapshot) => snapshot.index <= index) ?? null
  }

  chunk(snapshot: SnapshotMark, offset: number): Uint8Array | null {
    const { files, chunkBytes } = this.#options
    return files.has(snapshot) ? files.read(snapshot, offset, chunkBytes) : null
  }

  /** So many bytes of entries have been applied. */
  applied(bytes: number): void {
    this.#appliedBytes += bytes
  }

  tick(): void {
    if (this.#ticksToWait > 0) this.#ticksToWait--
  }

  /** A copy of the state is being made. */
  get isTaking(): boolean {
    return this.#taking
  }

  /** Another state is about to take the place of the one that is being copied. */
  stateReplaced(): void {
    this.#overtaken = this.#taking
    this.#awaitsState = true
  }

  /** Those that lead to a wrong state, which are no longer the log's; or all, if none leads to the right one. */
  forgetWrong(isStateLost: boolean): void {
    this.#awaitsState = false
    const right = isStateLost ? [] : this.#options.log.snapshots
    this.#whole = this.#whole.filter((each) => right.some((kept) => isSameSnapshot(each, kept)))
    // Of a lost state they are all there is until another has come: better than nothing, if it never does.
    if (!isStateLost) this.#keep([])
  }

  /** One now, whatever the log holds. */
  ask(answer: Answer): void {
    this.#asking.push(answer)
    this.#ticksToWait = 0
  }

  /** Its file stays until it is released, once for each time it was held, whatever becomes of the snapshot. */
  hold(snapshot: SnapshotMark): void {
    this.#held = [...this.#held, snapshot]
  }

  release(snapshot: SnapshotMark): void {
    const at = this.#held.findIndex((held) => isSameSnapshot(held, snapshot))
    this.#held = this.#held.filter((_, n) => n !== at)
  }

  /** A receiver says that it is damaged: is it here, too? Then others are sent, and taken. */
  suspect(snapshot: SnapshotMark): void {
    if (this.#checksOwn) return
    this.#checksOwn = true
    this.#options.files.check(snapshot, (isWhole) => {
      this.#checksOwn = false
      if (isWhole === true) return
      this.#whole = this.#whole.filter((each) => !isSameSnapshot(each, snapshot))
      this.#options.wake()
    })
  }

  /** The node stops: nobody waits any longer. */
  close(): void {
    this.#refuse(new SkiffError('SKIFF_CLOSED', 'unknown', 'the node was closed meanwhile'))
  }

  // ── taking ────────────────────────────────────────────────────────────────────────────────────

  /** Records one that was taken, and begins one that is due. `inUse`: what others still need. */
  pump(inUse: readonly SnapshotMark[]): void {
    if (this.#taken !== null) this.#finish(this.#taken, inUse)
    if (this.#options.state.appliedIndex === 0) this.#refuseForNow()
    // While one that has come was checked, the state that would be copied is about to be another.
    else if (!this.#taking && this.#checked === null && this.#isDue()) this.#begin()
  }

  /** Nobody knows when there will be, so whoever asks must not wait for it. For nobody, an error costs its stack trace. */
  #refuseForNow(): void {
    if (this.#asking.length === 0 && this.#askedBefore.length === 0) return
    this.#refuse(new Error('there is nothing here yet to take a snapshot of'))
  }

  #isDue(): boolean {
    if (this.#ticksToWait > 0 || this.#awaitsState) return false
    if (this.#asking.length > 0 || this.#isShort()) return true
    return this.#appliedBytes > Math.max(this.#options.logBytes, this.newest?.bytes ?? 0)
  }

  /** One that the log was cut for is damaged, and there is something to replace it by. */
  #isShort(): boolean {
    const { log, state } = this.#options
    const isDamaged = this.#whole.length < log.snapshots.length
    return isDamaged && state.appliedIndex > (this.newest?.index ?? 0)
  }

  #begin(): void {
    const { files, state, wake } = this.#options
    if (!files.hasRoom(this.#sizeExpected)) {
      this.#fail(new Error('there is no room for a snapshot on the disk'))
      return
    }
    this.#taking = true
    this.#askedBefore = this.#asking
    this.#asking = []
    this.#takingBytes = this.#appliedBytes
    this.#appliedBytes = 0
    files.take(state.environment, (taken) => {
      this.#taken = taken
      wake()
    })
  }

  get #sizeExpected(): number {
    const { newest } = this
    return newest === null
      ? this.#options.state.environment.usedBytes()
      : newest.bytes + this.#appliedBytes
  }

  #finish(taken: TakenSnapshot | Error, inUse: readonly SnapshotMark[]): void {
    this.#taken = null
    this.#taking = false
    const isVain = this.#overtaken && !(taken instanceof Error)
    const outcome = isVain ? new Error('the state was replaced meanwhile') : taken
    this.#overtaken = false
    if (outcome instanceof Error) {
      this.#fail(outcome)
      return
    }
    this.#takingBytes = 0
    const snapshot = this.#record(outcome, inUse)
    this.#keep(inUse)
    for (const answer of this.#askedBefore) answer(snapshot)
    this.#askedBefore = []
  }

  /** One that was overtaken, by one from the leader or by nothing new, is none. */
  #record({ mark }: TakenSnapshot, inUse: readonly SnapshotMark[]): SnapshotMark {
    const { log } = this.#options
    const { newest } = this
    if (newest !== null && mark.index <= newest.index) return newest
    const term = log.termAt(mark.index)
    assert(term !== null, `snapshot ${mark.index}, log begins behind ${log.base.index}`)
    const snapshot: SnapshotMark = { ...mark, term }
    const kept = [snapshot, ...this.#whole].slice(0, snapshotsKept)
    log.recordSnapshots(kept, this.#baseFor(kept, inUse))
    this.#whole = kept
    return snapshot
  }

  /** Also what has come and waits to be installed. */
  #keep(inUse: readonly SnapshotMark[]): void {
    const coming = this.#incoming === null ? [] : [this.#incoming.snapshot]
    this.#options.files.keep([...this.#whole, ...inUse, ...coming, ...this.#held])
  }

  /** As far as nobody needs the log any more. Until there are two snapshots, that is nowhere. */
  #baseFor(kept: readonly SnapshotMark[], inUse: readonly SnapshotMark[]): LogPosition {
    const { base } = this.#options.log
    const oldest = kept.length < snapshotsKept ? base : kept.at(-1)
    const positions: LogPosition[] = [oldest ?? base, ...inUse]
    const lowest = positions.reduce((low, each) => (each.index < low.index ? each : low))
    return lowest.index < base.index ? base : { index: lowest.index, term: lowest.term }
  }

  /** Nothing is lost by a snapshot that cannot be taken but time: another try comes later. */
  #fail(error: Error): void {
    this.#ticksToWait = ticksToTryAgain
    this.#appliedBytes += this.#takingBytes
    this.#takingBytes = 0
    this.#refuse(error)
  }

  /** All who wait. */
  #refuse(error: Error): void {
    for (const answer of [...this.#askedBefore, ...this.#asking]) answer(error)
    this.#askedBefore = []
    this.#asking = []
  }

  // ── one from the leader ───────────────────────────────────────────────────────────────────────

  /**
   * Returns how much of it is here; `null`: no answer. When all is here, that takes time; and where there is no
   * room for it and the state it becomes, the leader may ask again.
   */
  receive({ from, snapshot, offset, chunk }: ReceivedChunk): number | null {
    const { files, wake } = this.#options
    const known = this.#incoming
    if (known?.state === 'checking' || !files.hasRoom(2 * snapshot.bytes - offset)) return null
    const held = files.receive(snapshot, offset, chunk)
    this.#incoming = { from, snapshot, state: held < snapshot.bytes ? 'coming' : 'checking' }
    if (held < snapshot.bytes) return held
    files.complete(snapshot, (isWhole) => {
      this.#checked = isWhole
      wake()
    })
    return null
  }

  /** One that has come: whole and to be installed, or damaged and to be sent again. */
  takeReceived(): { from: NodeId; snapshot: SnapshotMark; isWhole: boolean } | null {
    const incoming = this.#incoming
    const isWhole = this.#checked
    // The state that is being copied must stay until it is.
    if (incoming === null || isWhole === null || this.#taking) return null
    this.#incoming = null
    this.#checked = null
    if (isWhole instanceof Error) throw isWhole
    const { from, snapshot } = incoming
    return { from, snapshot, isWhole }
  }

  /** After it was installed: everything that was applied is in it. */
  installed(snapshot: SnapshotMark): void {
    this.#whole = this.#options.log.snapshots
    assert(this.newest !== null && isSameSnapshot(this.newest, snapshot), 'another was installed')
    this.#appliedBytes = 0
    this.#awaitsState = false
    this.#keep([])
  }
}
