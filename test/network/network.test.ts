/** One body of cases for both transports, and for a pair of different ones. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { Network } from '../../src/network/network.ts'
import { linkBytesMax } from '../../src/options.ts'
import { until } from '../support/until.ts'
import { clusterA, clusterB, failureOf, link, nodeId, openNode, transports } from './fixture.ts'

const pairs = [
  ['uws', 'uws'],
  ['ws', 'ws'],
  ['ws', 'uws'],
] as const

for (const [left, right] of pairs) {
  test(`${left} → ${right}: frames arrive whole and in order, up to 4 MiB and more`, async (t) => {
    const a = await openNode(t, { transport: left })
    const b = await openNode(t, { transport: right })
    await link(a, b)
    const sizes = [0, 1, 4_096, 4 * 2 ** 20, 3, 70_000, 8 * 2 ** 20]
    for (const [n, size] of sizes.entries()) a.network.send(b.id, new Uint8Array(size).fill(n))
    for (let n = 0; n < 1_000; n++) a.network.send(b.id, Buffer.from(`${n}`))
    await until(() => b.frames.length === sizes.length + 1_000, 'all frames')
    for (const [n, size] of sizes.entries()) {
      assert.deepEqual(b.frames[n], { from: a.id, bytes: new Uint8Array(size).fill(n) })
    }
    const texts = b.frames.slice(sizes.length).map(({ bytes }) => Buffer.from(bytes).toString())
    assert.deepEqual(
      texts,
      Array.from({ length: 1_000 }, (_, n) => `${n}`),
    )
    assert.deepEqual(a.peers, [{ id: b.id, up: true }])
    assert.deepEqual(b.peers, [])
  })

  test(`${left} ↔ ${right}: each end talks on the link it has dialled`, async (t) => {
    const a = await openNode(t, { transport: left })
    const b = await openNode(t, { transport: right })
    await Promise.all([link(a, b), link(b, a)])
    a.network.send(b.id, Buffer.from('to b'))
    b.network.send(a.id, Buffer.from('to a'))
    await until(() => a.frames.length + b.frames.length === 2, 'both frames')
    assert.deepEqual(a.frames, [{ from: b.id, bytes: new Uint8Array(Buffer.from('to a')) }])
    assert.deepEqual(b.frames, [{ from: a.id, bytes: new Uint8Array(Buffer.from('to b')) }])
  })
}

for (const transport of transports) {
  test(`${transport}: a frame owns its memory, so that it can be moved to another thread`, async (t) => {
    const [a, b] = [await openNode(t, { transport }), await openNode(t, { transport })]
    await link(a, b)
    a.network.send(b.id, Buffer.from('mine'))
    await until(() => b.frames.length === 1, 'the frame')
    const { buffer, byteLength } = b.frames[0]?.bytes ?? new Uint8Array()
    assert.equal(buffer.byteLength, byteLength)
    assert.ok(buffer instanceof ArrayBuffer)
    assert.equal(structuredClone(buffer, { transfer: [buffer] }).byteLength, 4)
  })

  test(`${transport}: the port that was found free is the one that answers`, async (t) => {
    const node = await openNode(t, { transport })
    assert.equal(node.network.transport, transport)
    assert.ok(node.network.port > 0)
    const other = await openNode(t, { transport })
    const found = await other.network.probe(node.identity.address, { timeoutMs: 5_000 })
    assert.deepEqual(found, { ...node.identity })
  })

  test(`${transport}: a node with another secret gets no link and sends nothing`, async (t) => {
    const a = await openNode(t, { transport, secret: 'guess' })
    const b = await openNode(t, { transport })
    await assert.rejects(a.network.probe(b.identity.address, { timeoutMs: 5_000 }), {
      code: 'SKIFF_UNAUTHORIZED',
      outcome: 'not-applied',
    })
    a.network.setPeers([b.peer])
    await until(() => failureOf(a).includes('wrong secret'), 'the refusal')
    a.network.send(b.id, Buffer.from('rubbish'))
    assert.deepEqual([a.peers, b.frames], [[], []])
  })

  test(`${transport}: a node of another cluster is refused, with both named`, async (t) => {
    const a = await openNode(t, { transport, clusterId: clusterA })
    const b = await openNode(t, { transport, clusterId: clusterB })
    const named = (text: string) =>
      [a.id, b.id, clusterA, clusterB].every((name) => text.includes(name))
    await assert.rejects(
      a.network.probe(b.identity.address, { timeoutMs: 5_000 }),
      ({ code, message }: Error & { code: string }) =>
        code === 'SKIFF_MEMBERSHIP' && /wrong cluster/.test(message) && named(message),
    )
    a.network.setPeers([b.peer])
    await until(() => named(failureOf(a)), 'the refusal')
    assert.deepEqual(a.peers, [])
  })

  test(`${transport}: a node that waits for it is adopted before the link is up`, async (t) => {
    let stored = (): void => assert.fail('nothing to store')
    const a = await openNode(t, { transport })
    const b = await openNode(t, {
      transport,
      clusterId: null,
      adoptable: true,
      adopt: () => new Promise((resolve) => (stored = resolve)),
    })
    assert.equal((await a.network.probe(b.identity.address, { timeoutMs: 5_000 })).clusterId, null)
    assert.equal(b.identity.clusterId, null)
    stored = () => undefined
    const asked = stored
    a.network.setPeers([b.peer])
    await until(() => stored !== asked, 'the question')
    assert.equal(b.identity.clusterId, null)
    assert.equal(a.linked(b), false)
    stored()
    await until(() => a.linked(b), 'the link')
    assert.deepEqual([b.adopted, b.identity.clusterId], [[clusterA], clusterA])
  })

  test(`${transport}: a node of no cluster that may not be adopted says so`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport, clusterId: null })
    await assert.rejects(a.network.probe(b.identity.address, { timeoutMs: 5_000 }), {
      code: 'SKIFF_MEMBERSHIP',
      message: /belongs to no cluster yet/,
    })
  })

  test(`${transport}: a newer process of a node waits for the older to go, and takes its place`, async (t) => {
    const b = await openNode(t, { transport })
    const id = nodeId()
    const older = await openNode(t, { transport, id, incarnation: 4 })
    await link(older, b)
    const newer = await openNode(t, { transport, id, incarnation: 5 })
    const found = { code: 'SKIFF_MEMBERSHIP', message: /runs at .*started as 4/ }
    await assert.rejects(newer.network.probe(b.identity.address, { timeoutMs: 5_000 }), found)
    newer.network.setPeers([b.peer])
    await until(() => failureOf(newer).includes('started as 4'), 'the newer one is refused')
    older.network.send(b.id, Buffer.from('still here'))
    await until(() => b.frames.length === 1, 'the older one still talks')
    await older.network.close()
    await until(() => newer.linked(b), 'the newer one takes its place')
    assert.deepEqual([newer.disowned, b.met.get(id)], [[], 5])
    const late = await openNode(t, { transport, id, incarnation: 4 })
    await assert.rejects(late.network.probe(b.identity.address, { timeoutMs: 5_000 }), {
      code: 'SKIFF_MEMBERSHIP',
      message: /a copy of node \w+, whose latest start was 5, not one before 4.*Remove it/,
    })
  })

  test(`${transport}: a copy is refused while the original lives and when it is gone, and told so`, async (t) => {
    const b = await openNode(t, { transport })
    const id = nodeId()
    const original = await openNode(t, { transport, id, incarnation: 4, ancestors: [3] })
    await link(original, b)
    for (const incarnation of [2, 5]) {
      const copy = await openNode(t, { transport, id, incarnation, ancestors: [1] })
      copy.network.setPeers([b.peer])
      await until(() => copy.disowned.length > 0, 'the copy is told that it is one')
      assert.match(copy.disowned[0] ?? '', /a copy of node \w+, whose latest start was 4/)
    }
    assert.deepEqual([original.disowned, original.linked(b)], [[], true])
    await original.network.close()
    const copy = await openNode(t, { transport, id, incarnation: 5, ancestors: [3] })
    await assert.rejects(copy.network.probe(b.identity.address, { timeoutMs: 5_000 }), /a copy of/)
    copy.network.setPeers([b.peer])
    await until(() => copy.disowned.length > 0, 'and so it is when the original is gone')
    const again = await openNode(t, { transport, id, incarnation: 6, ancestors: [3, 4] })
    await link(again, b)
  })

  test(`${transport}: a dialer that meets a copy does not talk to it, and takes itself for none`, async (t) => {
    const a = await openNode(t, { transport, met: new Map([['1111111111111111', 4]]) })
    const copy = await openNode(t, {
      ...{ transport, id: '1111111111111111', incarnation: 5, ancestors: [3] },
    })
    a.network.setPeers([copy.peer])
    await until(() => failureOf(a).includes('a copy of node 1111111111111111'), 'the refusal')
    assert.deepEqual([a.peers, a.disowned], [[], []])
  })

  test(`${transport}: a peer that has lost what it acknowledged is told, and takes itself for a copy`, async (t) => {
    const [a, b] = [await openNode(t, { transport }), await openNode(t, { transport })]
    await link(a, b)
    b.network.disown(a.id)
    await until(() => a.disowned.length > 0, 'it is told')
    assert.match(a.disowned[0] ?? '', /has lost entries it had acknowledged.*earlier state/)
  })

  test(`${transport}: a peer that is elsewhere is dialled where it says that it is`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    a.network.setPeers([{ id: b.id, address: '127.0.0.1:1' }])
    await until(() => failureOf(a).includes('ECONNREFUSED'), 'nobody there')
    await link(b, a)
    await until(() => a.linked(b), 'the link')
    const c = await openNode(t, { transport })
    a.network.found(c.peer)
    a.network.setPeers([{ id: c.id, address: '127.0.0.1:1' }])
    await until(() => a.linked(c), 'a link by hearsay')
  })

  test(`${transport}: a second link of the same process takes over; a probe does not`, async (t) => {
    const b = await openNode(t, { transport })
    const first = await openNode(t, { transport })
    await link(first, b)
    const twin = await openNode(t, { transport, id: first.id })
    await twin.network.probe(b.identity.address, { timeoutMs: 5_000 })
    first.network.send(b.id, Buffer.from('one'))
    await until(() => b.frames.length === 1, 'the first link outlives a probe')
    await link(twin, b)
    await until(() => failureOf(first).includes('by incarnation 1'), 'the first link is replaced')
  })

  test(`${transport}: a node that dials another than it means to is refused`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    const wrong = nodeId()
    a.network.setPeers([{ id: wrong, address: b.identity.address }])
    const reason = `expected node ${wrong}, met node ${b.id}`
    await until(() => failureOf(a).includes(reason), 'the refusal')
    assert.deepEqual(a.peers, [])
  })

  test(`${transport}: a node that dials itself is refused`, async (t) => {
    const a = await openNode(t, { transport })
    a.network.setPeers([{ id: nodeId(), address: a.identity.address }])
    await until(() => failureOf(a).includes('connected to itself'), 'the refusal')
  })

  test(`${transport}: before start every dialler is turned away and may come back`, async (t) => {
    const options = { host: '127.0.0.1', port: 0, secret: 'open sesame', transport }
    const network = await Network.listen(options)
    t.after(() => network.close())
    const a = await openNode(t, { transport })
    const address = `127.0.0.1:${network.port}`
    await assert.rejects(a.network.probe(address, { timeoutMs: 5_000 }), {
      code: 'SKIFF_CONFIG',
      message: /not ready/,
    })
    const id = nodeId()
    a.network.setPeers([{ id, address }])
    await until(() => failureOf(a).includes('not ready'), 'turned away')
    const events = {
      ...{ frame: () => undefined, peer: () => undefined, disowned: () => undefined },
      ...{ adopt: async () => undefined, meet: async () => undefined },
    }
    const identity = { nodeId: id, incarnation: 1, ancestors: [], address, clusterId: clusterA }
    network.start(identity, events, { adoptable: false, met: new Map() })
    await until(() => a.peers.length === 1, 'the link')
  })

  test(`${transport}: a port in use is refused by name, whoever uses it`, async (t) => {
    const inUse = (await openNode(t, { transport })).network.port
    for (const second of transports) {
      await assert.rejects(
        Network.listen({ host: '127.0.0.1', port: inUse, secret: '', transport: second }),
        ({ code, outcome, message }: Error & { code: string; outcome: string }) =>
          code === 'SKIFF_CONFIG' && outcome === 'not-applied' && message.includes(`${inUse}`),
      )
    }
  })

  test(`${transport}: a link comes back when its peer does, and reports both`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await link(a, b)
    await b.network.close()
    await until(() => a.peers.length === 2, 'the loss')
    assert.match(failureOf(a), /lost the link|cannot connect/)
    a.network.send(b.id, Buffer.from('to nobody'))
    const again = await openNode(t, {
      transport,
      id: b.id,
      incarnation: 2,
      port: b.network.port,
    })
    await until(() => a.linked(again), 'the link')
    a.network.send(b.id, Buffer.from('welcome back'))
    await until(() => again.frames.length > 0, 'a frame')
    assert.equal(Buffer.from(again.frames[0]?.bytes ?? []).toString(), 'welcome back')
    assert.deepEqual(
      a.peers.map(({ up }) => up),
      [true, false, true],
    )
    assert.deepEqual(a.network.links(), [{ ...b.peer, up: true, reason: null }])
  })

  test(`${transport}: a peer that has come back and links to us is dialled at once, not when its time has come`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await link(b, a)
    await b.network.close()
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    a.network.setPeers([b.peer])
    await soon(() => failureOf(a).includes('ECONNREFUSED'), 'nobody there')
    const again = await openNode(t, {
      transport,
      id: b.id,
      incarnation: 2,
      port: b.network.port,
    })
    again.network.setPeers([a.peer])
    await soon(() => a.linked(again), 'the link')
  })

  test(`${transport}: setPeers keeps links, drops those not wanted, follows addresses`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    const c = await openNode(t, { transport })
    a.network.setPeers([b.peer, c.peer])
    await until(() => a.linked(b) && a.linked(c), 'both links')
    a.peers.length = 0
    a.network.setPeers([c.peer])
    assert.deepEqual(a.peers, [{ id: b.id, up: false }])
    assert.deepEqual(a.network.links(), [{ ...c.peer, up: true, reason: null }])
    await c.network.close()
    const moved = await openNode(t, { transport, id: c.id, incarnation: 2 })
    await link(a, moved)
    assert.deepEqual(
      a.peers.map(({ id, up }) => `${id} ${up}`),
      [`${b.id} false`, `${c.id} false`, `${c.id} true`],
    )
  })

  test(`${transport}: with too much waiting the link is dropped and dialled again`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await link(a, b)
    // In one turn of the event loop, so that nothing but the kernel's buffers can take any of it.
    const frame = new Uint8Array(8 * 2 ** 20)
    for (let n = 0; n < 7; n++) a.network.send(b.id, frame)
    assert.equal(a.linked(b), true)
    for (let n = 0; n < 5; n++) a.network.send(b.id, frame)
    assert.equal(a.linked(b), false)
    assert.match(failureOf(a), new RegExp(`more than ${linkBytesMax} bytes`))
    a.network.send(b.id, frame)
    await until(() => a.linked(b), 'the new link')
    a.network.send(b.id, Buffer.from('after'))
    await until(() => b.frames.at(-1)?.bytes.length === 5, 'a frame on the new link')
    assert.deepEqual(
      a.peers.map(({ up }) => up),
      [true, false, true],
    )
  })

  test(`${transport}: a peer that sent rubbish is disconnected with the reason`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await link(a, b)
    b.network.disconnect(a.id, 'frame of an unknown type')
    await until(() => failureOf(a).includes('frame of an unknown type'), 'the reason')
    assert.deepEqual(a.peers.at(-1), { id: b.id, up: false })
    b.network.disconnect(nodeId(), 'nobody')
    await until(() => a.linked(b), 'another chance')
  })

  test(`${transport}: a closed network frees its port at once, also with links`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await Promise.all([link(a, b), link(b, a)])
    await Promise.all([a.network.close(), a.network.close()])
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: '127.0.0.1', port: a.network.port, exclusive: true }, resolve)
    })
    await new Promise((resolve) => server.close(resolve))
    const again = await openNode(t, { transport, port: a.network.port })
    assert.equal(again.network.port, a.network.port)
  })

  test(`${transport}: a closed network takes calls and does nothing`, async (t) => {
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await link(a, b)
    await a.network.close()
    a.network.setPeers([b.peer])
    a.network.send(b.id, Buffer.from('x'))
    a.network.disconnect(b.id, 'x')
    await assert.rejects(a.network.probe(b.identity.address, { timeoutMs: 5_000 }), {
      code: 'SKIFF_CLOSED',
    })
    assert.deepEqual([a.network.links(), b.frames], [[], []])
  })
}

/** As `until`, where no timer fires. */
async function soon(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, `never happened: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
