import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeMessage, frameOf, nextSequence, sequenceOf } from '../../src/network/message.ts'
import { frameBytesMax } from '../../src/options.ts'

test('a message gives back its number and its frame, and the frame owns its memory', () => {
  const sequences = fc.nat({ max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(sequences, fc.uint8Array({ maxLength: 200, size: 'max' }), (sequence, frame) => {
      const message = new Uint8Array(encodeMessage(sequence, frame))
      assert.equal(sequenceOf(message), sequence)
      const received = frameOf(message)
      assert.deepEqual(received, frame)
      assert.equal(received.buffer.byteLength, frame.length)
    }),
  )
})

test('a message that is too short has no number', () => {
  for (let length = 0; length < 4; length++) assert.equal(sequenceOf(new Uint8Array(length)), null)
})

test('numbers go on from zero after the last one', () => {
  assert.equal(nextSequence(0), 1)
  assert.equal(nextSequence(2 ** 32 - 1), 0)
})

test('a frame that every listener would close the link for is a mistake of the sender', () => {
  assert.throws(() => encodeMessage(0, new Uint8Array(frameBytesMax + 1)), /frame of 8388609 bytes/)
})
