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
  for (let at = 0; at < message.length; ) {
    const tag = decodeVarint(message, at)
    const wanted = tag.value >> 3n === BigInt(field)
    at = tag.end
    switch (Number(tag.value & 7n)) {
      case varintType: {
        const { value, end } = decodeVarint(message, at)
        if (wanted) return value
        at = end
        break
      }
      case bytesType: {
        const length = decodeVarint(message, at)
        const end = length.end + Number(length.value)
        if (end > message.length) throw new Error(`a field of ${length.value} bytes is cut off`)
        if (wanted) return message.subarray(length.end, end)
        at = end
        break
      }
      case fixed64Type:
        at += 8
        break
      case fixed32Type:
        at += 4
        break
      default:
        throw new Error(`byte ${at - 1} begins no protobuf field`)
    }
  }
  return undefined
}

function decodeVarint(message: Buffer, start: number): { value: bigint; end: number } {
  let value = 0n
  for (let at = start; at < message.length; at++) {
    const byte = message[at] ?? 0
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start))
    if (byte < 0x80) return { value, end: at + 1 }
  }
  throw new Error(`the integer at byte ${start} is cut off`)
}
