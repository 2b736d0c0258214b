/** Batches: the round trip, the layout byte by byte, and everything a peer could have got wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type BatchOwner,
  BatchWriter,
  batchCount,
  batchOwner,
  checkBatch,
  readCommands,
  sealBatch,
} from '../../src/codec/command.ts'
import { checkKey, keyBytes } from '../../src/codec/key.ts'
import { MalformedFrame } from '../../src/codec/malformed.ts'
import { unpackValue } from '../../src/codec/value.ts'
import { batchCommandsMax, keyBytesMax, valueBytesCeiling } from '../../src/options.ts'
import { storableJson } from './samples.ts'

type Write = { type: 'put'; key: string; value: unknown } | { type: 'delete'; key: string }

const owner: BatchOwner = { node: '0123456789abcdef', incarnation: 2 ** 40 + 1, sequence: 7 }

function pack(writes: readonly Write[], writer: BatchWriter = newWriter()): Uint8Array {
  for (const write of writes) {
    if (write.type === 'put') writer.put(write.key, write.value)
    else writer.delete(write.key)
  }
  const batch = writer.finish()
  sealBatch(batch, owner)
  return batch
}

function newWriter(valueBytesMax: number = 2 ** 20): BatchWriter {
  return new BatchWriter({ valueBytesMax })
}

function unpack(batch: Uint8Array): Write[] {
  return readCommands(batch).map(({ key, value }) => {
    if (value === null) return { type: 'delete', key: key.toString() }
    return { type: 'put', key: key.toString(), value: unpackValue(value) }
  })
}

const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 100 })
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value: storableJson }),
  fc.record({ type: fc.constant('delete' as const), key }),
)
const writes = fc.array(write, { minLength: 1, maxLength: 30 })

const sample: readonly Write[] = [
  { type: 'put', key: 'a/ä', value: { n: 1 } },
  { type: 'delete', key: 'b' },
]
const sampleHex =
  '010123456789abcdef0000010000000001000000000000000700000002' +
  '010004612fc3a40000000481a16e01' +
  '02000162'

test('what was written is read, and passes the check', () => {
  const writer = newWriter()
  fc.assert(
    fc.property(writes, (commands) => {
      const batch = pack(commands, writer)
      checkBatch(batch)
      assert.equal(batchCount(batch), commands.length)
      assert.deepEqual(batchOwner(batch), owner)
      assert.deepEqual(
        unpack(batch).map((command) => JSON.stringify(command)),
        commands.map((command) => JSON.stringify(command)),
      )
    }),
  )
})

test('the layout of a batch is version 1, byte by byte', () => {
  assert.equal(Buffer.from(pack(sample)).toString('hex'), sampleHex)
  assert.deepEqual(unpack(Buffer.from(sampleHex, 'hex')), sample)
})

test('an owner of the largest numbers survives sealing', () => {
  const batch = pack(sample)
  const largest = {
    node: 'ffffffffffffffff',
    incarnation: Number.MAX_SAFE_INTEGER,
    sequence: Number.MAX_SAFE_INTEGER,
  }
  sealBatch(batch, largest)
  checkBatch(batch)
  assert.deepEqual(batchOwner(batch), largest)
})

test('a finished batch owns its memory, and the writer starts afresh', () => {
  const writer = newWriter()
  const empty = writer.byteLength
  writer.put('k', 'v')
  assert.equal(writer.count, 1)
  const announced = writer.byteLength
  const first = writer.finish()
  assert.equal(first.byteLength, announced)
  assert.equal(first.buffer.byteLength, announced)
  assert.deepEqual([writer.count, writer.byteLength], [0, empty])
  const before = Buffer.from(first)
  pack([{ type: 'put', key: 'other', value: 'x'.repeat(100_000) }], writer)
  assert.deepEqual(Buffer.from(first), before)
})

test('a writer that has grown by megabytes goes on correctly', () => {
  const large: Write[] = [1, 2, 3].map((n) => ({
    type: 'put',
    key: `k${n}`,
    value: `${n}`.repeat(1_000_000),
  }))
  const writer = newWriter()
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(unpack(pack(large, writer)), large)
  assert.deepEqual(unpack(pack(sample, writer)), sample)
})

test('commands are views of their batch', () => {
  const batch = pack(sample)
  for (const { key, value } of readCommands(batch)) {
    assert.equal(key.buffer, batch.buffer)
    assert(value === null || value.buffer === batch.buffer)
  }
})

test('a refused command leaves the batch as it was', () => {
  const writer = newWriter(100)
  writer.put('a', 1)
  const before = writer.byteLength
  const tooLarge = { code: 'SKIFF_TOO_LARGE', outcome: 'not-applied' }
  assert.throws(() => writer.put('b', 'x'.repeat(100)), tooLarge)
  assert.throws(() => writer.put('b', () => {}), /^TypeError: value: functions cannot be stored/)
  assert.throws(() => writer.put('x'.repeat(keyBytesMax + 1), 1), tooLarge)
  assert.throws(() => writer.delete(''), TypeError)
  assert.deepEqual([writer.count, writer.byteLength], [1, before])
  writer.put('b', 'x'.repeat(98))
  assert.deepEqual(unpack(writer.finish()), [
    { type: 'put', key: 'a', value: 1 },
    { type: 'put', key: 'b', value: 'x'.repeat(98) },
  ])
})

test('a value whose getter writes to the same batch follows that write', () => {
  const writer = newWriter()
  let times = 0
  const value = {
    get inner(): number {
      if (times++ === 1) writer.put('first', 1)
      return 2
    },
  }
  writer.put('second', value)
  assert.deepEqual(unpack(writer.finish()), [
    { type: 'put', key: 'first', value: 1 },
    { type: 'put', key: 'second', value: { inner: 2 } },
  ])
})

test('a writer takes a full batch and not one command more', () => {
  const writer = newWriter()
  for (let n = 0; n < batchCommandsMax; n++) writer.delete(`key ${n}`)
  assert.throws(() => writer.delete('one more'), /too many commands/)
  checkBatch(writer.finish())
  assert.throws(() => writer.finish(), /without commands/)
})

test('keys are non-empty well-formed strings of at most 1,024 bytes', () => {
  for (const bad of [undefined, null, 1, {}, ['k'], '', 'a\ud800', '\udc00b']) {
    assert.throws(() => checkKey(bad), TypeError)
  }
  const tooLarge = { code: 'SKIFF_TOO_LARGE', message: 'key: 1,026 bytes, at most 1,024' }
  assert.throws(() => keyBytes('€'.repeat(342)), tooLarge)
  assert.equal(keyBytes('€'.repeat(341)).length, 1_023)
  assert.equal(keyBytes('k'.repeat(keyBytesMax)).length, keyBytesMax)
  assert.equal(keyBytes('\ud83d\ude00').toString('hex'), 'f09f9880')
})

test('a batch cut off anywhere is malformed', () => {
  const batch = pack(sample)
  for (let length = 0; length < batch.length; length++) {
    assert.throws(() => checkBatch(batch.subarray(0, length)), MalformedFrame, `${length}`)
  }
  assert.throws(() => checkBatch(Buffer.concat([batch, Buffer.of(0)])), /1 bytes behind/)
})

test('bytes changed at random are malformed, or a batch that reads within itself', () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(writes, edits, (commands, changes) => {
      const batch = pack(commands)
      for (const [at, byte] of changes) batch[at % batch.length] = byte
      try {
        checkBatch(batch)
      } catch (error) {
        assert(error instanceof MalformedFrame)
        return
      }
      const read = readCommands(batch)
      assert.equal(read.length, batchCount(batch))
      for (const { key, value } of read) {
        assert(key.length > 0 && Buffer.from(key.toString()).equals(key))
        assert(value === null || value.length > 0)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('headers that lie are malformed, each by name', () => {
  const lies: readonly [at: number, bytes: string, reason: RegExp][] = [
    [0, '02', /version 2/],
    [9, '0020000000000000', /incarnation beyond/],
    [17, 'ffffffffffffffff', /sequence beyond/],
    [25, '00000000', /0 commands/],
    [25, 'ffffffff', /4294967295 commands/],
    [25, '00000001', /4 bytes behind/],
    [29, '03', /unknown type/],
    [30, '0000', /empty key/],
    [30, 'ffff', /key over its limit/],
    [30, '0400', /within a key/],
    [32, 'ff', /not UTF-8/],
    [34, '28', /not UTF-8/],
    [36, '00000000', /empty value/],
    [36, 'ffffffff', /value over its limit/],
    [36, '00000040', /within a value/],
  ]
  for (const [at, bytes, reason] of lies) {
    const batch = pack(sample)
    batch.set(Buffer.from(bytes, 'hex'), at)
    assert.throws(() => checkBatch(batch), { name: 'MalformedFrame', message: reason })
  }
})

test('a value at the ceiling passes, one byte more does not', () => {
  const batch = pack([{ type: 'put', key: 'k', value: Buffer.alloc(2 ** 20 - 5) }])
  checkBatch(batch)
  const header = batch.subarray(0, 33)
  for (const [length, fits] of [
    [valueBytesCeiling, true],
    [valueBytesCeiling + 1, false],
  ] as const) {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(length)
    const grown = Buffer.concat([header, size, Buffer.alloc(length)])
    if (fits) checkBatch(grown)
    else assert.throws(() => checkBatch(grown), /value over its limit/)
  }
})
