/** What strangers and broken peers may do to a listener: nothing. */
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { DialerHandshake, peerPath } from '../../src/network/handshake.ts'
import { encodeHello, handshakeBytesMax } from '../../src/network/hello.ts'
import { encodeMessage, messageBytesMax } from '../../src/network/message.ts'
import { strangersMax } from '../../src/options.ts'
import { until } from '../support/until.ts'
import { helloOf, link, openNode, type TestNode, transports } from './fixture.ts'

const secret = 'open sesame'

/** A WebSocket in the hands of the test. */
interface Stranger {
  readonly webSocket: WebSocket
  readonly closed: Promise<string>
}

async function dial(t: TestContext, to: TestNode, path = '/'): Promise<Stranger> {
  const url = `ws://${to.identity.address}${path}`
  const webSocket = new WebSocket(url, { perMessageDeflate: false })
  t.after(() => webSocket.terminate())
  webSocket.on('error', () => undefined)
  const closed = new Promise<string>((resolve) => {
    webSocket.on('close', (code, reason) => resolve(`${code} ${reason}`.trim()))
  })
  await new Promise((resolve) => webSocket.once('open', resolve))
  return { webSocket, closed }
}

/** One that knows the secret, and so gets past the handshake. */
async function dialAsPeer(t: TestContext, to: TestNode): Promise<Stranger> {
  const stranger = await dial(t, to, peerPath(secret))
  const { webSocket } = stranger
  const handshake = new DialerHandshake(secret, helloOf())
  webSocket.send(handshake.opening)
  await new Promise<void>((resolve) => {
    webSocket.on('message', (bytes: Buffer) => {
      const step = handshake.receive(bytes)
      if (step.type === 'send') webSocket.send(step.bytes)
      if (step.type === 'welcome') resolve()
    })
  })
  return stranger
}

function dialRaw(t: TestContext, to: TestNode): { socket: Socket; closed: Promise<void> } {
  const socket = connect(to.network.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => undefined).resume()
  return { socket, closed: new Promise((resolve) => socket.on('close', () => resolve())) }
}

/** The node is as good as new: a peer can link to it and be heard. */
async function assertHealthy(t: TestContext, node: TestNode): Promise<void> {
  const peer = await openNode(t, { transport: 'ws' })
  await link(peer, node)
  const before = node.frames.length
  peer.network.send(node.id, Buffer.from('hello'))
  await until(() => node.frames.length === before + 1, 'a frame after the attack')
  assert.equal(node.frames.at(-1)?.from, peer.id)
}

for (const transport of transports) {
  test(`${transport}: rubbish over plain TCP and HTTP is closed and forgotten`, async (t) => {
    const node = await openNode(t, { transport })
    for (const bytes of [
      Buffer.from('\u0000\u00ff rubbish \r\n\r\n'),
      Buffer.alloc(200_000, 0xff),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n'),
      Buffer.from('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from(`GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`),
    ]) {
      const { socket, closed } = dialRaw(t, node)
      socket.end(bytes)
      await closed
    }
    await new Promise<void>((resolve) => {
      const request = get({ host: '127.0.0.1', port: node.network.port, agent: false }, (reply) =>
        reply.resume().on('close', resolve),
      )
      request.on('error', () => resolve())
    })
    assert.deepEqual(node.frames, [])
    await assertHealthy(t, node)
  })

  test(`${transport}: rubbish over a WebSocket is refused with a reason`, async (t) => {
    const node = await openNode(t, { transport })
    for (const [message, reason] of [
      [Buffer.from('rubbish'), '4400 not a hello'],
      [new Uint8Array(0), '4400 not a hello'],
      ['hello', '4400 text message'],
      [encodeHello(helloOf()).subarray(0, 40), '4400 hello of a wrong length'],
      [encodeHello(helloOf({ purpose: 'answer' })), '4400 a dialer must not answer'],
    ] as const) {
      const { webSocket, closed } = await dial(t, node)
      webSocket.send(message)
      assert.equal(await closed, reason)
    }
    const { webSocket, closed } = await dial(t, node, peerPath(secret))
    webSocket.send(new Uint8Array(handshakeBytesMax + 1))
    assert.equal(await closed, '4400 handshake message too long')
    await assertHealthy(t, node)
  })

  test(`${transport}: without the secret nothing is said but the hello`, async (t) => {
    const node = await openNode(t, { transport })
    const { webSocket, closed } = await dial(t, node)
    let messages = 0
    webSocket.on('message', () => {
      messages += 1
      webSocket.send(new Uint8Array(32))
    })
    webSocket.send(encodeHello(helloOf()))
    assert.equal(await closed, '4401 wrong secret')
    assert.equal(messages, 1)
  })

  test(`${transport}: a gap, a repeat or too few bytes end an open link`, async (t) => {
    const node = await openNode(t, { transport })
    const frame = (sequence: number) => encodeMessage(sequence, Buffer.from('x'))
    for (const [messages, reason] of [
      [[frame(1)], '4400 expected message 0, got 1'],
      [[frame(0), frame(0)], '4400 expected message 1, got 0'],
      [[new Uint8Array(3)], '4400 expected message 0, got less than a number'],
    ] as const) {
      const { webSocket, closed } = await dialAsPeer(t, node)
      for (const message of messages) webSocket.send(message)
      assert.equal(await closed, reason)
    }
    assert.equal(node.frames.length, 1)
    await assertHealthy(t, node)
  })

  test(`${transport}: without the path of a peer no message is longer than a handshake's`, async (t) => {
    const node = await openNode(t, { transport })
    for (const path of ['/', `${peerPath(secret)}/`, peerPath('another'), peerPath('')]) {
      const { webSocket, closed } = await dial(t, node, path)
      webSocket.send(new Uint8Array(handshakeBytesMax + 1))
      assert.match(await closed, /1006|1009/, path)
      const knows = await dial(t, node, path)
      knows.webSocket.send(new DialerHandshake(secret, helloOf()).opening)
      await new Promise((resolve) => knows.webSocket.once('message', resolve))
    }
    await assertHealthy(t, node)
  })

  test(`${transport}: a message over the limit ends the link, one at the limit does not`, async (t) => {
    const node = await openNode(t, { transport })
    const { webSocket, closed } = await dialAsPeer(t, node)
    webSocket.send(encodeMessage(0, new Uint8Array(messageBytesMax - 4)))
    await until(() => node.frames.length === 1, 'the largest frame')
    webSocket.send(new Uint8Array(messageBytesMax + 1))
    assert.match(await closed, /1006|1009/)
    assert.equal(node.frames.length, 1)
    await assertHealthy(t, node)
  })

  test(`${transport}: a dialer that leaves in the middle of the handshake leaves nothing`, async (t) => {
    const node = await openNode(t, { transport })
    for (let n = 0; n < strangersMax + 10; n++) {
      const { webSocket, closed } = await dial(t, node)
      webSocket.send(encodeHello(helloOf()))
      await new Promise((resolve) => webSocket.once('message', resolve))
      webSocket.terminate()
      await closed
    }
    await assertHealthy(t, node)
  })
}
