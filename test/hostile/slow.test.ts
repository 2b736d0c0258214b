/** Those who take their time: the listener gives them a while, and then their place to others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { encodeHello } from '../../src/network/hello.ts'
import { encodeMessage } from '../../src/network/message.ts'
import { defer } from '../support/cleanup.ts'
import { helloOf } from './insider.ts'
import { openBareVictim } from './victims.ts'
import { RawPeer, upgradeBytes, webSocketFrame } from './wire.ts'

const hello = webSocketFrame(encodeHello(helloOf()))
const unavailable = 4450
/** Between two bytes: far less than any deadline, and far too much for all of them. */
const byteMs = 100

/** Several times the longest deadline: ten seconds for a request at uWebSockets.js, looked at every four. */
const endedWithinMs = 25_000

interface SlowSender {
  /** Ends when it has sent all it will. */
  send(peer: RawPeer): Promise<unknown>
  readonly code: number | null
}

const senders: Readonly<Record<string, SlowSender>> = {
  'says nothing at all': { send: async () => undefined, code: null },
  'stops within its request': {
    send: async (peer) => peer.write(upgradeBytes.subarray(0, 60)),
    code: null,
  },
  'asks byte by byte': {
    send: (peer) =>
      drip(peer, Buffer.concat([upgradeBytes.subarray(0, 60), Buffer.alloc(2_000, 'x')])),
    code: null,
  },
  'has a WebSocket and says nothing': { send: (peer) => peer.upgrade(), code: unavailable },
  'stops within its hello': {
    send: async (peer) => {
      await peer.upgrade()
      peer.write(hello.subarray(0, 40))
    },
    code: unavailable,
  },
  'stops after its hello': {
    send: async (peer) => {
      await peer.upgrade()
      peer.write(hello)
      await peer.message()
    },
    code: unavailable,
  },
  'says hello byte by byte': {
    send: async (peer) => {
      await peer.upgrade()
      await drip(peer, Buffer.concat([hello, webSocketFrame(encodeMessage(0, hello))]))
    },
    code: unavailable,
  },
  'sends pieces of a message without end': {
    send: async (peer) => {
      await peer.upgrade()
      peer.write(webSocketFrame(Buffer.of(1), { final: false }))
      const piece = webSocketFrame(Buffer.of(1), { opcode: 0, final: false })
      while (!peer.isOver) await drip(peer, piece)
    },
    code: unavailable,
  },
  'pings without end': {
    send: async (peer) => {
      await peer.upgrade()
      while (!peer.isOver) await drip(peer, webSocketFrame(Buffer.of(1), { opcode: 9 }))
    },
    code: unavailable,
  },
}

/** One byte at a time, until it is told to go. */
async function drip(peer: RawPeer, bytes: Uint8Array): Promise<void> {
  for (const byte of bytes) {
    if (peer.isOver) return
    peer.write(Buffer.of(byte))
    await pause(byteMs)
  }
}

test('a slow stranger is shown the door', { concurrency: true }, async (t) => {
  const tests = (['uws', 'ws'] as const).map(async (transport) => {
    const victim = await openBareVictim(transport)
    defer(t, () => victim.close())
    const slow = Object.entries(senders).map(([name, { send, code }]) =>
      t.test(`${transport}: who ${name}`, { timeout: endedWithinMs }, async () => {
        const peer = new RawPeer(victim.port)
        const sending = send(peer)
        assert.equal((await peer.ended).code, code)
        await sending
      }),
    )
    await Promise.all(slow)
    await victim.assertSound()
  })
  await Promise.all(tests)
})
