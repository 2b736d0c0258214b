/** Hostile bytes, a cut of `npm run hostile`: at the decoder, and at the listeners of both transports. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { DialerHandshake, peerPath } from '../../src/network/handshake.ts'
import { encodeHello } from '../../src/network/hello.ts'
import { messageBytesMax } from '../../src/network/message.ts'
import { strangersMax, type Transport } from '../../src/options.ts'
import { defer } from '../support/cleanup.ts'
import { until } from '../support/until.ts'
import { attackDecoder } from './decoder.ts'
import { helloOf } from './insider.ts'
import { attackListener } from './listener.ts'
import { heldBytes } from './memory.ts'
import { heldBytesMax } from './report.ts'
import { type BareVictim, type GuardedVictim, openBareVictim } from './victims.ts'
import { type Ending, opcodes, RawPeer, upgradeBytes, webSocketFrame } from './wire.ts'

const seed = 1

/** The longest message, from one who will not end it. */
const wholeMessage = webSocketFrame(Buffer.alloc(messageBytesMax)).subarray(0, -1)
const pieces: readonly Uint8Array[] = Array.from({ length: 16 }, (_, n) =>
  webSocketFrame(Buffer.alloc(messageBytesMax / 16), {
    opcode: n === 0 ? opcodes.binary : opcodes.continuation,
    final: false,
  }),
)
/** With what our own side of the flood leaves behind. One message of each of them would be ten times as much. */
const floodBytesMax = 48 * 2 ** 20

test('the decoder refuses or understands 30,000 hostile frames, none slowly, and keeps nothing', () => {
  const reports = attackDecoder(seed, 30_000)
  for (const [kind, { inputs }] of reports) assert.ok(inputs > 2_000, kind)
  assert.ok((reports.get('flipped bits')?.accepted ?? 0) > 0, 'the checks are reached')
})

for (const transport of ['uws', 'ws'] as const) {
  test(`${transport}: 600 attacks are ended, the honest are served, nothing has changed`, async () => {
    const { kinds } = await attackListener({ transport, seed, inputs: 600 })
    for (const [kind, { inputs }] of kinds) assert.ok(inputs > 10, kind)
  })

  test(`${transport}: a request, a hello or a proof cut off at any byte leads nowhere`, async (t) => {
    const victim = await openVictim(t, transport)
    for (let length = 0; length < upgradeBytes.length; length++) {
      const peer = new RawPeer(victim.port)
      peer.write(upgradeBytes.subarray(0, length))
      peer.finish()
      assert.equal((await peer.ended).code, null)
    }
    const hello = encodeHello(helloOf())
    for (let length = 0; length < hello.length; length++) {
      assert.equal((await sayHello(victim, hello.subarray(0, length))).code, 4400)
    }
    for (let length = 0; length < 32; length++) {
      assert.equal((await proveInPart(victim, length)).code, 4401)
    }
    await victim.assertSound()
  })

  test(`${transport}: a flood of connections is bounded, and breaks no link that is there`, async (t) => {
    const victim = await openVictim(t, transport)
    const flood = Array.from({ length: 2 * strangersMax }, () => new RawPeer(victim.port))
    defer(t, () => destroyAll(flood))
    // Some are still there: the others did not go because their time was up.
    const left = (): number => flood.filter(({ isOver }) => !isOver).length
    await until(() => left() > 0 && left() <= strangersMax, 'the newest are there, no others')
    await victim.assertServed()
    destroyAll(flood)
    await until(() => isLetIn(victim), 'room for others')
  })

  test(`${transport}: strangers on every connection cannot make it hold more than a few bytes`, async (t) => {
    const victim = await openVictim(t, transport)
    // A quarter of those there may be: all must be through before the first one's time is up.
    const strangers = strangersMax / 4
    const residentBefore = process.memoryUsage.rss()
    const flood = Array.from({ length: strangers }, () => new RawPeer(victim.port))
    defer(t, () => destroyAll(flood))
    for (const peer of flood) assert.ok(await peer.upgrade())
    // As much as the longest message, whole or in pieces without an end.
    for (const [n, peer] of flood.entries()) {
      if (n % 2 === 0) peer.write(wholeMessage)
      else for (const piece of pieces) peer.write(piece)
    }
    // At once, for its length; not when its time was up.
    for (const peer of flood) assert.ok([null, 1009].includes((await peer.ended).code))
    await victim.assertSound()
    const resident = process.memoryUsage.rss() - residentBefore
    assert.ok(resident < floodBytesMax, `grown by ${resident} bytes`)
  })

  test(`${transport}: who knows the path of the peers can make it hold a message, not more`, async (t) => {
    const victim = await openVictim(t, transport)
    const strangers = 6
    const heldBefore = heldBytes()
    const residentBefore = process.memoryUsage.rss()
    const message = webSocketFrame(Buffer.alloc(messageBytesMax))
    const peers = Array.from({ length: strangers }, () => new RawPeer(victim.port))
    defer(t, () => destroyAll(peers))
    for (const peer of peers) {
      assert.ok(await peer.upgrade(peerPath(victim.secret)))
      peer.write(message.subarray(0, -1))
    }
    await until(() => peers.every((peer) => peer.unsentBytes === 0), 'all is sent')
    await victim.assertSound()
    const resident = process.memoryUsage.rss() - residentBefore
    // Twice: a buffer that grows is there twice while it is copied.
    assert.ok(
      resident < 2 * strangers * messageBytesMax + heldBytesMax,
      `grown by ${resident} bytes`,
    )
    for (const peer of peers) peer.write(message.subarray(-1))
    for (const peer of peers) assert.equal((await peer.ended).code, 4400)
    await until(() => heldBytes() - heldBefore < heldBytesMax, 'what strangers sent is forgotten')
    await victim.assertSound()
  })
}

async function openVictim(t: TestContext, transport: Transport): Promise<BareVictim> {
  const victim = await openBareVictim(transport)
  defer(t, () => victim.close())
  return victim
}

async function sayHello({ port }: GuardedVictim, hello: Uint8Array): Promise<Ending> {
  const peer = new RawPeer(port)
  assert.ok(await peer.upgrade())
  peer.write(webSocketFrame(hello))
  return peer.ended
}

async function proveInPart({ port, secret }: GuardedVictim, length: number): Promise<Ending> {
  const peer = new RawPeer(port)
  assert.ok(await peer.upgrade())
  const handshake = new DialerHandshake(secret, helloOf())
  peer.write(webSocketFrame(handshake.opening))
  const answer = await peer.message()
  assert.ok(answer !== null)
  const step = handshake.receive(answer)
  assert.ok(step.type === 'send')
  peer.write(webSocketFrame(step.bytes.subarray(0, length)))
  return peer.ended
}

async function isLetIn({ port }: GuardedVictim): Promise<boolean> {
  const peer = new RawPeer(port)
  const upgraded = await peer.upgrade()
  peer.destroy()
  return upgraded
}

function destroyAll(peers: readonly RawPeer[]): void {
  for (const peer of peers) peer.destroy()
}
