/**
 * How our callers' batches reach the log: numbered, handed to the leader, and sent again until they
 * turn up in our own log. The node that proposed a batch answers for it when it applies it; so there is no
 * reply to lose. Go-back-N: batches go out in order, and after a loss all that are not applied go again.
 * The state machine applies each once (state-machine.ts).
 */
import { type BatchOwner, sealBatch } from '../codec/command.ts'
import type { Outcome } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import type { NodeId, Term } from '../raft/types.ts'
import type { AppliedBatch } from './state-machine.ts'

/** Where batches go: into our own log, to another node, or nowhere yet. */
export interface Route {
  readonly leaderId: NodeId | null
  readonly term: Term
  /** False: not now; the rest waits. */
  send(batch: Uint8Array): boolean
  /** A batch in our own log can only be lost with our leadership; one on the wire at any time. */
  readonly isLossy: boolean
}

interface Pending {
  readonly batch: number
  readonly bytes: Uint8Array
  /** 0 until it is first handed to a leader; given once and kept. */
  sequence: number
  /** Its callers have given up, but it may be in a log: it stays, for the sequence must have no gap. */
  abandoned: boolean
}

/** Bytes handed out and not yet applied; what is behind waits here, where it can still be dropped. */
const windowBytesMax = 8 * 2 ** 20
/** So many times the first wait for progress is the longest. */
const patienceFactorMax = 8

export class Proposals {
  readonly #node: NodeId
  readonly #incarnation: number
  readonly #resendTicks: number
  /** In order; the first `#sent` of them are on their way to `#route`. */
  #pending: Pending[] = []
  #sent = 0
  #sentBytes = 0
  #sequence = 0
  #leader: { id: NodeId | null; term: Term } = { id: null, term: 0 }
  #ticksWithoutProgress = 0
  /** Doubles with each resend in vain: a leader that is merely slow must not be given ever more to do. */
  #patienceTicks: number
  /** One lost batch leaves a gap before each behind it: the first says so, the others nothing new. */
  #gapAnswered = false
  /** Why the leader takes nothing, as it says; until something of ours is applied, or another leads. */
  #refusal: string | null = null

  constructor(node: NodeId, incarnation: number, resendTicks: number) {
    this.#node = node
    this.#incarnation = incarnation
    this.#resendTicks = resendTicks
    this.#patienceTicks = resendTicks
  }

  get refusal(): string | null {
    return this.#refusal
  }

  add(batch: number, bytes: Uint8Array): void {
    this.#pending.push({ batch, bytes, sequence: 0, abandoned: false })
  }

  /** `dropped`: it was never handed to anyone and never will be. */
  cancel(batch: number): 'dropped' | 'sent' | 'done' {
    const at = this.#pending.findIndex((pending) => pending.batch === batch)
    const pending = this.#pending[at]
    if (pending === undefined) return 'done'
    if (pending.sequence > 0) {
      pending.abandoned = true
      return 'sent'
    }
    this.#pending.splice(at, 1)
    return 'dropped'
  }

  /** Hands out what the window allows. */
  pump(route: Route): void {
    if (route.leaderId !== this.#leader.id || route.term !== this.#leader.term) {
      this.#leader = { id: route.leaderId, term: route.term }
      this.#patienceTicks = this.#resendTicks
      this.#refusal = null
      this.resend()
    }
    if (route.leaderId === null) return
    for (; this.#sent < this.#pending.length && this.#sentBytes < windowBytesMax; this.#sent++) {
      const pending = this.#pending[this.#sent]
      assert(pending !== undefined, 'a hole among the pending batches')
      if (pending.sequence === 0) this.#seal(pending)
      if (!route.send(pending.bytes)) return
      this.#sentBytes += pending.bytes.length
    }
  }

  tick(route: Route): void {
    if (this.#sent === 0 || !route.isLossy) return
    this.#ticksWithoutProgress++
    if (this.#ticksWithoutProgress < this.#patienceTicks) return
    this.#patienceTicks = Math.min(2 * this.#patienceTicks, patienceFactorMax * this.#resendTicks)
    this.resend()
  }

  /** What was on its way may be lost: everything not applied goes again. */
  resend(): void {
    this.#sent = 0
    this.#sentBytes = 0
    this.#ticksWithoutProgress = 0
  }

  /**
   * The leader takes nothing. What was sent may be in a log, and is sent on: its sequence must not be missing.
   * Returns the batches whose callers hear of it.
   */
  refuse(reason: string): readonly { batch: number; outcome: Outcome }[] {
    if (this.#sent === 0) return []
    this.#refusal = reason
    this.#patienceTicks = this.#resendTicks
    const waiting = this.#pending.filter(({ abandoned }) => !abandoned)
    this.#pending = this.#pending.filter(({ sequence }) => sequence > 0)
    for (const pending of this.#pending) pending.abandoned = true
    return waiting.map(({ batch, sequence }) => {
      return { batch, outcome: sequence > 0 ? 'unknown' : 'not-applied' }
    })
  }

  /** A batch came out of the log. The one of ours that this answers, if its callers still wait. */
  applied({
    owner,
    revisions,
    gap,
  }: AppliedBatch): { batch: number; revisions: Float64Array } | null {
    if (owner.node !== this.#node || owner.incarnation !== this.#incarnation) return null
    if (gap && !this.#gapAnswered) {
      this.#gapAnswered = true
      this.resend()
    }
    if (revisions === null) return null
    const pending = this.#pending.shift()
    assert(
      pending?.sequence === owner.sequence,
      `applied ${owner.sequence}, waiting for ${pending?.sequence}`,
    )
    this.#ticksWithoutProgress = 0
    this.#gapAnswered = false
    this.#refusal = null
    this.#patienceTicks = this.#resendTicks
    if (this.#sent > 0) {
      this.#sent--
      this.#sentBytes -= pending.bytes.length
    }
    return pending.abandoned ? null : { batch: pending.batch, revisions }
  }

  /**
   * A snapshot has applied everything up to this sequence, and nobody knows any more what came of it. Returns
   * the batches whose callers still wait.
   */
  skipTo(sequence: number): readonly number[] {
    const skipped = this.#pending.filter((each) => each.sequence > 0 && each.sequence <= sequence)
    this.#pending.splice(0, skipped.length)
    this.#refusal = null
    this.resend()
    return skipped.filter(({ abandoned }) => !abandoned).map(({ batch }) => batch)
  }

  #seal(pending: Pending): void {
    this.#sequence++
    pending.sequence = this.#sequence
    const owner: BatchOwner = {
      node: this.#node,
      incarnation: this.#incarnation,
      sequence: this.#sequence,
    }
    sealBatch(pending.bytes, owner)
  }
}
