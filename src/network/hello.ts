/**
 * The first message of either side of a handshake, in a fixed layout so that a stranger's bytes meet
 * nothing cleverer than offsets. Integers are little-endian.
 *
 *     0  4  magic          7  16  cluster id, zeros: none    39   8  expected node id, zeros: any
 *     4  2  version       23   8  node id                    47  32  nonce
 *     6  1  purpose       31   8  incarnation                79   2  bytes of address, which follows
 *
 * Magic and version stay where they are for ever, so that any two versions can tell each other apart.
 */
import { parseAddress } from '../options.ts'
import { assert } from '../raft/assert.ts'
import type { NodeId } from '../raft/types.ts'
import type { PeerIdentity } from './identity.ts'
import { type Refusal, refusal } from './refusal.ts'

export interface Hello extends PeerIdentity {
  /** A dialer wants a `link`, or only to know who answers (`probe`); a listener sends its `answer`. */
  readonly purpose: Purpose
  /** Whom the dialer means to reach; `null`: whoever it is. */
  readonly expectedId: NodeId | null
  /** Random, never used twice: makes the proofs of this handshake worthless in any other. */
  readonly nonce: Uint8Array
}

export type Purpose = 'answer' | 'link' | 'probe'

/** Changes with everything a peer of another version would misread. */
export const protocolVersion: number = 1
export const nonceBytes: number = 32
/** Bytes of an address: a host name has at most 253, a port 5, the rest is punctuation. */
const addressBytesMax = 300
/** Bytes of any handshake message. A longer one is not read. */
export const handshakeBytesMax: number = 512

const magic = Buffer.from('skif')
const purposes: readonly Purpose[] = ['answer', 'link', 'probe']
const headBytes = 81
const noCluster = '0'.repeat(32)
const noNode = '0'.repeat(16)

export function encodeHello(hello: Hello): Uint8Array {
  const address = Buffer.from(hello.address)
  assert(address.length <= addressBytesMax, `address of ${address.length} bytes`)
  assert(hello.nonce.length === nonceBytes, `nonce of ${hello.nonce.length} bytes`)
  const bytes = Buffer.alloc(headBytes + address.length)
  magic.copy(bytes)
  bytes.writeUInt16LE(protocolVersion, 4)
  bytes.writeUInt8(purposes.indexOf(hello.purpose), 6)
  writeHex(bytes, 7, 16, hello.clusterId ?? noCluster)
  writeHex(bytes, 23, 8, hello.nodeId)
  bytes.writeBigUInt64LE(BigInt(hello.incarnation), 31)
  writeHex(bytes, 39, 8, hello.expectedId ?? noNode)
  bytes.set(hello.nonce, 47)
  bytes.writeUInt16LE(address.length, 79)
  bytes.set(address, headBytes)
  return bytes
}

/** Never throws, whatever the bytes; what it returns shares no memory with them. */
export function decodeHello(message: Uint8Array): Hello | Refusal {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
  if (bytes.length < 6 || magic.compare(bytes, 0, 4) !== 0) return malformed('not a hello')
  const version = bytes.readUInt16LE(4)
  if (version !== protocolVersion) {
    return refusal('version', `speaks protocol version ${protocolVersion}, not ${version}`)
  }
  if (bytes.length < headBytes || bytes.length !== headBytes + bytes.readUInt16LE(79)) {
    return malformed('hello of a wrong length')
  }
  const purpose = purposes[bytes.readUInt8(6)]
  const nodeId = bytes.toString('hex', 23, 31)
  const incarnation = Number(bytes.readBigUInt64LE(31))
  const address = readAddress(bytes.subarray(headBytes))
  if (purpose === undefined || nodeId === noNode || !Number.isSafeInteger(incarnation)) {
    return malformed('hello with impossible fields')
  }
  if (address === null) return malformed('hello with an impossible address')
  return {
    purpose,
    clusterId: hexOrNull(bytes.toString('hex', 7, 23), noCluster),
    nodeId,
    incarnation,
    expectedId: hexOrNull(bytes.toString('hex', 39, 47), noNode),
    nonce: Uint8Array.from(bytes.subarray(47, 47 + nonceBytes)),
    address,
  }
}

export function isRefusal(decoded: Hello | Refusal): decoded is Refusal {
  return 'kind' in decoded
}

function malformed(reason: string): Refusal {
  return refusal('malformed', reason)
}

function writeHex(bytes: Buffer, offset: number, length: number, digits: string): void {
  const written = bytes.write(digits, offset, length, 'hex')
  assert(
    written === length && digits.length === 2 * length && digits === digits.toLowerCase(),
    `expected ${2 * length} lower-case hex digits, got ${JSON.stringify(digits)}`,
  )
}

function hexOrNull(digits: string, none: string): string | null {
  return digits === none ? null : digits
}

/** `null` where it is no UTF-8, or no `host:port`. */
function readAddress(bytes: Uint8Array): string | null {
  if (bytes.length > addressBytesMax) return null
  try {
    const address = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    parseAddress(address, 'address')
    return address
  } catch {
    return null
  }
}
