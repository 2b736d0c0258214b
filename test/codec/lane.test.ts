/** Two ways from the network to storage and back: what is short goes past the codec, and overtakes nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { openPort } from '../../src/actor/port.ts'
import { runCodec } from '../../src/codec/codec.ts'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import { NetworkLane, StorageLane } from '../../src/codec/lane.ts'
import type {
  CodecToNetwork,
  CodecToStorage,
  NetworkToCodec,
  StorageToCodec,
  WireRpc,
} from '../../src/messages.ts'
import { shortFrameBytesMax } from '../../src/options.ts'
import { ScriptedPort } from '../support/scripted-port.ts'
import { sampleBatch } from './samples.ts'

const [peer, other] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb']

const short = (round: number): WireRpc => ({ type: 'heartbeat', term: 1, commitIndex: 2, round })
const long: WireRpc = { type: 'forward', batch: sampleBatch('x'.repeat(shortFrameBytesMax)) }

function storageEnd() {
  const codec = new ScriptedPort<StorageToCodec, CodecToStorage>()
  const direct = new ScriptedPort<CodecToNetwork, NetworkToCodec>()
  const lane = new StorageLane(codec, direct)
  const received: (readonly [string, WireRpc])[] = []
  lane.onWaiting(() => {
    for (const { from, rpc } of lane.receive()) received.push([from, rpc])
  })
  return { codec, direct, lane, received }
}

function networkEnd() {
  const codec = new ScriptedPort<NetworkToCodec, CodecToNetwork>()
  const direct = new ScriptedPort<NetworkToCodec, CodecToNetwork>()
  const lane = new NetworkLane(codec, direct)
  const heard: (readonly [string, string])[] = []
  lane.hear({
    send: (to, bytes) => heard.push([to, Buffer.from(bytes).toString()]),
    malformed: (from, reason) => heard.push([from, reason]),
  })
  return { codec, direct, lane, heard }
}

function frameOf(rpc: WireRpc, number: number, from = peer): NetworkToCodec {
  return { type: 'frame', from: { peer: from, number }, bytes: encodeFrame(rpc) }
}

test('what is short goes past the codec, what is long does not, and each has its place', () => {
  const { codec, direct, lane } = storageEnd()
  lane.post({ type: 'rpc', to: [peer], rpc: short(1) })
  lane.post({ type: 'rpc', to: [peer, other], rpc: long })
  lane.post({ type: 'rpc', to: [other], rpc: short(2) })
  assert.deepEqual(
    codec.posted.map(({ message }) => [message.rpc.type, message.to]),
    [
      [
        'forward',
        [
          { peer, number: 2 },
          { peer: other, number: 1 },
        ],
      ],
    ],
  )
  assert.deepEqual(
    direct.posted.map(({ message }) => message.type === 'frame' && message.to),
    [[{ peer, number: 1 }], [{ peer: other, number: 2 }]],
  )
  const main = networkEnd()
  main.lane.post(peer, new Uint8Array(shortFrameBytesMax))
  main.lane.post(peer, new Uint8Array(shortFrameBytesMax + 1))
  assert.deepEqual(
    [main.direct, main.codec].map(({ posted }) => posted.map(({ message }) => message.from.number)),
    [[1], [2]],
  )
})

test('a short frame does not overtake a long one of its peer, but those of others', () => {
  const { codec, direct, received } = storageEnd()
  direct.deliver([frameOf(short(1), 1), frameOf(short(3), 3), frameOf(short(9), 1, other)])
  assert.deepEqual(received, [
    [peer, short(1)],
    [other, short(9)],
  ])
  direct.deliver([frameOf(short(4), 4)])
  codec.deliver([{ type: 'rpc', from: { peer, number: 2 }, rpc: long }])
  assert.deepEqual(received.slice(2), [
    [peer, long],
    [peer, short(3)],
    [peer, short(4)],
  ])
})

test('nor does a long one overtake a short one', () => {
  const { codec, direct, received } = storageEnd()
  codec.deliver([{ type: 'rpc', from: { peer, number: 2 }, rpc: long }])
  assert.deepEqual(received, [])
  direct.deliver([frameOf(short(1), 1)])
  assert.deepEqual(received, [
    [peer, short(1)],
    [peer, long],
  ])
})

test('frames leave in the order in which they were sent, to each peer', () => {
  const { codec, direct, heard } = networkEnd()
  const bytes = (text: string): Uint8Array => Buffer.from(text)
  const to = (...numbers: [string, number][]) =>
    numbers.map(([each, number]) => ({ peer: each, number }))
  direct.deliver([{ type: 'frame', to: to([peer, 2], [other, 1]), bytes: bytes('short') }])
  assert.deepEqual(heard, [[other, 'short']])
  codec.deliver([{ type: 'frame', to: to([peer, 1], [other, 2]), bytes: bytes('long') }])
  assert.deepEqual(heard.slice(1), [
    [peer, 'long'],
    [peer, 'short'],
    [other, 'long'],
  ])
})

test('a malformed frame is reported by whoever looked at it, and holds up nothing', () => {
  const { codec, direct, received } = storageEnd()
  direct.deliver([
    { type: 'frame', from: { peer, number: 1 }, bytes: Buffer.from('01ddffffffff', 'hex') },
    frameOf(short(2), 2),
    frameOf(short(4), 4),
  ])
  const reason = 'frame is no short array: 0xdd'
  assert.deepEqual(direct.posted[0]?.message, { type: 'malformed', from: peer, reason })
  codec.deliver([{ type: 'rpc', from: { peer, number: 3 }, rpc: null }])
  assert.deepEqual(received, [
    [peer, short(2)],
    [peer, short(4)],
  ])
  const main = networkEnd()
  main.direct.deliver([{ type: 'malformed', from: peer, reason }])
  assert.deepEqual(main.heard, [[peer, reason]])
})

test('a frame that comes twice ends the actor', () => {
  const { direct } = storageEnd()
  direct.deliver([frameOf(short(1), 1)])
  assert.throws(
    () => direct.deliver([frameOf(short(1), 1)]),
    /frame 1 of aaaaaaaaaaaaaaaa came twice/,
  )
})

test('between real channels everything arrives and comes back, in order, by both ways', async (t) => {
  const [toNetwork, toStorage, direct] = [0, 1, 2].map(() => new MessageChannel())
  assert(toNetwork && toStorage && direct)
  runCodec({ network: openPort(toNetwork.port2), storage: openPort(toStorage.port2) }, (error) => {
    throw error
  })
  const network = new NetworkLane(openPort(toNetwork.port1), openPort(direct.port1))
  const storage = new StorageLane(openPort(toStorage.port1), openPort(direct.port2))
  t.after(() => {
    network.close()
    storage.close()
  })
  const rpcs = Array.from({ length: 200 }, (_, n) => (n % 3 === 1 ? long : short(n)))
  storage.onWaiting(() => {
    for (const { rpc } of storage.receive()) storage.post({ type: 'rpc', to: [peer], rpc })
    storage.flush()
  })
  const arrived: WireRpc[] = []
  const all = new Promise<void>((resolve) => {
    network.hear({
      send: (_, bytes) => {
        if (arrived.push(decodeFrame(bytes)) === rpcs.length) resolve()
      },
      malformed: (_, reason) => assert.fail(reason),
    })
  })
  for (const rpc of rpcs) {
    network.post(peer, encodeFrame(rpc))
    network.flush()
  }
  await all
  assert.deepEqual(
    arrived.map((rpc) => (rpc.type === 'heartbeat' ? rpc.round : rpc.type)),
    rpcs.map((rpc) => (rpc.type === 'heartbeat' ? rpc.round : rpc.type)),
  )
})
