/**
 * The first message of either side of a handshake, in a fixed layout so that a stranger's bytes meet
 * nothing cleverer than offsets. Integers are big-endian.
 *
 *     0  4  magic          7  16  cluster id, zeros: none    39   8  expected node id, zeros: any
 *     4  2  version       23   8  node id                    47  32  nonce
 *     6  1  purpose       31   8  incarnation                79   2  bytes of address
 *                                                            81   1  ancestors
 *
 * Then come the address, and the incarnations before this one, 8 bytes each, rising.
 *
 * Magic and version stay where they are forever, so that any two versions can tell each other apart.
 */
import { isAddress } from '../address.ts'
import { assert } from '../raft/assert.ts'
import { lineageMax } from '../raft/lineage.ts'
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
export const protocolVersion: number = 2
export const nonceBytes: number = 32
/** Bytes of any handshake message. A longer one is not read. */
export const handshakeBytesMax: number = 512

const magic = Buffer.from('skif')
const purposes: readonly Purpose[] = ['answer', 'link', 'probe']

// The layout above. From the cluster id on, a field ends where the next one begins.
const versionAt = 4
const purposeAt = 6
const clusterIdAt = 7
const nodeIdAt = 23
const incarnationAt = 31
const expectedIdAt = 39
const nonceAt = 47
const addressBytesAt = 79
const ancestorsAt = 81
const addressAt = 82
const ancestorBytes = 8
/** A hello of any length that can be is a handshake message: see `handshakeBytesMax`. */
const ancestorsMax = lineageMax - 1

const noCluster = '0'.repeat(32)
const noNode = '0'.repeat(16)

export function encodeHello(hello: Hello): Uint8Array {
  const address = Buffer.from(hello.address)
  const { ancestors } = hello
  const bytes = Buffer.alloc(addressAt + address.length + ancestorBytes * ancestors.length)
  assert(ancestors.length <= ancestorsMax, `${ancestors.length} ancestors`)
  assert(bytes.length <= handshakeBytesMax, `address of ${address.length} bytes`)
  assert(hello.nonce.length === nonceBytes, `nonce of ${hello.nonce.length} bytes`)
  magic.copy(bytes)
  bytes.writeUInt16BE(protocolVersion, versionAt)
  bytes.writeUInt8(purposes.indexOf(hello.purpose), purposeAt)
  writeHex(bytes, clusterIdAt, nodeIdAt, hello.clusterId ?? noCluster)
  writeHex(bytes, nodeIdAt, incarnationAt, hello.nodeId)
  bytes.writeBigUInt64BE(BigInt(hello.incarnation), incarnationAt)
  writeHex(bytes, expectedIdAt, nonceAt, hello.expectedId ?? noNode)
  bytes.set(hello.nonce, nonceAt)
  bytes.writeUInt16BE(address.length, addressBytesAt)
  bytes.writeUInt8(ancestors.length, ancestorsAt)
  bytes.set(address, addressAt)
  for (const [n, ancestor] of ancestors.entries())
    bytes.writeBigUInt64BE(BigInt(ancestor), addressAt + address.length + ancestorBytes * n)
  return bytes
}

/** Never throws, whatever the bytes; what it returns shares no memory with them. */
export function decodeHello(message: Uint8Array): Hello | Refusal {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  if (bytes.length < purposeAt || magic.compare(bytes, 0, versionAt) !== 0) {
    return malformed('not a hello')
  }
  const version = bytes.readUInt16BE(versionAt)
  if (version !== protocolVersion) {
    return refusal('version', `speaks protocol version ${protocolVersion}, not ${version}`)
  }
  const ends = bytes.length < addressAt ? null : endsOf(bytes)
  if (ends === null || bytes.length !== ends.ancestors) return malformed('hello of a wrong length')
  const purpose = purposes[bytes.readUInt8(purposeAt)]
  const nodeId = bytes.toString('hex', nodeIdAt, incarnationAt)
  const incarnation = Number(bytes.readBigUInt64BE(incarnationAt))
  const address = readAddress(bytes.subarray(addressAt, ends.address))
  const ancestors = readAncestors(bytes.subarray(ends.address))
  if (purpose === undefined || nodeId === noNode || !isRising([...ancestors, incarnation])) {
    return malformed('hello with impossible fields')
  }
  if (address === null) return malformed('hello with an impossible address')
  return {
    purpose,
    clusterId: hexOrNull(bytes.toString('hex', clusterIdAt, nodeIdAt), noCluster),
    nodeId,
    incarnation,
    ancestors,
    expectedId: hexOrNull(bytes.toString('hex', expectedIdAt, nonceAt), noNode),
    nonce: Uint8Array.from(bytes.subarray(nonceAt, addressBytesAt)),
    address,
  }
}

/** Where the fields of no fixed length end. */
function endsOf(bytes: Buffer): { readonly address: number; readonly ancestors: number } {
  const address = addressAt + bytes.readUInt16BE(addressBytesAt)
  return { address, ancestors: address + ancestorBytes * bytes.readUInt8(ancestorsAt) }
}

function readAncestors(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / ancestorBytes }, (_, n) =>
    Number(bytes.readBigUInt64BE(n * ancestorBytes)),
  )
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, n) => {
    const before = n === 0 ? -1 : (numbers[n - 1] ?? 0)
    return Number.isSafeInteger(number) && number > before
  })
}

export function isRefusal(decoded: Hello | Refusal): decoded is Refusal {
  return 'kind' in decoded
}

function malformed(reason: string): Refusal {
  return refusal('malformed', reason)
}

function writeHex(bytes: Buffer, from: number, to: number, digits: string): void {
  const length = to - from
  const written = bytes.write(digits, from, length, 'hex')
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
  try {
    const address = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return isAddress(address) ? address : null
  } catch {
    return null
  }
}
