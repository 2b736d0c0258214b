/** Frames: every message comes back equal, and its layout never changes unnoticed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import { frameBytesMax } from '../../src/options.ts'
import type { MemberRole } from '../../src/raft/types.ts'
import { anyAppend, anyForward, anyRpc, goldenFrames, plain } from './samples.ts'

test('every message comes back equal, from a frame that owns its memory', () => {
  fc.assert(
    fc.property(anyRpc, (original) => {
      const frame = encodeFrame(original)
      assert.equal(frame.buffer.byteLength, frame.byteLength)
      assert.deepStrictEqual(plain(decodeFrame(frame)), plain(original))
    }),
    { numRuns: 1_000 },
  )
})

test('byte fields are views into the frame, wherever the frame lies', () => {
  fc.assert(
    fc.property(fc.oneof(anyAppend, anyForward), (original) => {
      const pool = Buffer.concat([
        Buffer.from('before'),
        encodeFrame(original),
        Buffer.from('after'),
      ])
      const decoded = decodeFrame(pool.subarray(6, -5))
      assert.deepStrictEqual(plain(decoded), plain(original))
      const bytes = decoded.type === 'append' ? decoded.entries : Object(decoded).batch
      assert.equal(bytes.buffer, pool.buffer)
    }),
  )
})

for (const [rpc, hex] of goldenFrames) {
  const variant = Object(rpc).change?.type ?? Object(rpc).answer?.type ?? ''
  test(`the frame of ${rpc.type} ${variant}is wire version 1, byte by byte: ${hex.slice(0, 14)}`, () => {
    assert.equal(Buffer.from(encodeFrame(rpc)).toString('hex'), hex)
    assert.deepStrictEqual(plain(decodeFrame(Buffer.from(hex, 'hex'))), plain(rpc))
  })
}

test('a reason that is too long to be sent is cut', () => {
  const answer = { type: 'refused', reason: '€'.repeat(5_000) } as const
  const decoded = decodeFrame(encodeFrame({ type: 'changeReply', id: 1, answer }))
  assert.deepEqual(decoded, {
    type: 'changeReply',
    id: 1,
    answer: { type: 'refused', reason: '€'.repeat(1_000) },
  })
})

test('a message larger than any frame is a broken invariant of its sender', () => {
  assert.throws(() => encodeFrame({ type: 'forward', batch: new Uint8Array(frameBytesMax) }), {
    name: 'AssertionError',
  })
})

test('a snapshot on the wire says which configuration it holds, also in the middle of a change', () => {
  const member = (n: number, role: MemberRole) => ({ id: `${n}`.repeat(16), address: 'a:1', role })
  const [one, two, three] = [member(1, 'voter'), member(2, 'voter'), member(3, 'learner')]
  const membership = {
    ...{ index: 7, members: [one, three], outgoing: [one, two] },
    promotions: [{ id: three.id, inPlaceOf: one.id }],
  }
  const snapshot = { index: 9, term: 2, membership, bytes: 3, hash: 'ab'.repeat(32) }
  const rpc = { type: 'snapshot', term: 2, snapshot, offset: 0, chunk: Buffer.of(1, 2, 3) } as const
  const decoded = decodeFrame(encodeFrame(rpc))
  assert.ok(decoded.type === 'snapshot')
  assert.deepEqual(decoded.snapshot, snapshot)
})
