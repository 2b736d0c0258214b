/** Watch events: the round trip, and that both ends count an event alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventWriter, eventBytes, readEvents } from '../../src/codec/event.ts'

const value = fc.uint8Array({ maxLength: 300 })
const shared = {
  revision: fc.maxSafeNat(),
  key: fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }),
  previous: fc.option(value),
}
const event = fc.oneof(
  fc.record({ type: fc.constant('put' as const), value, ...shared }),
  fc.record({ type: fc.constant('delete' as const), value: fc.constant(null), ...shared }),
)

test('events come back in their order, and count what their parts count', () => {
  const writer = new EventWriter()
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (originals) => {
      for (const { revision, key, value, previous } of originals) {
        if (value === null) writer.delete(revision, Buffer.from(key), previous)
        else writer.put(revision, Buffer.from(key), value, previous)
      }
      assert.equal(writer.count, originals.length)
      const packed = writer.finish()
      assert.equal(packed.buffer.byteLength, packed.byteLength)
      assert.equal(writer.count, 0)
      const read = readEvents(packed)
      assert.equal(
        read.reduce((sum, { byteLength }) => sum + byteLength, 0),
        packed.byteLength,
      )
      assert.deepEqual(
        read.map((event) => ({
          ...event,
          value: copy(event.value),
          previous: copy(event.previous),
        })),
        originals.map((original) => ({
          ...original,
          byteLength: eventBytes(
            Buffer.byteLength(original.key),
            original.value?.length ?? 0,
            original.previous?.length ?? 0,
          ),
        })),
      )
    }),
  )
})

function copy(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Uint8Array.from(bytes)
}

test('a value of no bytes is not an absent one', () => {
  const writer = new EventWriter()
  const none = new Uint8Array()
  writer.put(1, Buffer.from('a'), none, null)
  writer.put(2, Buffer.from('b'), none, none)
  writer.delete(3, Buffer.from('c'), none)
  const read = readEvents(writer.finish())
  assert.deepEqual(
    read.map(({ type, value, previous }) => [type, value?.length, previous?.length]),
    [
      ['put', 0, undefined],
      ['put', 0, 0],
      ['delete', undefined, 0],
    ],
  )
})

test('values are views of the events', () => {
  const writer = new EventWriter()
  writer.put(1, Buffer.from('a'), Buffer.from('value'), Buffer.from('before'))
  const packed = writer.finish()
  const [read] = readEvents(packed)
  assert.equal(read?.value?.buffer, packed.buffer)
  assert.equal(read?.previous?.buffer, packed.buffer)
})

test('events that end early are a broken invariant', () => {
  const writer = new EventWriter()
  writer.put(1, Buffer.from('key'), Buffer.from('value'), Buffer.from('before'))
  const packed = writer.finish()
  for (let length = 1; length < packed.length; length++) {
    assert.throws(() => readEvents(packed.subarray(0, length)), { name: 'AssertionError' })
  }
})
