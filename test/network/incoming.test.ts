import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { DialerHandshake, ListenerHandshake } from '../../src/network/handshake.ts'
import type { Hello, Purpose } from '../../src/network/hello.ts'
import { type Gate, Incoming } from '../../src/network/incoming.ts'
import { encodeMessage } from '../../src/network/message.ts'
import type { Refusal } from '../../src/network/refusal.ts'
import { handshakeTimeoutMs } from '../../src/options.ts'
import { helloOf } from './fixture.ts'

interface Scene {
  readonly incoming: Incoming
  readonly sent: Uint8Array[]
  readonly ends: string[]
  readonly frames: string[]
  readonly gate: string[]
  /** Lets the dialer in, or refuses it. */
  verdict(refusal: Refusal | null): void
}

/** A connection of which both ends are in the hands of the test. */
function scene(): Scene {
  const sent: Uint8Array[] = []
  const ends: string[] = []
  const frames: string[] = []
  const heard: string[] = []
  let verdict: (refusal: Refusal | null) => void = () => assert.fail('nobody asked')
  const gate: Gate = {
    admit: () =>
      new Promise((resolve) => {
        verdict = resolve
      }),
    entered: (dialer: Hello) => heard.push(`entered ${dialer.nodeId}`),
    frame: (_from, bytes) => frames.push(Buffer.from(bytes).toString()),
    left: () => heard.push('left'),
  }
  const connection = {
    send: (bytes: Uint8Array) => sent.push(bytes),
    proven: () => heard.push('proven'),
    ping: () => heard.push('ping'),
    end: (code: number, reason: string) => ends.push(`${code} ${reason}`),
  }
  const handshake = new ListenerHandshake('open sesame', helloOf({ purpose: 'answer' }))
  const incoming = new Incoming(connection, handshake, gate)
  return { incoming, sent, ends, frames, gate: heard, verdict: (refusal) => verdict(refusal) }
}

/** Goes through the handshake up to the proof; returns the dialer's end of it. */
function prove({ incoming, sent }: Scene, purpose: Purpose = 'link'): DialerHandshake {
  const dialer = new DialerHandshake('open sesame', helloOf({ purpose }))
  incoming.message(dialer.opening, true)
  const step = dialer.receive(sent.at(-1) ?? new Uint8Array())
  assert.ok(step.type === 'send')
  incoming.message(step.bytes, true)
  return dialer
}

async function enter(it: Scene, purpose: Purpose = 'link'): Promise<void> {
  prove(it, purpose)
  it.verdict(null)
  await Promise.resolve()
  assert.deepEqual(it.gate, ['proven', 'entered 1111111111111111'])
}

const frame = (sequence: number, text: string) => encodeMessage(sequence, Buffer.from(text))

test('frames pass once the dialer is let in, each with the next number', async () => {
  const it = scene()
  await enter(it)
  for (const [sequence, text] of ['one', '', 'three'].entries()) {
    it.incoming.message(frame(sequence, text), true)
  }
  assert.deepEqual(it.frames, ['one', '', 'three'])
  it.incoming.closed()
  assert.deepEqual(it.gate, ['proven', 'entered 1111111111111111', 'left'])
})

test('the welcome comes only after the verdict', async () => {
  const it = scene()
  const dialer = prove(it)
  assert.equal(it.sent.length, 1)
  it.verdict(null)
  await Promise.resolve()
  assert.equal(dialer.receive(it.sent[1] ?? new Uint8Array()).type, 'welcome')
  it.incoming.closed()
})

test('who has not proven the secret stays a stranger, whatever it says', () => {
  const it = scene()
  const dialer = new DialerHandshake('a guess', helloOf())
  it.incoming.message(dialer.opening, true)
  assert.deepEqual(it.gate, [])
  const step = dialer.receive(it.sent.at(-1) ?? new Uint8Array())
  assert.ok(step.type === 'send')
  it.incoming.message(step.bytes, true)
  assert.deepEqual(it.ends, ['4401 wrong secret'])
  assert.deepEqual(it.gate, ['left'])
})

test('a refusal closes with its code and reason', async () => {
  const it = scene()
  prove(it)
  it.verdict({ kind: 'membership', reason: 'wrong cluster' })
  await Promise.resolve()
  assert.deepEqual(it.ends, ['4403 wrong cluster'])
  assert.equal(it.sent.length, 1)
})

for (const [name, message, reason] of [
  ['a gap', frame(1, 'x'), '4400 expected message 0, got 1'],
  [
    'a message without a number',
    new Uint8Array(3),
    '4400 expected message 0, got less than a number',
  ],
] as const) {
  test(`${name} ends the link`, async () => {
    const it = scene()
    await enter(it)
    it.incoming.message(message, true)
    it.incoming.message(frame(0, 'too late'), true)
    assert.deepEqual([it.ends, it.frames], [[reason], []])
  })
}

test('a repeated message ends the link', async () => {
  const it = scene()
  await enter(it)
  it.incoming.message(frame(0, 'x'), true)
  it.incoming.message(frame(0, 'x'), true)
  assert.deepEqual([it.ends, it.frames], [['4400 expected message 1, got 0'], ['x']])
})

test('a frame before the welcome, after a probe, or as text ends the connection', async () => {
  const early = scene()
  prove(early)
  early.incoming.message(frame(0, 'x'), true)
  assert.deepEqual(early.ends, ['4400 message before the welcome'])

  const probe = scene()
  await enter(probe, 'probe')
  probe.incoming.message(frame(0, 'x'), true)
  assert.deepEqual(probe.ends, ['4400 message after a probe'])

  const text = scene()
  await enter(text)
  text.incoming.message(frame(0, 'x'), false)
  assert.deepEqual(text.ends, ['4400 text message'])
  assert.deepEqual([...early.frames, ...probe.frames, ...text.frames], [])
})

test('a dialer that went away while it was judged does not enter', async () => {
  const it = scene()
  prove(it)
  it.incoming.closed()
  it.verdict(null)
  await Promise.resolve()
  assert.deepEqual(it.gate, ['proven', 'left'])
  assert.equal(it.sent.length, 1)
})

test('a handshake that is not finished in time is ended, wherever it stands', (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const silent = scene()
  const judged = scene()
  prove(judged)
  t.mock.timers.tick(handshakeTimeoutMs - 1)
  assert.deepEqual([silent.ends, judged.ends], [[], []])
  t.mock.timers.tick(1)
  assert.deepEqual(silent.ends, ['4450 handshake took too long'])
  assert.deepEqual(judged.ends, ['4450 handshake took too long'])
})

test('a finished handshake has no time limit', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const it = scene()
  await enter(it)
  t.mock.timers.tick(2 * handshakeTimeoutMs)
  assert.deepEqual(it.ends, [])
})

test('no sequence of rubbish makes it throw, enter or hand on a frame', (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const message = fc.tuple(fc.uint8Array({ maxLength: 1_000, size: 'max' }), fc.boolean())
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.boolean(), (messages, greeted) => {
      const it = scene()
      if (greeted) it.incoming.message(new DialerHandshake('x', helloOf()).opening, true)
      for (const [bytes, binary] of messages) it.incoming.message(bytes, binary)
      assert.ok(it.ends.length <= 1 && it.frames.length === 0)
      assert.ok(messages.length === 0 || it.ends.length === 1)
    }),
  )
})

test('who asks whether a link lives hears at once when it does, or when it is closed', async () => {
  const it = scene()
  await enter(it)
  const [answered, closed] = [it.incoming.lives(), it.incoming]
  closed.alive()
  assert.equal(await answered, true)
  const asked = closed.lives()
  closed.closed()
  const began = new Promise<string>((resolve) => setImmediate(() => resolve('still waits')))
  assert.equal(await Promise.race([asked, began]), false)
})
