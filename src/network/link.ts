/**
 * A standing link to one peer: dialled for as long as it is wanted, and again whenever it was lost. Only
 * we talk on it. While it is down whatever is to be sent is dropped: Raft sends again, and knows better
 * by then what is worth sending.
 */
import { SkiffError } from '../errors.ts'
import type { PeerAddress } from '../messages.ts'
import { linkBytesMax } from '../options.ts'
import { assert } from '../raft/assert.ts'
import type { Dial, DialEvents, DialFailure } from './dialer.ts'
import { encodeMessage, nextSequence } from './message.ts'
import type { RefusalKind } from './refusal.ts'

/** First wait before dialling again. It doubles with every failure, up to the longest. */
const redialMsMin = 50
const redialMsMax = 1_000
/** The same after a refusal, which time alone seldom cures. */
const refusedRedialMsMin = 500
const refusedRedialMsMax = 5_000

/** Refusals that time does cure. */
const passing: readonly RefusalKind[] = ['unavailable', 'occupied']

type State =
  | { readonly name: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly name: 'dialling'; readonly dial: Dial }
  | { readonly name: 'up'; readonly dial: Dial; sequence: number }
  | { readonly name: 'closed' }

/** Part of a node's public status. */
export interface LinkStatus {
  readonly id: string
  readonly address: string
  readonly up: boolean
  /** Why the last attempt failed, or the last link ended. */
  readonly reason: string | null
}

export interface LinkOptions {
  readonly peer: PeerAddress
  readonly dial: (peer: PeerAddress, events: DialEvents) => Dial
  readonly changed: (up: boolean) => void
}

export class Link {
  readonly peer: PeerAddress
  readonly #options: LinkOptions
  #state: State
  /** Attempts that failed since the link was last up. */
  #failures = 0
  #reason: string | null = null

  constructor(options: LinkOptions) {
    this.peer = options.peer
    this.#options = options
    this.#state = this.#dialling()
  }

  status(): LinkStatus {
    const up = this.#state.name === 'up'
    return { ...this.peer, up, reason: up ? null : this.#reason }
  }

  send(frame: Uint8Array): void {
    const state = this.#state
    if (state.name !== 'up') return
    if (state.dial.bufferedBytes + frame.length > linkBytesMax) {
      this.#overflow(state.dial)
      return
    }
    state.dial.send(encodeMessage(state.sequence, frame))
    state.sequence = nextSequence(state.sequence)
  }

  /** There is reason to believe that an attempt would go better now. */
  hurry(): void {
    if (this.#state.name !== 'waiting') return
    clearTimeout(this.#state.timer)
    this.#state = this.#dialling()
  }

  close(): void {
    const state = this.#state
    this.#state = { name: 'closed' }
    if (state.name === 'waiting') clearTimeout(state.timer)
    if (state.name === 'dialling' || state.name === 'up') {
      state.dial.abort(new SkiffError('SKIFF_CLOSED', 'not-applied', 'the link was given up'))
    }
    if (state.name === 'up') this.#options.changed(false)
  }

  #dialling(): State {
    const dial = this.#options.dial(this.peer, {
      up: () => this.#up(dial),
      down: (failure) => this.#down(failure),
    })
    return { name: 'dialling', dial }
  }

  #up(dial: Dial): void {
    assert(this.#state.name === 'dialling', `link came up while ${this.#state.name}`)
    this.#state = { name: 'up', dial, sequence: 0 }
    this.#failures = 0
    this.#options.changed(true)
  }

  #down({ error, refusal }: DialFailure): void {
    const { name } = this.#state
    if (name === 'closed') return
    this.#reason = error.message
    const slow = refusal !== null && !passing.includes(refusal.kind)
    const timer = setTimeout(() => {
      this.#state = this.#dialling()
    }, this.#redialMs(slow))
    this.#state = { name: 'waiting', timer }
    if (name === 'up') this.#options.changed(false)
  }

  #redialMs(slow: boolean): number {
    const min = slow ? refusedRedialMsMin : redialMsMin
    const max = slow ? refusedRedialMsMax : redialMsMax
    const delayMs = Math.min(max, min * 2 ** this.#failures)
    this.#failures += 1
    // Spread, so that peers that lost a node together do not come back together.
    return delayMs * (0.5 + Math.random() / 2)
  }

  #overflow(dial: Dial): void {
    const message = `more than ${linkBytesMax} bytes unsent to ${this.peer.address}`
    dial.abort(new SkiffError('SKIFF_OVERLOADED', 'not-applied', message))
  }
}
