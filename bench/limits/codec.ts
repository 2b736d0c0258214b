/**
 * What a put costs in encoding and decoding, step by step on its way: packed by the main thread, made an entry, framed
 * by the codec, unframed and checked by that of a follower, unpacked where it is applied. Per batch of 64 puts.
 */
import { BatchWriter, readCommands, sealBatch } from '../../src/codec/command.ts'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import { packEntries } from '../../src/codec/record.ts'
import type { WireAppend } from '../../src/messages.ts'
import { keyOf, pick, valuesOf } from '../load/operations.ts'
import { type Timing, timeFor } from './timing.ts'

export interface CodecTiming {
  readonly what: string
  /** Of each value. */
  readonly bytes: number
  readonly timing: Timing
}

const putsPerBatch = 64
const valueSizes: readonly number[] = [16, 100, 256, 1_024, 16_384]
const valueBytesMax = 2 ** 20
const owner = { node: '0123456789abcdef', incarnation: 1, sequence: 1 }
const term = 1
const stepMsMax = 500

export function* codecTimings(measureMs: number): Generator<CodecTiming> {
  const ms = Math.min(measureMs, stepMsMax)
  for (const bytes of valueSizes) {
    const values = valuesOf(bytes)
    const writer = new BatchWriter({ valueBytesMax })
    const pack = () => {
      for (let n = 0; n < putsPerBatch; n++) writer.put(keyOf(n), pick(values, n))
      const batch = writer.finish()
      sealBatch(batch, owner)
      return batch
    }
    const batch = pack()
    const record = () => packEntries([{ index: 1, term, type: 'batch', bytes: batch }])
    const append = appendOf(record())
    const frame = encodeFrame(append)
    yield { what: 'pack 64 puts', bytes, timing: timeFor(ms, pack) }
    yield { what: 'make an entry of 64 puts', bytes, timing: timeFor(ms, record) }
    yield { what: 'frame 64 puts', bytes, timing: timeFor(ms, () => encodeFrame(append)) }
    yield { what: 'unframe, check 64 puts', bytes, timing: timeFor(ms, () => decodeFrame(frame)) }
    yield { what: 'unpack 64 puts', bytes, timing: timeFor(ms, () => readCommands(batch)) }
  }
}

function appendOf(entries: Uint8Array): WireAppend {
  const before = { prevIndex: 0, prevTerm: 0, commitIndex: 0 }
  return { type: 'append', term, ...before, entryCount: 1, entries }
}
