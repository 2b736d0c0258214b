/** The actor between real channels: what it forwards, what it moves, what it refuses, what ends it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { openPort, type Port } from '../../src/actor/port.ts'
import { runCodec } from '../../src/codec/codec.ts'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import type {
  CodecToNetwork,
  CodecToStorage,
  NetworkToCodec,
  StorageToCodec,
  WireRpc,
} from '../../src/messages.ts'
import { ScriptedPort } from '../support/scripted-port.ts'
import { goldenFrames, plain, sampleBatch } from './samples.ts'

const from = { peer: 'aaaaaaaaaaaaaaaa', number: 1 }

interface Ends extends Disposable {
  readonly network: Port<NetworkToCodec, CodecToNetwork>
  readonly storage: Port<StorageToCodec, CodecToStorage>
}

/** A codec between two channels, all within this thread, and the far ends of the channels. */
function startCodec(): Ends {
  const toNetwork = new MessageChannel()
  const toStorage = new MessageChannel()
  runCodec({ network: openPort(toNetwork.port1), storage: openPort(toStorage.port1) }, (error) => {
    throw error
  })
  const network = openPort<NetworkToCodec, CodecToNetwork>(toNetwork.port2)
  const storage = openPort<StorageToCodec, CodecToStorage>(toStorage.port2)
  return {
    network,
    storage,
    [Symbol.dispose]() {
      network.close()
      storage.close()
    },
  }
}

/** The next `count` messages. */
function take<In>(port: Port<never, In>, count: number): Promise<In[]> {
  const taken: In[] = []
  return new Promise((resolve) => {
    port.onWaiting(() => {
      taken.push(...port.receive())
      if (taken.length >= count) resolve(taken)
    })
  })
}

function asRpc(rpc: WireRpc | null): WireRpc {
  assert(rpc !== null)
  return rpc
}

function frameOf(rpc: WireRpc): NetworkToCodec {
  return { type: 'frame', from, bytes: encodeFrame(rpc) }
}

test('every kind of frame reaches storage as its message, in order', async () => {
  using ends = startCodec()
  for (const [rpc] of goldenFrames) ends.network.post(frameOf(rpc))
  ends.network.flush()
  const received = await take(ends.storage, goldenFrames.length)
  assert.deepStrictEqual(
    received.map((message) => ({ ...message, rpc: plain(asRpc(message.rpc)) })),
    goldenFrames.map(([rpc]) => ({ type: 'rpc', from, rpc: plain(rpc) })),
  )
})

test('every kind of message reaches the network as one frame for all it goes to', async () => {
  using ends = startCodec()
  const to = [
    { peer: 'bbbbbbbbbbbbbbbb', number: 1 },
    { peer: 'cccccccccccccccc', number: 7 },
  ]
  for (const [rpc] of goldenFrames) ends.storage.post({ type: 'rpc', to, rpc })
  ends.storage.flush()
  const received = await take(ends.network, goldenFrames.length)
  assert.deepEqual(
    received.map((message) => {
      assert(message.type === 'frame')
      return [message.to, Buffer.from(message.bytes).toString('hex')]
    }),
    goldenFrames.map(([, hex]) => [to, hex]),
  )
})

test('a malformed frame is reported with its sender, and what waits behind it goes on', async () => {
  using ends = startCodec()
  const heartbeat: WireRpc = { type: 'heartbeat', term: 1, commitIndex: 2, round: 3 }
  const villain = { peer: 'ffffffffffffffff', number: 3 }
  ends.network.post(frameOf(heartbeat))
  ends.network.post({ type: 'frame', from: villain, bytes: Buffer.from('01ddffffffff', 'hex') })
  ends.network.post(frameOf(heartbeat))
  ends.network.flush()
  const [decoded, reported] = await Promise.all([take(ends.storage, 3), take(ends.network, 1)])
  assert.deepEqual(decoded, [
    { type: 'rpc', from, rpc: heartbeat },
    { type: 'rpc', from: villain, rpc: null },
    { type: 'rpc', from, rpc: heartbeat },
  ])
  assert.deepEqual(reported, [
    { type: 'malformed', from: villain.peer, reason: 'frame is no short array: 0xdd' },
  ])
})

test('what waited together leaves together', async () => {
  using ends = startCodec()
  for (const [rpc] of goldenFrames) ends.network.post(frameOf(rpc))
  ends.network.flush()
  const sizes: number[] = []
  await new Promise<void>((resolve) => {
    ends.storage.onWaiting(() => {
      sizes.push(ends.storage.receive().length)
      resolve()
    })
  })
  assert.deepEqual(sizes, [goldenFrames.length])
})

function startScripted(): {
  network: ScriptedPort<CodecToNetwork, NetworkToCodec>
  storage: ScriptedPort<CodecToStorage, StorageToCodec>
  errors: unknown[]
} {
  const errors: unknown[] = []
  const network = new ScriptedPort<CodecToNetwork, NetworkToCodec>()
  const storage = new ScriptedPort<CodecToStorage, StorageToCodec>()
  runCodec({ network, storage }, (error) => errors.push(error))
  return { network, storage, errors }
}

const forward: WireRpc = { type: 'forward', batch: sampleBatch() }

test('a frame that owns its memory moves on with its message', () => {
  const { network, storage } = startScripted()
  const bytes = encodeFrame(forward)
  network.deliver([{ type: 'frame', from, bytes }])
  const [sent] = storage.posted
  assert.deepEqual(sent?.move, [bytes.buffer])
  assert(sent?.message.rpc?.type === 'forward')
  assert.equal(sent.message.rpc.batch.buffer, bytes.buffer)
})

test('a frame in shared memory is copied, and only the copy moves', () => {
  const { network, storage } = startScripted()
  const pool = Buffer.alloc(65_536)
  const frame = encodeFrame(forward)
  pool.set(frame, 100)
  const bytes = pool.subarray(100, 100 + frame.length)
  network.deliver([{ type: 'frame', from, bytes }])
  const [sent] = storage.posted
  assert.equal(sent?.move.length, 1)
  assert.equal(sent?.move[0]?.byteLength, frame.length)
  pool.fill(0)
  assert(sent?.message.rpc?.type === 'forward')
  assert.deepEqual(Buffer.from(sent.message.rpc.batch), Buffer.from(sampleBatch()))
})

test('a message without bytes leaves its frame behind, an encoded frame always moves', () => {
  const { network, storage } = startScripted()
  const reply: WireRpc = { type: 'voteReply', term: 1, granted: true }
  network.deliver([frameOf(reply)])
  assert.deepEqual(storage.posted, [{ message: { type: 'rpc', from, rpc: reply }, move: [] }])
  storage.deliver([{ type: 'rpc', to: [from], rpc: reply }])
  const [sent] = network.posted
  assert(sent?.message.type === 'frame')
  assert.deepEqual(sent.move, [sent.message.bytes.buffer])
  assert.deepEqual(decodeFrame(sent.message.bytes), reply)
})

test('an error that no peer has caused is told to whoever hosts the actor', () => {
  const { network, storage, errors } = startScripted()
  const unheardOf = { type: 'unheardOf' } as unknown as WireRpc
  storage.deliver([{ type: 'rpc', to: [], rpc: unheardOf }])
  network.deliver([{ type: 'frame', from, bytes: null } as unknown as NetworkToCodec])
  assert.deepEqual(
    errors.map((error) => Object(error).name),
    ['AssertionError', 'TypeError'],
  )
  assert.deepEqual([network.posted, storage.posted], [[], []])
})
