/**
 * The state machine of the simulation. It does no more than what must be right: every command takes
 * effect exactly once and in order of its session, and equal logs make equal states.
 */
import { assert } from '../../../src/raft/assert.ts'
import type { Entry, Index } from '../../../src/raft/types.ts'

/** One batch of a client: the `sequence`th of its session. */
export interface Command {
  readonly session: number
  readonly sequence: number
}

/** Four bytes of meaning and `padding` of weight, so that byte limits matter. */
export function encodeCommand({ session, sequence }: Command, padding: number): Uint8Array {
  const bytes = new Uint8Array(4 + padding)
  bytes[0] = session >> 8
  bytes[1] = session
  bytes[2] = sequence >> 8
  bytes[3] = sequence
  return bytes
}

export function decodeCommand(bytes: Uint8Array): Command {
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  return { session: (a << 8) | b, sequence: (c << 8) | d }
}

export class StateMachine {
  appliedIndex: Index = 0
  /** The last entry that changed anything. */
  changedIndex: Index = 0
  /** Of everything applied, in order. */
  hash = 0
  readonly #sequences = new Map<number, number>()

  /** The last command of this session that took effect. */
  sequence(session: number): number {
    return this.#sequences.get(session) ?? 0
  }

  apply(entry: Entry): void {
    assert(entry.index === this.appliedIndex + 1, `${entry.index} after ${this.appliedIndex}`)
    this.appliedIndex = entry.index
    this.hash = mix(mix(this.hash, entry.index), entry.term)
    if (entry.type === 'batch') this.#applyCommand(decodeCommand(entry.bytes))
  }

  /** Only the next in turn counts: a repeated one is known already, one too early will be sent again. */
  #applyCommand({ session, sequence }: Command): void {
    if (sequence !== this.sequence(session) + 1) return
    this.#sequences.set(session, sequence)
    this.changedIndex = this.appliedIndex
    this.hash = mix(mix(this.hash, session), sequence)
  }
}

/** One step of a 32-bit hash (murmur3's finaliser over a running sum). */
export function mix(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ value, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35) + 0x165667b1
  return mixed ^ (mixed >>> 16)
}
