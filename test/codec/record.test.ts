/** Log records and blocks of them: the round trip, the layout, and that no damage goes unnoticed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import {
  CorruptRecord,
  checkEntries,
  decodeRecord,
  type EntriesContext,
  packEntries,
  recordsOf,
  unpackEntries,
} from '../../src/codec/record.ts'
import type { Entry } from '../../src/raft/types.ts'

const content = fc.record({
  term: fc.maxSafeNat(),
  type: fc.constantFrom('noop' as const, 'membership' as const, 'batch' as const),
  bytes: fc.uint8Array({ maxLength: 200 }),
})

const entry: fc.Arbitrary<Entry> = fc
  .tuple(fc.maxSafeNat(), content)
  .map(([index, rest]) => ({ index, ...rest }))

/** Consecutive from anywhere, with terms that never go back. */
const entries: fc.Arbitrary<Entry[]> = fc
  .tuple(fc.nat(2 ** 40), fc.array(content, { maxLength: 20 }))
  .map(([first, contents]) => {
    const terms = contents.map(({ term }) => term).toSorted((a, b) => a - b)
    return contents.map((rest, n) => ({ ...rest, index: first + 1 + n, term: terms[n] ?? 0 }))
  })

const sample: Entry = { index: 2 ** 32 + 5, term: 3, type: 'batch', bytes: Buffer.from('payload') }

/** What the layout puts in front of the payload. */
const headerBytes = 21

/** A record alone: what its block holds behind the length. */
function recordOf(entry: Entry): Uint8Array {
  return packEntries([entry]).subarray(4)
}

function plain(entry: Entry): Entry {
  return { ...entry, bytes: Uint8Array.from(entry.bytes) }
}

/** What the block of `packed` continues. */
function contextOf(packed: readonly Entry[]): EntriesContext {
  return {
    prevIndex: (packed[0]?.index ?? 1) - 1,
    prevTerm: 0,
    termMax: packed.at(-1)?.term ?? 0,
  }
}

test('a record comes back equal, its payload as a view', () => {
  fc.assert(
    fc.property(entry, (original) => {
      const record = recordOf(original)
      assert.equal(record.length, headerBytes + original.bytes.length)
      const decoded = decodeRecord(record)
      assert.deepEqual(plain(decoded), original)
      assert.equal(decoded.bytes.buffer, record.buffer)
    }),
  )
})

test('the layout of a record, byte by byte', () => {
  const body = '0000000100000005' + '0000000000000003' + '03' + '7061796c6f6164'
  const sum = crc32(Buffer.from(body, 'hex')).toString(16).padStart(8, '0')
  assert.equal(sum, 'a0f72b7f')
  assert.equal(Buffer.from(recordOf(sample)).toString('hex'), sum + body)
})

test('a single flipped bit anywhere in a record is noticed', () => {
  const record = Buffer.from(recordOf(sample))
  for (let bit = 0; bit < record.length * 8; bit++) {
    const damaged = Buffer.from(record)
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.throws(() => decodeRecord(damaged), CorruptRecord, `bit ${bit}`)
  }
})

test('a record cut off anywhere is noticed', () => {
  const record = recordOf(sample)
  for (let length = 0; length < record.length; length++) {
    assert.throws(() => decodeRecord(record.subarray(0, length)), CorruptRecord, `${length}`)
  }
})

test('a damaged record is named by the index it claims', () => {
  const record = recordOf({ ...sample, index: 42 })
  record[headerBytes] = 0
  assert.throws(() => decodeRecord(record), {
    name: 'CorruptRecord',
    message: /^log record 42: checksum [0-9a-f]{8}, recorded as [0-9a-f]{8}$/,
  })
})

test('a record with a good checksum over nonsense is refused', () => {
  const lies: readonly [at: number, bytes: string, reason: RegExp][] = [
    [20, '00', /unknown type 0/],
    [20, '04', /unknown type 4/],
    [4, '0020000000000000', /index beyond 2\^53/],
    [12, 'ffffffffffffffff', /term beyond 2\^53/],
  ]
  for (const [at, bytes, reason] of lies) {
    const record = Buffer.from(recordOf(sample))
    record.set(Buffer.from(bytes, 'hex'), at)
    record.writeUInt32BE(crc32(record.subarray(4)))
    assert.throws(() => decodeRecord(record), { name: 'CorruptRecord', message: reason })
  }
})

test('a block comes back as its entries, from memory of its own', () => {
  fc.assert(
    fc.property(entries, (originals) => {
      const block = packEntries(originals)
      assert.equal(block.buffer.byteLength, block.byteLength)
      assert.deepEqual(unpackEntries(block, originals.length).map(plain), originals)
      checkEntries(block, originals.length, contextOf(originals))
    }),
  )
})

test('the records of a block are views, equal to records packed alone', () => {
  fc.assert(
    fc.property(entries, (originals) => {
      const block = packEntries(originals)
      const records = recordsOf(block)
      assert(records.every((record) => record.buffer === block.buffer))
      assert.deepEqual(
        records.map((record) => Buffer.from(record)),
        originals.map((original) => Buffer.from(recordOf(original))),
      )
    }),
  )
})

test('a block cut off, extended or announced wrongly is refused', () => {
  const originals = [1, 2, 3].map((index) => ({ ...sample, index }))
  const block = packEntries(originals)
  const context = contextOf(originals)
  for (let length = 0; length < block.length; length++) {
    const cut = block.subarray(0, length)
    assert.throws(() => unpackEntries(cut, 3), CorruptRecord, `${length}`)
    assert.throws(() => checkEntries(cut, 3, context), CorruptRecord, `${length}`)
  }
  for (const count of [0, 1, 2, 4]) {
    assert.throws(() => unpackEntries(block, count), CorruptRecord)
    assert.throws(() => checkEntries(block, count, context), CorruptRecord)
  }
  assert.throws(() => unpackEntries(Buffer.concat([block, Buffer.alloc(1)]), 3), CorruptRecord)
  assert.throws(() => recordsOf(block.subarray(0, 3)), /ends within a length/)
  assert.throws(() => recordsOf(block.subarray(0, 30)), /ends within one/)
})

test('indexes that leave a gap and terms that go back are refused', () => {
  const gap = packEntries([
    { ...sample, index: 1 },
    { ...sample, index: 3 },
  ])
  assert.throws(() => unpackEntries(gap, 2), /log record 3: follows 1/)
  const back = packEntries([
    { ...sample, index: 1, term: 4 },
    { ...sample, index: 2, term: 3 },
  ])
  assert.throws(() => unpackEntries(back, 2), /log record 2: term 3 follows term 4/)
})

test('a block must continue where the append says, in no later term than the append', () => {
  const block = packEntries([
    { ...sample, index: 8, term: 4 },
    { ...sample, index: 9, term: 5 },
  ])
  const context = { prevIndex: 7, prevTerm: 4, termMax: 5 }
  checkEntries(block, 2, context)
  assert.throws(() => checkEntries(block, 2, { ...context, prevIndex: 6 }), /8: follows 6/)
  assert.throws(() => checkEntries(block, 2, { ...context, prevTerm: 5 }), /4 follows term 5/)
  assert.throws(() => checkEntries(block, 2, { ...context, termMax: 4 }), /append of term 4/)
  assert.throws(() => checkEntries(Buffer.alloc(0), 0, { ...context, termMax: 3 }), CorruptRecord)
})

test('bytes changed at random are never taken for entries', () => {
  const edit = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))
  fc.assert(
    fc.property(entries, edit, (originals, [position, change]) => {
      fc.pre(originals.length > 0)
      const block = packEntries(originals)
      const at = position % block.length
      block[at] = (block[at] ?? 0) ^ change
      assert.throws(() => unpackEntries(block, originals.length), CorruptRecord)
      assert.throws(
        () => checkEntries(block, originals.length, contextOf(originals)),
        CorruptRecord,
      )
    }),
    { numRuns: 1_000 },
  )
})
