/** Frames from a peer that means harm, or is broken: refused before they cost anything, never a crash. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import { MalformedFrame } from '../../src/codec/malformed.ts'
import { packEntries } from '../../src/codec/record.ts'
import { appendEntriesMax, frameBytesMax } from '../../src/options.ts'
import type { Entry } from '../../src/raft/types.ts'
import { anyRpc, goldenFrames, plain, sampleBatch } from './samples.ts'

function malformed(frame: Uint8Array, reason: RegExp): void {
  assert.throws(() => decodeFrame(frame), { name: 'MalformedFrame', message: reason })
}

function malformedHex(hex: string, reason: RegExp): void {
  malformed(bytesOf(hex), reason)
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

/** Refused as malformed, or a message that means the same when it is sent on. */
function refusedOrSound(frame: Uint8Array): void {
  try {
    const rpc = decodeFrame(frame)
    assert.deepStrictEqual(plain(decodeFrame(encodeFrame(rpc))), plain(rpc))
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error
  }
}

test('a frame cut off anywhere is malformed, and so is one with more behind it', () => {
  for (const [, hex] of goldenFrames) {
    const frame = Buffer.from(hex, 'hex')
    for (let length = 0; length < frame.length; length++) {
      assert.throws(
        () => decodeFrame(frame.subarray(0, length)),
        MalformedFrame,
        `${hex} ${length}`,
      )
    }
    malformed(Buffer.concat([frame, Buffer.of(0xc0)]), /behind the last field/)
  }
})

test('every change of one byte of every kind of frame is refused or sound', () => {
  for (const [, hex] of goldenFrames) {
    const frame = Buffer.from(hex, 'hex')
    for (let at = 0; at < frame.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = Buffer.from(frame)
        changed[at] = byte
        refusedOrSound(changed)
      }
    }
  }
})

test('random changes, cuts and insertions are refused or sound', () => {
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat(4),
    insert: fc.uint8Array({ maxLength: 4 }),
  })
  fc.assert(
    fc.property(anyRpc, fc.array(edit, { minLength: 1, maxLength: 4 }), (rpc, edits) => {
      let frame: Buffer = Buffer.from(encodeFrame(rpc))
      for (const { at, remove, insert } of edits) {
        const start = at % (frame.length + 1)
        frame = Buffer.concat([frame.subarray(0, start), insert, frame.subarray(start + remove)])
      }
      refusedOrSound(frame)
    }),
    { numRuns: 3_000 },
  )
})

test('random bytes behind the version are refused or sound', () => {
  const elements = fc.array(fc.nat(255), { maxLength: 60 })
  fc.assert(
    fc.property(fc.nat(15), fc.integer({ min: 1, max: 23 }), elements, (length, code, rest) => {
      refusedOrSound(Buffer.from([1, 0x90 | length, code, ...rest]))
    }),
    { numRuns: 3_000 },
  )
})

test('headers that announce what is not there are refused unread', () => {
  malformedHex('01 dd ffffffff', /no short array: 0xdd/)
  malformedHex('01 dc ffff', /no short array: 0xdc/)
  malformedHex('01 92 0f c6 ffffffff', /ends within a field/)
  malformedHex('01 92 0f c6 ff', /ends within a field/)
  malformedHex('01 92 0f db ffffffff', /type 0xdb/)
  malformedHex('01 92 10 da ffff', /text of 65535 bytes/)
  malformedHex('01 9f 01', /ends before its last field/)
})

test('whatever is not one flat array of plain elements is refused', () => {
  malformedHex('01 81 01 01', /no short array: 0x81/)
  malformedHex('01 90 01', /no short array: 0x90/)
  malformedHex('01 92 0f 91 01', /type 0x91/)
  malformedHex('01 92 0f 81 01 01', /type 0x81/)
  malformedHex('01 92 0f df ffffffff', /type 0xdf/)
  malformedHex('01 92 0f d4 72 40', /type 0xd4/)
  malformedHex('01 92 0f c7 ff 73', /type 0xc7/)
  malformedHex('01 92 0f c9 ffffffff', /type 0xc9/)
  malformedHex('01 92 0f ca 00000000', /type 0xca/)
  malformedHex('01 92 0f cf 0000000000000001', /type 0xcf/)
  malformedHex('01 92 0f c1', /type 0xc1/)
  malformedHex('01 92 a1 61 01', /no small number: 0xa1/)
  malformed(Buffer.concat([Buffer.of(1), Buffer.alloc(100_000, 0x91)]), /no small number/)
})

test('another version, another type or another number of fields is refused by name', () => {
  malformed(new Uint8Array(), /version undefined/)
  malformedHex('02 93 08 03 09', /version 2, this node speaks 1/)
  malformedHex('01 91 00', /unknown type 0/)
  malformedHex('01 91 7f', /unknown type 127/)
  malformedHex('01 92 08 03', /round: expected an unsigned integer/)
  malformedHex('01 94 08 03 09 09', /1 fields too many/)
  malformed(new Uint8Array(frameBytesMax + 1), /frame of 8388609 bytes/)
})

test('every field is validated', () => {
  const integer = /round: expected an unsigned integer/
  malformedHex('01 93 08 03 ff', integer)
  malformedHex('01 93 08 03 d2 80000000', integer)
  malformedHex('01 93 08 03 c0', integer)
  malformedHex('01 93 08 03 c3', integer)
  malformedHex('01 93 08 03 a1 31', integer)
  malformedHex('01 93 08 03 cb 3ff8000000000000', integer)
  malformedHex('01 93 08 03 cb 7ff8000000000000', integer)
  malformedHex('01 93 08 03 cb 7ff0000000000000', integer)
  malformedHex('01 93 08 03 cb 8000000000000000', integer)
  malformedHex('01 93 08 03 cb 4340000000000000', integer)
  malformedHex('01 93 04 04 01', /granted: expected a boolean/)
  malformedHex('01 92 0f a1 61', /batch: expected bytes/)
  const remove = 'a6 72656d6f7665'
  malformedHex(`01 94 11 02 ${remove} a1 61`, /member: expected 16 hex digits/)
  malformedHex(
    `01 94 11 02 ${remove} b0 30313233343536373839414243444546`,
    /member: expected 16 hex/,
  )
  malformedHex('01 92 10 c0', /reason: expected a text/)
})

test('addresses and reasons have a form and a length', () => {
  const add = (address: string): Uint8Array =>
    encodeFrame({
      type: 'change',
      id: 1,
      change: { type: 'add', member: '0123456789abcdef', address, role: 'voter' },
    })
  const host = (length: number): string => `${'h'.repeat(length)}:7000`
  assert.equal(decodeFrame(add(host(253))).type, 'change')
  for (const bad of [host(254), '', 'host', 'host:70000', 'a b:1', 'h:1\n']) {
    malformed(add(bad), /address: expected host:port/)
  }
  const text = Buffer.alloc(1_001, 'x')
  const long = Buffer.concat([Buffer.from('019210da03e9', 'hex'), text])
  malformed(long, /reason: expected a text of at most 1000/)
})

test('a redirection names a whole leader or none', () => {
  const redirected = '13 01 aa 72656469726563746564'
  malformedHex(`01 95 ${redirected} c0 a8 686f73743a373030`, /1 fields too many/)
  const id = 'b0 30313233343536373839616263646566'
  malformedHex(`01 94 ${redirected} ${id}`, /leader.address: expected/)
  malformedHex(`01 95 ${redirected} ${id} c0`, /leader.address: expected/)
})

test('a change, a plan and an answer are of a kind that is known', () => {
  const member = 'b0 30313233343536373839616263646566'
  malformedHex(`01 94 11 02 a1 61 ${member}`, /kind: expected one of add, remove, replace, move, /)
  malformedHex(`01 94 11 02 00 ${member}`, /kind: expected one of/)
  const transfer = 'a8 7472616e73666572'
  assert.equal(decodeFrame(bytesOf(`01 94 11 02 ${transfer} ${member}`)).type, 'change')
  malformedHex(`01 94 12 02 ${transfer} ${member}`, /kind: expected one of add, remove, replace$/)
  malformedHex('01 93 13 01 a1 61', /kind: expected one of accepted, redirected, /)
  const add = `a3 616464 ${member} a3 683a31`
  malformedHex(`01 96 11 02 ${add} a1 61`, /role: expected one of voter, learner/)
})

test('a forwarded batch is looked through', () => {
  const batch = sampleBatch()
  batch[29] = 9
  malformed(encodeFrame({ type: 'forward', batch }), /command of unknown type/)
})

test('the entries of an append are looked through', () => {
  const entry: Entry = { index: 8, term: 3, type: 'batch', bytes: sampleBatch() }
  const append = { type: 'append', term: 3, prevIndex: 7, prevTerm: 2, commitIndex: 6 } as const
  const frame = (entries: Uint8Array, entryCount: number, changes: object = {}): Uint8Array =>
    encodeFrame({ ...append, entryCount, entries, ...changes })
  const block = packEntries([entry])
  assert.equal(decodeFrame(frame(block, 1)).type, 'append')
  malformed(frame(block, 2), /2 log records take/)
  malformed(frame(block, 0), /0 log records take/)
  malformed(frame(block, 1, { prevIndex: 6 }), /log record 8: follows 6/)
  malformed(frame(block, 1, { term: 2 }), /term 3 in an append of term 2/)
  malformed(frame(block, 1, { prevTerm: 4, term: 5 }), /term 3 follows term 4/)
  const damaged = Buffer.from(block)
  damaged[damaged.length - 1] = 0
  malformed(frame(damaged, 1), /log record 8: checksum/)
  const many = Array.from({ length: appendEntriesMax + 1 }, (_, n) => ({ ...entry, index: 8 + n }))
  malformed(frame(packEntries(many), many.length), /append of 129 entries/)
  malformed(frame(new Uint8Array(4 * 2 ** 20), 128), /128 log records take 512/)
})

test('the payloads of an append are looked through', () => {
  const id = '0123456789abcdef'
  const row = [id, '10.0.0.1:7000', 'voter']
  const payload = (type: Entry['type'], bytes: Uint8Array): Uint8Array => {
    const entries = packEntries([{ index: 1, term: 1, type, bytes }])
    const start = { term: 1, prevIndex: 0, prevTerm: 0, commitIndex: 0 }
    return encodeFrame({ type: 'append', ...start, entryCount: 1, entries })
  }
  const members = (rows: unknown): Uint8Array =>
    payload('membership', Buffer.from(JSON.stringify(rows)))
  assert.equal(decodeFrame(members([row])).type, 'append')
  malformed(payload('noop', Buffer.of(0)), /noop of 1 bytes/)
  malformed(payload('batch', Buffer.from('rubbish')), /batch of 7 bytes/)
  malformed(payload('membership', Buffer.from('rubbish')), /membership that cannot be read/)
  malformed(payload('membership', Buffer.alloc(8_000, '[')), /membership of 8000 bytes/)
  malformed(members([row.slice(1)]), /membership that cannot be read/)
  malformed(members([['zz', ...row.slice(1)]]), /expected 16 hex digits/)
  malformed(members([[id, 'nowhere', 'voter']]), /expected host:port/)
  malformed(members([row, row]), /names one twice/)
  malformed(members([[id, '10.0.0.1:7000', 'learner']]), /without a voter/)
  malformed(members([]), /without a voter/)
  malformed(members(Array.from({ length: 9 }, () => row)), /membership of 9/)
  const joint = (outgoing: unknown) => members({ members: [row], outgoing })
  assert.equal(decodeFrame(joint([row])).type, 'append')
  malformed(joint([]), /membership that cannot be read/)
  malformed(joint([row, row]), /names one twice/)
  malformed(joint([['zz', ...row.slice(1)]]), /expected 16 hex digits/)
  const entering = (role: string, ...future: string[]) =>
    members([row, ['fedcba9876543210', '10.0.0.2:7000', role, ...future]])
  assert.equal(decodeFrame(entering('learner', 'stays')).type, 'append')
  assert.equal(decodeFrame(entering('learner', id)).type, 'append')
  malformed(entering('learner', 'zz'), /expected 16 hex digits/)
  malformed(entering('voter', 'stays'), /membership that cannot be read/)
})
