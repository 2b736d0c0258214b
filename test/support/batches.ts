/** Log entries made by hand, for tests of what stores and applies them. */
import { type BatchOwner, BatchWriter, sealBatch } from '../../src/codec/command.ts'
import type { Entry } from '../../src/raft/types.ts'

/** A put of a value, or a delete. */
export type Change = readonly ['put', string, unknown] | readonly ['delete', string]

export const owner: string = '00000000000000aa'

export function batchBytes(changes: readonly Change[]): Uint8Array<ArrayBuffer> {
  const writer = new BatchWriter({ valueBytesMax: 2 ** 20 })
  for (const [type, key, value] of changes) {
    if (type === 'put') writer.put(key, value)
    else writer.delete(key)
  }
  return writer.finish()
}

export function batchEntry(
  index: number,
  changes: readonly Change[],
  { node = owner, incarnation = 1, sequence = index }: Partial<BatchOwner> = {},
): Entry {
  const bytes = batchBytes(changes)
  sealBatch(bytes, { node, incarnation, sequence })
  return { index, term: 1, type: 'batch', bytes }
}

export function noop(index: number, term = 1): Entry {
  return { index, term, type: 'noop', bytes: new Uint8Array(0) }
}
