/**
 * As much of HPACK (RFC 7541) as gRPC needs: the headers of a request, which are the same for every call of a
 * method, and the one header of an answer that matters, `grpc-status`. There is no dynamic table, since the
 * connection allows none; and of Huffman's code only the name and the digits of that header are known.
 */

const indexedMark = 0x80
const indexedBits = 7
const addedMark = 0x40
const addedBits = 6
const tableSizeMark = 0x20
const tableSizeBits = 5
const plainBits = 4
const huffmanMark = 0x80
const lengthBits = 7

/** Of the static table. */
const methodPost = 0x83
const schemeHttp = 0x86
const authorityIndex = 1
const pathIndex = 4
const contentTypeIndex = 31

const statusName = Buffer.from('grpc-status')
const statusNameHuffman = Buffer.from('9acac8b21234da8f', 'hex')
/** Of the digits, as long as each stands alone at the start of a byte. */
const digitCodes: readonly (readonly [code: number, bits: number])[] = [
  [0x00, 5],
  [0x01, 5],
  [0x02, 5],
  [0x19, 6],
  [0x1a, 6],
  [0x1b, 6],
  [0x1c, 6],
  [0x1d, 6],
  [0x1e, 6],
  [0x1f, 6],
]

/** Of a call without compression. */
export function encodeCallHeaders(authority: string, path: string): Buffer {
  return Buffer.concat([
    Buffer.from([methodPost, schemeHttp]),
    encodeInteger(pathIndex, plainBits),
    encodeString(path),
    encodeInteger(authorityIndex, plainBits),
    encodeString(authority),
    encodeInteger(contentTypeIndex, plainBits),
    encodeString('application/grpc'),
    encodeInteger(0, plainBits),
    encodeString('te'),
    encodeString('trailers'),
  ])
}

/** The number in `grpc-status`, or `undefined`. */
export function grpcStatusOf(block: Buffer): number | undefined {
  for (let at = 0; at < block.length; ) {
    const first = block[at] ?? 0
    if ((first & indexedMark) !== 0) at = decodeInteger(block, at, indexedBits).end
    else if ((first & addedMark) === 0 && (first & tableSizeMark) !== 0)
      at = decodeInteger(block, at, tableSizeBits).end
    else {
      const index = decodeInteger(block, at, (first & addedMark) === 0 ? plainBits : addedBits)
      const name = index.value === 0 ? decodeString(block, index.end) : null
      const value = decodeString(block, name?.end ?? index.end)
      if (name !== null && isStatusName(name)) return decodeDigits(value)
      at = value.end
    }
  }
  return undefined
}

interface Text {
  readonly bytes: Buffer
  readonly huffman: boolean
  readonly end: number
}

function isStatusName({ bytes, huffman }: Text): boolean {
  return bytes.equals(huffman ? statusNameHuffman : statusName)
}

function decodeDigits({ bytes, huffman }: Text): number {
  return Number(huffman ? digitsOf(bytes) : bytes.toString('latin1'))
}

/** The rest of the last byte is filled with ones. */
function digitsOf(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  let text = ''
  for (let at = 0; !/^1*$/.test(bits.slice(at)); ) {
    const digit = digitCodes.findIndex(([code, length]) =>
      bits.startsWith(code.toString(2).padStart(length, '0'), at),
    )
    const length = digitCodes[digit]?.[1]
    if (length === undefined) throw new Error(`no digits: ${bytes.toString('hex')}`)
    text += digit
    at += length
  }
  return text
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([encodeInteger(bytes.length, lengthBits), bytes])
}

function decodeString(block: Buffer, at: number): Text {
  const length = decodeInteger(block, at, lengthBits)
  const end = length.end + length.value
  if (end > block.length) throw new Error('a header is cut off')
  const huffman = ((block[at] ?? 0) & huffmanMark) !== 0
  return { bytes: block.subarray(length.end, end), huffman, end }
}

/** In the lower `bits` of a byte, and in more bytes when it does not fit there. */
function encodeInteger(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1
  if (value < most) return Buffer.from([value])
  const bytes = [most]
  let rest = value - most
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

function decodeInteger(block: Buffer, start: number, bits: number): { value: number; end: number } {
  const most = 2 ** bits - 1
  let value = (block[start] ?? 0) & most
  if (value < most) return { value, end: start + 1 }
  for (let at = start + 1; at < block.length; at++) {
    const byte = block[at] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * (at - start - 1))
    if (byte < 0x80) return { value, end: at + 1 }
  }
  throw new Error('an integer is cut off')
}
