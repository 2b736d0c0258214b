import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DialerHandshake, ListenerHandshake } from '../../src/network/handshake.ts'
import {
  decodeHello,
  encodeHello,
  type Hello,
  handshakeBytesMax,
  isRefusal,
} from '../../src/network/hello.ts'
import { closeFrame, RefusedError, refusal, refusalOf } from '../../src/network/refusal.ts'
import { lineageMax } from '../../src/raft/lineage.ts'
import { clusterA, helloOf } from './fixture.ts'

const answerOf = (fields: Partial<Hello> = {}): Hello =>
  helloOf({ purpose: 'answer', nodeId: '2222222222222222', ...fields })

/** The bytes of a step that sends some. */
function sent(step: { type: string }): Uint8Array {
  assert.equal(step.type, 'send', JSON.stringify(step))
  return (step as { type: 'send'; bytes: Uint8Array }).bytes
}

function refused(step: { type: string }): { kind: string; reason: string } {
  assert.equal(step.type, 'refuse', JSON.stringify(step))
  return (step as unknown as { refusal: { kind: string; reason: string } }).refusal
}

test('two ends with the same secret learn of each other what the other said', () => {
  for (const secret of ['open sesame', '']) {
    const dialer = new DialerHandshake(secret, helloOf({ expectedId: '2222222222222222' }))
    const listener = new ListenerHandshake(secret, answerOf({ clusterId: null, incarnation: 7 }))
    const proof = sent(dialer.receive(sent(listener.receive(dialer.opening))))
    const proven = listener.receive(proof)
    assert.ok(proven.type === 'proven')
    assert.deepEqual(
      { ...proven.dialer, nonce: null },
      { ...helloOf({ expectedId: '2222222222222222' }), nonce: null },
    )
    const welcome = dialer.receive(listener.welcome())
    assert.ok(welcome.type === 'welcome')
    assert.equal(welcome.listener.nodeId, '2222222222222222')
    assert.equal(welcome.listener.clusterId, null)
    assert.equal(welcome.listener.incarnation, 7)
  }
})

test('a dialer with another secret is refused before it learns more than the hello', () => {
  const dialer = new DialerHandshake('guess', helloOf())
  const listener = new ListenerHandshake('open sesame', answerOf())
  const proof = sent(dialer.receive(sent(listener.receive(dialer.opening))))
  assert.deepEqual(refused(listener.receive(proof)), refusal('unauthorized', 'wrong secret'))
  assert.throws(() => listener.welcome(), /not welcome before it has proven/)
})

test('a listener with another secret is not believed', () => {
  const dialer = new DialerHandshake('open sesame', helloOf())
  const impostor = new ListenerHandshake('guess', answerOf())
  dialer.receive(sent(impostor.receive(dialer.opening)))
  assert.equal(refused(dialer.receive(new Uint8Array(32))).kind, 'unauthorized')
})

test('a recorded handshake opens no second connection', () => {
  const dialer = new DialerHandshake('open sesame', helloOf())
  const first = new ListenerHandshake('open sesame', answerOf())
  const proof = sent(dialer.receive(sent(first.receive(dialer.opening))))
  assert.equal(first.receive(proof).type, 'proven')
  const second = new ListenerHandshake('open sesame', answerOf())
  sent(second.receive(dialer.opening))
  assert.equal(refused(second.receive(proof)).kind, 'unauthorized')
})

test('a recorded welcome does not make a second listener believable', () => {
  const first = new DialerHandshake('open sesame', helloOf())
  const listener = new ListenerHandshake('open sesame', answerOf())
  const answer = sent(listener.receive(first.opening))
  listener.receive(sent(first.receive(answer)))
  const second = new DialerHandshake('open sesame', helloOf())
  sent(second.receive(answer))
  assert.equal(refused(second.receive(listener.welcome())).kind, 'unauthorized')
})

test('a proof sent back to its maker is no welcome', () => {
  const dialer = new DialerHandshake('open sesame', helloOf())
  const proof = sent(dialer.receive(encodeHello(answerOf())))
  assert.equal(refused(dialer.receive(proof)).kind, 'unauthorized')
})

test('a hello sent back to its maker is refused, at either end', () => {
  const dialer = new DialerHandshake('open sesame', helloOf())
  assert.equal(refused(dialer.receive(dialer.opening)).kind, 'malformed')
  const listener = new ListenerHandshake('open sesame', answerOf())
  assert.equal(refused(listener.receive(encodeHello(answerOf()))).kind, 'malformed')
})

test('a proof that was made for a hello with one bit changed is refused', () => {
  const opening = encodeHello(helloOf())
  fc.assert(
    fc.property(fc.nat({ max: opening.length * 8 - 1 }), (bit) => {
      const dialer = new DialerHandshake('open sesame', helloOf())
      const changed = Uint8Array.from(dialer.opening)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const listener = new ListenerHandshake('open sesame', answerOf())
      const step = listener.receive(changed)
      if (step.type !== 'send') return
      const proof = sent(dialer.receive(step.bytes))
      assert.equal(refused(listener.receive(proof)).kind, 'unauthorized')
    }),
    { numRuns: 300 },
  )
})

test('another protocol version is refused by name, whatever follows it', () => {
  const later = encodeHello(helloOf())
  new DataView(later.buffer, later.byteOffset).setUint16(4, 3)
  const why = refusal('version', 'speaks protocol version 2, not 3')
  assert.deepEqual(decodeHello(later), why)
  assert.deepEqual(decodeHello(later.subarray(0, 6)), why)
  const listener = new ListenerHandshake('open sesame', answerOf())
  assert.deepEqual(refused(listener.receive(later)), why)
  const dialer = new DialerHandshake('open sesame', helloOf())
  assert.equal(refused(dialer.receive(later)).kind, 'version')
})

test('a hello survives the wire', () => {
  const nonce = fc.uint8Array({ minLength: 32, maxLength: 32 })
  // Zeros stand for none.
  const digits = (length: number) =>
    fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => Buffer.from(bytes).toString('hex'))
      .filter((digits) => /[^0]/.test(digits))
  const arbitrary = fc.record({
    purpose: fc.constantFrom('answer' as const, 'link' as const, 'probe' as const),
    nodeId: digits(8),
    clusterId: fc.option(digits(16)),
    expectedId: fc.option(digits(8)),
    starts: fc.uniqueArray(fc.maxSafeNat(), { minLength: 1, maxLength: lineageMax }),
    nonce,
    address: fc.constantFrom('a:1', '[::1]:65535', `${'h'.repeat(253)}:7001`),
  })
  fc.assert(
    fc.property(arbitrary, ({ starts, ...rest }) => {
      const ancestors = starts.toSorted((a, b) => a - b)
      const hello: Hello = { ...rest, incarnation: ancestors.pop() ?? 0, ancestors }
      const bytes = encodeHello(hello)
      assert.ok(bytes.length <= handshakeBytesMax)
      assert.deepEqual(decodeHello(bytes), { ...hello })
    }),
  )
})

test('a truncated or lengthened hello is refused', () => {
  const bytes = encodeHello(helloOf())
  for (let length = 0; length < bytes.length; length++) {
    const decoded = decodeHello(bytes.subarray(0, length))
    assert.ok(isRefusal(decoded), `${length} bytes were taken for a hello`)
  }
  assert.ok(isRefusal(decodeHello(Buffer.concat([bytes, Buffer.from([0])]))))
})

test('a hello with fields that no node can have is refused', () => {
  const change = (offset: number, value: number[]) => {
    const bytes = encodeHello(helloOf())
    bytes.set(value, offset)
    return decodeHello(bytes)
  }
  for (const [name, decoded] of Object.entries({
    purpose: change(6, [3]),
    nodeId: change(23, new Array(8).fill(0)),
    incarnation: change(31, new Array(8).fill(255)),
    address: change(81, [0xff, 0xfe]),
    port: change(81, [...Buffer.from('127.0.0.1/x')]),
    host: decodeHello(encodeHello(helloOf({ address: `${'h'.repeat(254)}:1` }))),
  })) {
    assert.ok(isRefusal(decoded) && decoded.kind === 'malformed', name)
  }
})

test('whatever bytes arrive, neither end throws nor believes them', () => {
  const anything = fc.array(fc.uint8Array({ maxLength: 600, size: 'max' }), { maxLength: 4 })
  const almost = fc
    .tuple(fc.uint8Array({ maxLength: 200, size: 'max' }), fc.nat({ max: 92 }))
    .map(([bytes, at]) => [Buffer.concat([encodeHello(helloOf()).subarray(0, at), bytes])])
  fc.assert(
    fc.property(fc.oneof(anything, almost), (messages) => {
      const dialer = new DialerHandshake('open sesame', helloOf())
      const listener = new ListenerHandshake('open sesame', answerOf())
      for (const bytes of messages) {
        assert.notEqual(dialer.receive(bytes).type, 'welcome')
        assert.notEqual(listener.receive(bytes).type, 'proven')
      }
    }),
  )
})

test('a listener does not look at a handshake message longer than any can be', () => {
  const listener = new ListenerHandshake('open sesame', answerOf())
  assert.equal(
    refused(listener.receive(new Uint8Array(handshakeBytesMax + 1))).reason,
    'handshake message too long',
  )
})

test('a node id or cluster id that is not lower-case hex of its length is never sent', () => {
  for (const nodeId of ['', '22', '222222222222222g', '222222222222222A', '2'.repeat(18)]) {
    assert.throws(() => encodeHello(helloOf({ nodeId })), /lower-case hex digits/)
  }
  assert.throws(() => encodeHello(helloOf({ clusterId: clusterA.slice(2) })), /lower-case hex/)
})

test('each refusal crosses the wire as a close code and arrives as its error', () => {
  for (const [kind, code] of [
    ['malformed', 'SKIFF_CONFIG'],
    ['unauthorized', 'SKIFF_UNAUTHORIZED'],
    ['membership', 'SKIFF_MEMBERSHIP'],
    ['copied', 'SKIFF_MEMBERSHIP'],
    ['occupied', 'SKIFF_MEMBERSHIP'],
    ['replaced', 'SKIFF_MEMBERSHIP'],
    ['version', 'SKIFF_CONFIG'],
    ['unavailable', 'SKIFF_CONFIG'],
  ] as const) {
    const why = refusal(kind, 'because')
    const frame = closeFrame(why)
    assert.ok(frame.code >= 4400 && frame.code <= 4499)
    assert.deepEqual(refusalOf(frame.code, frame.reason), why)
    const error = new RefusedError(why, 'message')
    assert.deepEqual([error.code, error.outcome, error.kind], [code, 'not-applied', kind])
    assert.match(error.message, /^message(\. \w|$)/)
  }
  assert.equal(refusalOf(1006, ''), null)
  assert.equal(refusalOf(4499, ''), null)
})

test('a reason of any length fits into a close frame, cut between characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300, size: 'max' }), (text) => {
      const { reason } = closeFrame(refusal('malformed', text))
      assert.ok(Buffer.byteLength(reason) <= 123)
      assert.ok(text.startsWith(reason))
      assert.equal(Buffer.from(reason).toString(), reason)
    }),
  )
})
