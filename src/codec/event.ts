/**
 * Watch events on their way from storage to the main thread, packed so that a turn of them is one buffer.
 * Both ends are one process, so they are asserted rather than validated.
 *
 *     type u8 │ revision u64 │ key length u16 │ value length u32 │ previous length u32 │ key │ value │ previous
 */
import { assert } from '../raft/assert.ts'
import {
  asBuffer,
  GrowingBuffer,
  readUint16,
  readUint32,
  readUint64,
  writeUint16,
  writeUint32,
  writeUint64,
} from './bytes.ts'

const typePut = 1
const typeDelete = 2
const revisionAt = 1
const keyLengthAt = 9
const valueLengthAt = 11
const previousLengthAt = 15
const eventHeaderBytes = 19
/** The length of a value that is not there. */
const absent = 0xffff_ffff

export interface PackedEvent {
  readonly type: 'put' | 'delete'
  readonly revision: number
  readonly key: string
  /** Packed, a view; `null` for deletes. */
  readonly value: Uint8Array | null
  /** Packed, a view; `null` if there was none, or it was not asked for. */
  readonly previous: Uint8Array | null
  /** What it counts against its watcher's limit. */
  readonly byteLength: number
}

/** What an event counts against its watcher's limit; absent values have length 0. */
export function eventBytes(keyLength: number, valueLength: number, previousLength: number): number {
  return eventHeaderBytes + keyLength + valueLength + previousLength
}

export class EventWriter {
  readonly #buffer = new GrowingBuffer()
  #count = 0

  get count(): number {
    return this.#count
  }

  put(revision: number, key: Uint8Array, value: Uint8Array, previous: Uint8Array | null): void {
    this.#write(typePut, revision, key, value, previous)
  }

  delete(revision: number, key: Uint8Array, previous: Uint8Array | null): void {
    this.#write(typeDelete, revision, key, null, previous)
  }

  /** The events, in an ArrayBuffer of their own. The writer is empty again. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#count = 0
    return this.#buffer.take()
  }

  #write(
    type: number,
    revision: number,
    key: Uint8Array,
    value: Uint8Array | null,
    previous: Uint8Array | null,
  ): void {
    this.#buffer.reserve(eventBytes(key.length, value?.length ?? 0, previous?.length ?? 0))
    const { bytes, length: start } = this.#buffer
    bytes[start] = type
    writeUint64(bytes, start + revisionAt, revision)
    writeUint16(bytes, start + keyLengthAt, key.length)
    writeUint32(bytes, start + valueLengthAt, value?.length ?? absent)
    writeUint32(bytes, start + previousLengthAt, previous?.length ?? absent)
    let end = start + eventHeaderBytes
    for (const part of [key, value, previous]) {
      if (part === null) continue
      bytes.set(part, end)
      end += part.length
    }
    this.#buffer.length = end
    this.#count++
  }
}

/** The events in their order; their values are views. */
export function readEvents(events: Uint8Array): PackedEvent[] {
  const bytes = asBuffer(events)
  const read: PackedEvent[] = []
  let at = 0
  while (at < bytes.length) {
    const event = readEvent(bytes, at)
    at += event.byteLength
    read.push(event)
  }
  assert(at === bytes.length, `events of ${bytes.length} bytes end at ${at}`)
  return read
}

function readEvent(bytes: Buffer, at: number): PackedEvent {
  const type = bytes[at]
  assert(type === typePut || type === typeDelete, 'event of unknown type')
  const keyAt = at + eventHeaderBytes
  const valueAt = keyAt + readUint16(bytes, at + keyLengthAt)
  const value = readPart(bytes, valueAt, readUint32(bytes, at + valueLengthAt))
  assert((value !== null) === (type === typePut), 'event: value out of place')
  const previousAt = valueAt + (value?.length ?? 0)
  const previous = readPart(bytes, previousAt, readUint32(bytes, at + previousLengthAt))
  return {
    type: type === typePut ? 'put' : 'delete',
    revision: readUint64(bytes, at + revisionAt),
    key: bytes.toString('utf8', keyAt, valueAt),
    value,
    previous,
    byteLength: eventBytes(valueAt - keyAt, value?.length ?? 0, previous?.length ?? 0),
  }
}

function readPart(bytes: Buffer, at: number, length: number): Uint8Array | null {
  if (length === absent) return null
  assert(at + length <= bytes.length, 'events end within a value')
  return bytes.subarray(at, at + length)
}
