/** A dialer and listeners that misbehave. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { pingIntervalMs, pingsMissedMax } from '../../src/network/dialer.ts'
import { ListenerHandshake } from '../../src/network/handshake.ts'
import { encodeHello, handshakeBytesMax } from '../../src/network/hello.ts'
import { tcpServer } from '../support/tcp.ts'
import { until } from '../support/until.ts'
import { failureOf, helloOf, nodeId, openNode } from './fixture.ts'

const timeoutMs = 5_000
const node = (t: TestContext) => openNode(t, { transport: 'ws' })

interface FakeListener {
  readonly address: string
  readonly server: WebSocketServer
}

/** A listener of which the test decides what it says to each message. */
async function fakeListener(
  t: TestContext,
  reply: (bytes: Buffer, count: number) => Uint8Array | null,
): Promise<FakeListener> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, autoPong: false })
  server.on('connection', (webSocket) => {
    let count = 0
    webSocket.on('message', (bytes: Buffer) => {
      const answer = reply(bytes, count++)
      if (answer !== null) webSocket.send(answer)
    })
  })
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

/** Knows the secret and welcomes everyone. */
function welcoming(id: string): (bytes: Buffer, count: number) => Uint8Array | null {
  let handshake: ListenerHandshake
  return (bytes, count) => {
    if (count === 0) {
      handshake = new ListenerHandshake('open sesame', helloOf({ purpose: 'answer', nodeId: id }))
    }
    const step = handshake.receive(bytes)
    return step.type === 'send' ? step.bytes : handshake.welcome()
  }
}

test('a probe where nobody listens fails and names the address', async (t) => {
  const a = await node(t)
  const gone = await node(t)
  await gone.network.close()
  await assert.rejects(a.network.probe(gone.identity.address, { timeoutMs }), {
    code: 'SKIFF_CONFIG',
    outcome: 'not-applied',
    message: `cannot connect to ${gone.identity.address}: connect ECONNREFUSED ${gone.identity.address}`,
  })
})

test('a probe of a host that does not exist, or of no address at all, fails', async (t) => {
  const a = await node(t)
  await assert.rejects(a.network.probe('no-such-host.invalid:1', { timeoutMs: 60_000 }), {
    code: 'SKIFF_CONFIG',
    message: /cannot connect to no-such-host.invalid:1/,
  })
  await assert.rejects(a.network.probe('nonsense', { timeoutMs }), TypeError)
})

test('a probe of a server that is none of ours fails with what it said', async (t) => {
  const a = await node(t)
  const http = await tcpServer(t, 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
  await assert.rejects(a.network.probe(http, { timeoutMs }), {
    code: 'SKIFF_CONFIG',
    message: `cannot connect to ${http}: Unexpected server response: 404`,
  })
  const smtp = await tcpServer(t, '220 mail.example.com ESMTP\r\n')
  await assert.rejects(a.network.probe(smtp, { timeoutMs }), { code: 'SKIFF_CONFIG' })
})

test('a probe of a server that says nothing ends at its deadline', async (t) => {
  const a = await node(t)
  const silent = await tcpServer(t)
  await assert.rejects(a.network.probe(silent, { timeoutMs: 50 }), {
    code: 'SKIFF_CONFIG',
    message: `cannot connect to ${silent}: no answer within 50 ms`,
  })
  const mute = await fakeListener(t, () => null)
  await assert.rejects(a.network.probe(mute.address, { timeoutMs: 50 }), /no answer within 50 ms/)
})

test('a probe ends with its signal, with the reason of the signal', async (t) => {
  const a = await node(t)
  const silent = await tcpServer(t)
  const reason = new Error('changed my mind')
  const controller = new AbortController()
  const probing = a.network.probe(silent, { timeoutMs, signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(probing, reason)
  const again = a.network.probe(silent, { timeoutMs, signal: controller.signal })
  await assert.rejects(again, reason)
})

test('a probe ends when the node is closed', async (t) => {
  const a = await node(t)
  const probing = a.network.probe(await tcpServer(t), { timeoutMs })
  const failed = assert.rejects(probing, { code: 'SKIFF_CLOSED' })
  await a.network.close()
  await failed
})

test('a probe may reach the node itself, and says so', async (t) => {
  const a = await node(t)
  const found = await a.network.probe(a.identity.address, { timeoutMs })
  assert.deepEqual(found, { ...a.identity })
})

test('a listener that cannot prove the secret is not linked to', async (t) => {
  const a = await node(t)
  const liar = await fakeListener(t, (_bytes, count) =>
    count === 0 ? encodeHello(helloOf({ purpose: 'answer' })) : new Uint8Array(32),
  )
  await assert.rejects(a.network.probe(liar.address, { timeoutMs }), {
    code: 'SKIFF_UNAUTHORIZED',
    message: /cannot prove that it knows the secret/,
  })
  a.network.setPeers([{ id: nodeId(), address: liar.address }])
  await until(() => failureOf(a).includes('cannot prove'), 'the refusal')
  assert.deepEqual(a.peers, [])
})

test('a listener that says more than a handshake holds is not heard out', async (t) => {
  const a = await node(t)
  const { address } = await fakeListener(t, () => new Uint8Array(handshakeBytesMax + 1))
  await assert.rejects(a.network.probe(address, { timeoutMs }), /Max payload size exceeded/)
})

test('a listener of another protocol version is told from rubbish', async (t) => {
  const a = await node(t)
  const later = encodeHello(helloOf({ purpose: 'answer' }))
  new DataView(later.buffer, later.byteOffset).setUint16(4, 9)
  const listener = await fakeListener(t, () => later)
  await assert.rejects(a.network.probe(listener.address, { timeoutMs }), {
    code: 'SKIFF_CONFIG',
    message: /speaks protocol version 2, not 9/,
  })
})

test('a listener that is another node than expected is not linked to, though it would', async (t) => {
  const a = await node(t)
  const id = nodeId()
  const wanted = nodeId()
  const { address } = await fakeListener(t, welcoming(id))
  a.network.setPeers([{ id: wanted, address }])
  await until(() => failureOf(a).includes(`expected node ${wanted}, met node ${id}`), 'the refusal')
  assert.deepEqual(a.peers, [])
})

test('a listener that talks back on a link of ours loses it', async (t) => {
  const a = await node(t)
  const id = nodeId()
  const welcome = welcoming(id)
  const { address } = await fakeListener(t, (bytes, count) =>
    count < 2 ? welcome(bytes, count) : Buffer.from('back at you'),
  )
  a.network.setPeers([{ id, address }])
  await until(() => a.peers.length === 1, 'the link')
  a.network.send(id, Buffer.from('x'))
  await until(() => a.peers.length === 2, 'its end')
  assert.match(failureOf(a), /it talks on a link that is ours to talk on/)
})

test('a peer that gives no sign of life loses the link', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const a = await node(t)
  const id = nodeId()
  const { address, server } = await fakeListener(t, welcoming(id))
  let pings = 0
  server.on('connection', (webSocket) => webSocket.on('ping', () => pings++))
  a.network.setPeers([{ id, address }])
  await until(() => a.peers.length === 1, 'the link')
  for (let n = 1; n <= pingsMissedMax; n++) {
    t.mock.timers.tick(pingIntervalMs)
    await until(() => pings === n, `ping ${n}`)
  }
  assert.deepEqual(a.peers, [{ id, up: true }])
  t.mock.timers.tick(pingIntervalMs)
  assert.deepEqual(a.peers.at(-1), { id, up: false })
  assert.match(failureOf(a), /no sign of life/)
})

test('a peer that answers pings keeps the link, on either transport', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  for (const transport of ['uws', 'ws'] as const) {
    const a = await node(t)
    const b = await openNode(t, { transport })
    a.network.setPeers([b.peer])
    await until(() => a.linked(b), 'the link')
    for (let n = 0; n < 3 * pingsMissedMax; n++) {
      t.mock.timers.tick(pingIntervalMs)
      // Takes three round trips to the same listener; the pong takes one.
      await a.network.probe(b.identity.address, { timeoutMs })
    }
    assert.deepEqual(a.peers, [{ id: b.id, up: true }])
  }
})
