/** Whoever cannot prove the secret takes no room from those who can, however many of them there are. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { DialerHandshake, peerPath } from '../../src/network/handshake.ts'
import type { Purpose } from '../../src/network/hello.ts'
import { Lobby } from '../../src/network/lobby.ts'
import { linksMax, strangersMax } from '../../src/options.ts'
import { nextTurn } from '../support/channel.ts'
import { until } from '../support/until.ts'
import { helloOf, nodeId, openNode, type TestNode, transports } from './fixture.ts'

const secret = 'open sesame'

interface Stranger {
  readonly isClosed: () => boolean
  leave(): void
}

/** Connects, and says nothing. */
async function dialSilent(t: TestContext, to: TestNode): Promise<Stranger> {
  const socket: Socket = connect(to.network.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => undefined).resume()
  await new Promise((resolve) => socket.once('connect', resolve))
  return { isClosed: () => socket.closed, leave: () => void socket.destroy() }
}

/** Asks for the WebSocket, and then says nothing. */
async function dialWebSocket(t: TestContext, to: TestNode): Promise<Stranger & { ws: WebSocket }> {
  const url = `ws://${to.identity.address}${peerPath(secret)}`
  const ws = new WebSocket(url, { perMessageDeflate: false })
  t.after(() => ws.terminate())
  ws.on('error', () => undefined)
  await new Promise((resolve) => ws.once('open', resolve))
  return { ws, isClosed: () => ws.readyState === ws.CLOSED, leave: () => ws.terminate() }
}

/** Knows the secret: resolves with the reason if it is turned away, with `welcome` if it is not. */
async function dialProven(t: TestContext, to: TestNode, purpose: Purpose, id: string) {
  const stranger = await dialWebSocket(t, to)
  const { ws } = stranger
  const handshake = new DialerHandshake(secret, helloOf({ purpose, nodeId: id }))
  ws.send(handshake.opening)
  const answer = await new Promise<string>((resolve) => {
    ws.on('close', (code, reason) => resolve(`${code} ${reason}`))
    ws.on('message', (bytes: Buffer) => {
      const step = handshake.receive(bytes)
      if (step.type === 'send') ws.send(step.bytes)
      if (step.type === 'welcome') resolve('welcome')
    })
  })
  return { ...stranger, answer }
}

/** So that nobody is closed for its age. They run again before anything is closed that has real ones. */
function stopHandshakeClocks(t: TestContext): void {
  t.after(() => t.mock.timers.reset())
  t.mock.timers.enable({ apis: ['setTimeout'] })
}

/** Waits without a timer. */
async function turnsUntil(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, `never happened: ${what}`)
    await nextTurn()
  }
}

async function many<T>(count: number, one: () => Promise<T>): Promise<T[]> {
  const all: T[] = []
  for (let n = 0; n < count; n++) all.push(await one())
  return all
}

test('for one stranger too many the oldest leaves, unless it has left or proven itself before', () => {
  const dropped: number[] = []
  const lobby = new Lobby<number>((stranger) => dropped.push(stranger))
  for (let n = 0; n < strangersMax; n++) lobby.enter(n)
  lobby.leave(0)
  lobby.enter(strangersMax)
  assert.deepEqual(dropped, [])
  lobby.enter(strangersMax + 1)
  lobby.enter(strangersMax + 2)
  assert.deepEqual(dropped, [1, 2])
})

for (const transport of transports) {
  test(`${transport}: the oldest stranger makes room, at whatever step it stands, and members keep theirs`, async (t) => {
    stopHandshakeClocks(t)
    const node = await openNode(t, { transport })
    // Those of uWebSockets are known to be older or newer only once they have a WebSocket.
    const dial = transport === 'uws' ? dialWebSocket : dialSilent
    const [member, late] = await many(2, () => openNode(t, { transport: 'ws' }))
    assert.ok(member !== undefined && late !== undefined)
    member.network.setPeers([node.peer])
    await turnsUntil(() => member.linked(node), 'a member links')
    const oldest = [await dial(t, node), await dialWebSocket(t, node)]
    const others = await many(strangersMax - 2, () => dial(t, node))
    // It finds room like anybody else, and is no stranger for long.
    late.network.setPeers([node.peer])
    await turnsUntil(() => late.linked(node), 'a late member links')
    await turnsUntil(() => oldest[0]?.isClosed() === true, 'the oldest has made room')
    assert.equal(oldest[1]?.isClosed(), false)
    await many(2, () => dial(t, node))
    await turnsUntil(() => oldest[1]?.isClosed() === true, 'so has the next')
    await many(strangersMax, () => dial(t, node))
    await turnsUntil(() => others.every((one) => one.isClosed()), 'so have all the others')
    for (const peer of [member, late]) {
      assert.deepEqual(peer.peers, [{ id: node.id, up: true }])
      peer.network.send(node.id, Buffer.from('still here'))
    }
    await turnsUntil(() => node.frames.length === 2, 'members are heard')
  })

  test(`${transport}: strangers who have left take no room`, async (t) => {
    stopHandshakeClocks(t)
    const node = await openNode(t, { transport })
    const { ws } = await dialWebSocket(t, node)
    for (let n = 0; n < 2 * strangersMax + 10; n++) {
      const other = n % 2 === 0 ? await dialSilent(t, node) : await dialWebSocket(t, node)
      other.leave()
      await turnsUntil(() => other.isClosed(), 'it has left')
    }
    assert.equal(ws.readyState, ws.OPEN, 'nobody had to make room')
    ws.ping()
    await new Promise((resolve, reject) => ws.once('pong', resolve).once('close', reject))
  })

  test(`${transport}: of those who know the secret there are at most linksMax`, async (t) => {
    const node = await openNode(t, { transport })
    const links = await many(linksMax - 1, () => dialProven(t, node, 'link', nodeId()))
    const probe = await dialProven(t, node, 'probe', nodeId())
    for (const { answer } of [...links, probe]) assert.equal(answer, 'welcome')
    const full = new RegExp(`^4450 ${linksMax} connections are open`)
    for (const purpose of ['link', 'probe'] as const) {
      assert.match((await dialProven(t, node, purpose, nodeId())).answer, full)
    }
    probe.leave()
    await until(async () => {
      const again = await dialProven(t, node, 'link', nodeId())
      if (again.answer !== 'welcome') assert.match(again.answer, full)
      return again.answer === 'welcome'
    }, 'there is room again')
  })
}
