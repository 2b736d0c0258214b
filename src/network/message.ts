/**
 * What is sent on a link once it is up: a sequence number (4 bytes, big-endian: 0, 1, 2, …) and a
 * frame. A gap means that something was lost on the way; it ends the link rather than stay hidden.
 */
import { frameBytesMax } from '../options.ts'
import { assert } from '../raft/assert.ts'

const sequenceBytes = 4
/** Bytes of the longest message; a listener closes the connection that sends a longer one. */
export const messageBytesMax: number = sequenceBytes + frameBytesMax

/** A copy, because the same frame goes out under another number on every link. */
export function encodeMessage(sequence: number, frame: Uint8Array): Uint8Array {
  assert(frame.length <= frameBytesMax, `frame of ${frame.length} bytes`)
  const message = Buffer.allocUnsafe(sequenceBytes + frame.length)
  message.writeUInt32BE(sequence)
  message.set(frame, sequenceBytes)
  return message
}

/** `null` when the message is too short to have one. */
export function sequenceOf(message: Uint8Array): number | null {
  if (message.length < sequenceBytes) return null
  return new DataView(message.buffer, message.byteOffset).getUint32(0)
}

/** A copy that owns its ArrayBuffer: the message is only lent, the frame may move to another thread. */
export function frameOf(message: Uint8Array): Uint8Array {
  return message.slice(sequenceBytes)
}

/** Wraps around, which a link of a thousand frames a second does after seven weeks. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) >>> 0
}
