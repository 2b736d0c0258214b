/**
 * As much of protobuf as the peers' requests need: fields of bytes out; bytes and integers in. By hand,
 * since the generator shares the machine with what it measures.
 */

const varintType = 0
const fixed64Type = 1
const bytesType = 2
const fixed32Type = 5

/** A field of bytes or text. Fields put one behind the other are a message. */
export function encodeBytes(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([encodeVarint((field << 3) | bytesType), encodeVarint(bytes.length), bytes])
}

/** The first field of that number, or `undefined`: it is absent, and so empty. */
export function bytesOf(message: Buffer, field: number): Buffer | undefined {
  const value = fieldOf(message, field)
  return typeof value === 'bigint' ? undefined : value
}

/** The first field of that number; absent is 0. */
export function integerOf(message: Buffer, field: number): bigint {
  const value = fieldOf(message, field)
  return typeof value === 'bigint' ? value : 0n
}

function encodeVarint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

function fieldOf(message: Buffer, field: number): Buffer | bigint | undefined {
  const reader = new Reader(message)
  while (!reader.isAtEnd) {
    const tag = reader.count()
    const isWanted = tag >>> 3 === field
    switch (tag & 7) {
      case varintType:
        if (isWanted) return reader.integer()
        reader.count()
        break
      case bytesType: {
        const bytes = reader.bytes(reader.count())
        if (isWanted) return bytes
        break
      }
      case fixed64Type:
        reader.bytes(8)
        break
      case fixed32Type:
        reader.bytes(4)
        break
      default:
        throw new Error(`${tag} begins no protobuf field`)
    }
  }
  return undefined
}

class Reader {
  readonly #message: Buffer
  #at = 0

  constructor(message: Buffer) {
    this.#message = message
  }

  get isAtEnd(): boolean {
    return this.#at === this.#message.length
  }

  /** A small integer; of a large one the lower bits are lost. */
  count(): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  integer(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  bytes(length: number): Buffer {
    const begin = this.#at
    this.#at += length
    if (this.#at > this.#message.length) throw new Error(`${length} bytes are cut off`)
    return this.#message.subarray(begin, this.#at)
  }

  #byte(): number {
    const byte = this.#message[this.#at++]
    if (byte === undefined) throw new Error('an integer is cut off')
    return byte
  }
}
