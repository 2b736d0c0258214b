/**
 * A batch of commands: one event-loop turn of writes, and the payload of one log entry. The main thread
 * packs it once; storage seals it with its owner, sends and logs it unread, and unpacks it when it is
 * applied. The owner makes it apply exactly once, however often it was sent.
 *
 *     batch    version u8 │ node 8 bytes │ incarnation u64 │ sequence u64 │ count u32 │ commands
 *     command  type u8 │ key length u16 │ key │ for puts: value length u32 │ value
 *
 * Knows nothing of what the values hold (value.ts) or of whether the batch is durable (record.ts).
 */
import { isUtf8 } from 'node:buffer'
import { batchCommandsMax, keyBytesMax, valueBytesCeiling } from '../options.ts'
import { assert } from '../raft/assert.ts'
import type { NodeId } from '../raft/types.ts'
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
import { checkKey, tooLarge } from './key.ts'
import { demand } from './malformed.ts'
import { packValue } from './value.ts'

/** Raised whenever the layout changes; a node refuses batches of a version it does not know. */
const batchVersion = 1
const nodeAt = 1
const incarnationAt = 9
const sequenceAt = 17
const countAt = 25
const batchHeaderBytes = 29

const typePut = 1
const typeDelete = 2
/** Type and key length. */
const commandHeaderBytes = 3
const valueHeaderBytes = 4

// ── writing ─────────────────────────────────────────────────────────────────────────────────────

/** Who a batch came from. (node, incarnation) with a sequence of 1, 2, 3 … names it forever. */
export interface BatchOwner {
  readonly node: NodeId
  readonly incarnation: number
  readonly sequence: number
}

/** Keys up to this length are written faster here than through a call into C++. */
const shortKeyLength = 48

/**
 * Collects commands. A command that is refused leaves the batch as it was. The caller finishes it before
 * it holds more than `batchCommandsMax` commands, and once it has grown to `batchBytesMax`.
 */
export class BatchWriter {
  readonly #valueBytesMax: number
  readonly #buffer = new GrowingBuffer()
  #count = 0

  constructor({ valueBytesMax }: { readonly valueBytesMax: number }) {
    assert(valueBytesMax <= valueBytesCeiling, `valueBytesMax: ${valueBytesMax}`)
    this.#valueBytesMax = valueBytesMax
    this.#buffer.length = batchHeaderBytes
  }

  get count(): number {
    return this.#count
  }

  /** Of the batch as it stands, header included. */
  get byteLength(): number {
    return this.#buffer.length
  }

  /**
   * @throws TypeError for keys and values that cannot be stored
   * @throws SkiffError `SKIFF_TOO_LARGE`
   */
  put(key: string, value: unknown): void {
    checkKey(key)
    const packed = packValue(value)
    if (packed.length > this.#valueBytesMax) {
      throw tooLarge('value', packed.length, this.#valueBytesMax)
    }
    const at = this.#begin(typePut, key, valueHeaderBytes + packed.length)
    const { bytes } = this.#buffer
    writeUint32(bytes, at, packed.length)
    bytes.set(packed, at + valueHeaderBytes)
    this.#end(at + valueHeaderBytes + packed.length)
  }

  delete(key: string): void {
    checkKey(key)
    this.#end(this.#begin(typeDelete, key, 0))
  }

  /** The batch, in an ArrayBuffer of its own, not yet sealed. The writer is empty again. */
  finish(): Uint8Array<ArrayBuffer> {
    assert(this.#count > 0, 'a batch without commands')
    const { bytes } = this.#buffer
    bytes.fill(0, 0, batchHeaderBytes)
    bytes[0] = batchVersion
    writeUint32(bytes, countAt, this.#count)
    const batch = this.#buffer.take()
    this.#buffer.length = batchHeaderBytes
    this.#count = 0
    return batch
  }

  /** Writes type and key behind the batch, where they do not count until `#end`. */
  #begin(type: number, key: string, bytesBehindKey: number): number {
    assert(this.#count < batchCommandsMax, 'too many commands in a batch')
    this.#buffer.reserve(commandHeaderBytes + key.length * 3 + bytesBehindKey)
    const { bytes, length } = this.#buffer
    const keyEnd = writeKey(bytes, length + commandHeaderBytes, key)
    bytes[length] = type
    writeUint16(bytes, length + 1, keyEnd - length - commandHeaderBytes)
    return keyEnd
  }

  #end(length: number): void {
    this.#buffer.length = length
    this.#count++
  }
}

/** @returns the position behind it */
function writeKey(target: Buffer, at: number, key: string): number {
  if (key.length <= shortKeyLength) {
    let position = 0
    for (; position < key.length; position++) {
      const unit = key.charCodeAt(position)
      if (unit > 0x7f) break
      target[at + position] = unit
    }
    if (position === key.length) return at + position
  }
  return at + target.write(key, at)
}

/** Writes the owner into a finished batch, in place. */
export function sealBatch(batch: Uint8Array, { node, incarnation, sequence }: BatchOwner): void {
  const id = Buffer.from(node, 'hex')
  assert(id.length === incarnationAt - nodeAt, `no node id: ${node}`)
  batch.set(id, nodeAt)
  writeUint64(batch, incarnationAt, incarnation)
  writeUint64(batch, sequenceAt, sequence)
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

export interface Command {
  readonly type: 'put' | 'delete'
  readonly key: Buffer
  /** Packed; `null` for deletes. */
  readonly value: Buffer | null
}

export function batchOwner(batch: Uint8Array): BatchOwner {
  return {
    node: asBuffer(batch).toString('hex', nodeAt, incarnationAt),
    incarnation: readUint64(batch, incarnationAt),
    sequence: readUint64(batch, sequenceAt),
  }
}

export function batchCount(batch: Uint8Array): number {
  return readUint32(batch, countAt)
}

/**
 * Looks at everything a peer could have got wrong, except inside of the values.
 * @throws MalformedFrame
 */
export function checkBatch(batch: Uint8Array): void {
  demand(batch.length > batchHeaderBytes, `batch of ${batch.length} bytes`)
  demand(batch[0] === batchVersion, `batch of version ${batch[0]}`)
  const { incarnation, sequence } = batchOwner(batch)
  demand(Number.isSafeInteger(incarnation), 'batch: incarnation beyond 2^53')
  demand(Number.isSafeInteger(sequence), 'batch: sequence beyond 2^53')
  const count = batchCount(batch)
  demand(count > 0 && count <= batchCommandsMax, `batch of ${count} commands`)
  let at = batchHeaderBytes
  for (let command = 0; command < count; command++) at = checkCommand(batch, at)
  demand(at === batch.length, `batch: ${batch.length - at} bytes behind its commands`)
}

// Once per command: the messages are constant, so that they cost nothing while all is well.
/** @returns where the next one begins */
function checkCommand(batch: Uint8Array, at: number): number {
  demand(at + commandHeaderBytes <= batch.length, 'batch: ends within a command')
  const type = batch[at]
  demand(type === typePut || type === typeDelete, 'batch: command of unknown type')
  const keyLength = readUint16(batch, at + 1)
  demand(keyLength > 0, 'batch: empty key')
  demand(keyLength <= keyBytesMax, 'batch: key over its limit')
  const keyAt = at + commandHeaderBytes
  const keyEnd = keyAt + keyLength
  demand(keyEnd <= batch.length, 'batch: ends within a key')
  demand(isText(batch, keyAt, keyEnd), 'batch: key that is not UTF-8')
  return type === typePut ? checkCommandValue(batch, keyEnd) : keyEnd
}

function checkCommandValue(batch: Uint8Array, at: number): number {
  demand(at + valueHeaderBytes <= batch.length, 'batch: ends within a command')
  const length = readUint32(batch, at)
  demand(length > 0, 'batch: empty value')
  demand(length <= valueBytesCeiling, 'batch: value over its limit')
  const end = at + valueHeaderBytes + length
  demand(end <= batch.length, 'batch: ends within a value')
  return end
}

function isText(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    if ((bytes[at] ?? 0) > 0x7f) return isUtf8(bytes.subarray(at, to))
  }
  return true
}

/** The commands in their order: views of a batch that was checked, or never left this node. */
export function readCommands(batch: Uint8Array): Command[] {
  assert(batch[0] === batchVersion, `batch of version ${batch[0]}`)
  const bytes = asBuffer(batch)
  const commands = new Array<Command>(batchCount(batch))
  let at = batchHeaderBytes
  for (let command = 0; command < commands.length; command++) {
    const keyAt = at + commandHeaderBytes
    at = keyAt + readUint16(bytes, keyAt - 2)
    const key = bytes.subarray(keyAt, at)
    if (bytes[keyAt - commandHeaderBytes] === typePut) {
      const valueAt = at + valueHeaderBytes
      at = valueAt + readUint32(bytes, valueAt - valueHeaderBytes)
      commands[command] = { type: 'put', key, value: bytes.subarray(valueAt, at) }
    } else {
      commands[command] = { type: 'delete', key, value: null }
    }
  }
  assert(at === bytes.length, `batch of ${bytes.length} bytes ends at ${at}`)
  return commands
}
