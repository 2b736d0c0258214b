/** The fields of a decoded frame, taken one after another; each is validated as it is taken. */
import { isAddress } from '../address.ts'
import { isNodeId, type NodeId } from '../raft/types.ts'
import { demand, MalformedFrame } from './malformed.ts'

/** Characters of the reason for a refusal; longer ones are cut before they are sent. */
export const reasonLengthMax: number = 1_000

export class FieldReader {
  readonly #values: readonly unknown[]
  #next = 0

  constructor(values: readonly unknown[]) {
    this.#values = values
  }

  integer(name: string): number {
    const value = this.#take()
    const isUnsigned = Number.isSafeInteger(value) && Number(value) >= 0 && !Object.is(value, -0)
    if (typeof value !== 'number' || !isUnsigned) throw unexpected(name, 'an unsigned integer')
    return value
  }

  boolean(name: string): boolean {
    const value = this.#take()
    if (typeof value !== 'boolean') throw unexpected(name, 'a boolean')
    return value
  }

  bytes(name: string): Uint8Array {
    const value = this.#take()
    if (!(value instanceof Uint8Array)) throw unexpected(name, 'bytes')
    return value
  }

  nodeId(name: string): NodeId {
    const value = this.#take()
    if (!isNodeId(value)) throw unexpected(name, '16 hex digits')
    return value
  }

  address(name: string): string {
    const value = this.#take()
    if (!isAddress(value)) throw unexpected(name, 'host:port')
    return value
  }

  reason(name: string): string {
    const value = this.#take()
    if (typeof value !== 'string' || value.length > reasonLengthMax) {
      throw unexpected(name, `a text of at most ${reasonLengthMax} characters`)
    }
    return value
  }

  oneOf<Text extends string>(name: string, texts: readonly Text[]): Text {
    const value = this.#take()
    const known = texts.find((text) => text === value)
    if (known === undefined) throw unexpected(name, `one of ${texts.join(', ')}`)
    return known
  }

  /** Takes the next field if there is nothing in it. */
  isAbsent(): boolean {
    const isAbsent = this.#values[this.#next] === null
    if (isAbsent) this.#next++
    return isAbsent
  }

  /** Nothing may be left. What was missing was found where it was to be taken. */
  end(): void {
    const left = this.#values.length - this.#next
    demand(left === 0, `${left} fields too many`)
  }

  #take(): unknown {
    return this.#values[this.#next++]
  }
}

function unexpected(name: string, expected: string): MalformedFrame {
  return new MalformedFrame(`${name}: expected ${expected}`)
}
