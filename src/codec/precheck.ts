/**
 * A look at MessagePack from a peer before msgpackr sees it. msgpackr trusts headers: it allocates what they
 * announce, recurses as deep as they nest, and compiles record definitions. What passes here is one array
 * of a few plain elements whose announced lengths are all really there.
 */
import { readUint16, readUint32 } from './bytes.ts'
import { demand, MalformedFrame } from './malformed.ts'

/** Bytes of a text in a frame: enough for a thousand characters of any kind. */
const textBytesMax = 4_000
/** Elements of an array in the short form, the only one we send. */
const elementsMax = 15

/**
 * Throws unless `bytes` is, from `at` to its end, one flat array of booleans, nil, numbers, texts and byte
 * strings. Its first element must be a small number: the code of its type.
 *
 * @returns that code
 * @throws MalformedFrame
 */
export function precheck(bytes: Uint8Array, at: number): number {
  demand(bytes.length >= at + 2, 'frame ends before its type')
  const [head = 0, code = 0] = bytes.subarray(at, at + 2)
  demand(head > 0x90 && head <= 0x90 + elementsMax, `frame is no short array: ${hex(head)}`)
  demand(code < 0x80, `frame type is no small number: ${hex(code)}`)
  const fields = head - 0x91
  let end = at + 2
  for (let field = 0; field < fields; field++) {
    demand(end < bytes.length, 'frame ends before its last field')
    end += elementBytes(bytes, end)
    demand(end <= bytes.length, 'frame ends within a field')
  }
  demand(end === bytes.length, `${bytes.length - end} bytes behind the last field`)
  return code
}

/** What an element takes, or claims to take. */
function elementBytes(bytes: Uint8Array, at: number): number {
  const head = bytes[at] ?? 0
  if (head < 0x80 || head >= 0xe0) return 1
  if (head >= 0xa0 && head < 0xc0) return 1 + (head & 0x1f)
  switch (head) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return 1
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return 2
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return 3
    case 0xce: // uint 32
    case 0xd2: // int 32
      return 5
    case 0xcb: // float 64
      return 9
    case 0xd9: // str 8
      return 2 + textBytes(bytes[at + 1] ?? 0)
    case 0xda: // str 16
      return 3 + textBytes(readUint16(bytes, at + 1))
    case 0xc4: // bin 8
      return 2 + (bytes[at + 1] ?? 0)
    case 0xc5: // bin 16
      return 3 + readUint16(bytes, at + 1)
    case 0xc6: // bin 32
      return 5 + readUint32(bytes, at + 1)
    default:
      throw new MalformedFrame(`frame holds an element of type ${hex(head)}`)
  }
}

function textBytes(length: number): number {
  demand(length <= textBytesMax, `frame holds a text of ${length} bytes`)
  return length
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}
