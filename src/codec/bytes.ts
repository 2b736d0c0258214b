/**
 * The alphabet of every layout in this folder: unsigned big-endian integers, exact buffers, and a buffer
 * that grows. Plain byte arithmetic: a DataView per record would cost more than reading the record.
 */
import { assert } from '../raft/assert.ts'

const two32 = 2 ** 32

export function writeUint16(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 8
  target[at + 1] = value
}

export function readUint16(source: Uint8Array, at: number): number {
  return (byte(source, at) << 8) | byte(source, at + 1)
}

export function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

export function readUint32(source: Uint8Array, at: number): number {
  return ((readUint16(source, at) << 16) | readUint16(source, at + 2)) >>> 0
}

/** Eight bytes for a safe integer; what reads back is safe too, unless the bytes were made elsewhere. */
export function writeUint64(target: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'not an unsigned integer')
  writeUint32(target, at, Math.floor(value / two32))
  writeUint32(target, at + 4, value)
}

export function readUint64(source: Uint8Array, at: number): number {
  return readUint32(source, at) * two32 + readUint32(source, at + 4)
}

// Callers check lengths once per record; beyond the end there are zeros, never NaN.
function byte(source: Uint8Array, at: number): number {
  return source[at] ?? 0
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The same bytes in an ArrayBuffer of exactly their size, which may therefore be moved; copied if need be. */
export function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isExact(bytes) ? bytes : new Uint8Array(bytes)
}

function isExact(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
}

/** What a new {@link GrowingBuffer} holds. */
const growingBytesMin = 16 * 2 ** 10
/** A buffer that grew beyond this is given back once it is emptied. */
const growingBytesKept = 2 * 2 ** 20

/** Bytes written one after another. Writers put them at `length` of `bytes` and move `length` on. */
export class GrowingBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(growingBytesMin)
  length = 0

  /** Makes room for `count` more; `bytes` may be another buffer afterwards. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }

  /** Everything written, in a buffer of its own; this one is empty again. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = Buffer.allocUnsafeSlow(this.length)
    taken.set(this.bytes.subarray(0, this.length))
    this.length = 0
    if (this.bytes.length > growingBytesKept) this.bytes = Buffer.allocUnsafeSlow(growingBytesMin)
    return taken
  }
}
