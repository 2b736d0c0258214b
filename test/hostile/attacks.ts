/**
 * What is done to a listener: each attack is one connection, from the first byte to its end. It returns how
 * it was ended; a listener that lets it in, or does not end it, has broken a promise.
 */
import assert from 'node:assert/strict'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import { MalformedFrame } from '../../src/codec/malformed.ts'
import { DialerHandshake, peerPath } from '../../src/network/handshake.ts'
import { encodeHello, handshakeBytesMax } from '../../src/network/hello.ts'
import { encodeMessage, messageBytesMax } from '../../src/network/message.ts'
import type { Random } from '../simulation/random.ts'
import { edit, FrameGenerator, flipBits, randomBytes } from './generate.ts'
import { helloOf, insiderId, shakeHands } from './insider.ts'
import { anyMessage } from './messages.ts'
import { type Ending, opcodes, type RawPeer, upgradeBytes, webSocketFrame } from './wire.ts'

/** What an attacker knows of its victim. All but the secret is told to anyone who asks. */
export interface Victim {
  readonly port: number
  readonly secret: string
  readonly id: string
  /** Of an honest peer that has a link to it. */
  readonly peerId: string
  /** Does it look into the frames of those it let in? */
  readonly decodes: boolean
  /** A handshake of an honest peer, as somebody on the way has seen it. */
  readonly overheard: Overheard
}

export interface Overheard {
  readonly hello: Uint8Array
  readonly answer: Uint8Array
  readonly proof: Uint8Array
  readonly welcome: Uint8Array
}

type Attack = (peer: RawPeer, victim: Victim, random: Random) => Promise<void> | void

/** Close codes of refusal.ts. */
const [malformed, unauthorized, membership, occupied, version] = [4400, 4401, 4403, 4423, 4426]
/** Of the servers themselves: uWebSockets.js closes without a word, ws says why. */
const tooLong: readonly (number | null)[] = [null, 1002, 1009]

// ── before the handshake ────────────────────────────────────────────────────────────────────────

const requests: readonly string[] = [
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n',
  'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`,
  `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(5_000)}\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
]

function tcpGarbage(peer: RawPeer, _victim: Victim, random: Random): void {
  peer.write(randomBytes(random, random.below(3_000)))
  peer.finish()
}

function httpGarbage(peer: RawPeer, _victim: Victim, random: Random): void {
  const request = random.chance(0.5) ? Buffer.from(random.pick(requests)) : upgradeBytes
  const breaker = random.pick([flipBits, edit])
  peer.write(random.chance(0.5) ? request : breaker(random, request))
  peer.finish()
}

// ── frames of WebSocket ─────────────────────────────────────────────────────────────────────────

/** An attack over a WebSocket that a listener gave us, as it would to anyone. */
function upgraded(act: Attack): Attack {
  return async (peer, victim, random) => {
    assert.ok(await peer.upgrade(), 'no WebSocket')
    await act(peer, victim, random)
  }
}

/** The same by somebody who has overheard at which path the peers ask for it. */
function upgradedAsPeer(act: Attack): Attack {
  return async (peer, victim, random) => {
    assert.ok(await peer.upgrade(peerPath(victim.secret)), 'no WebSocket')
    await act(peer, victim, random)
  }
}

function frameGarbage(peer: RawPeer, _victim: Victim, random: Random): void {
  peer.write(randomBytes(random, random.between(1, 300)))
  peer.finish()
}

const brokenFrames: readonly ((payload: Uint8Array) => Uint8Array)[] = [
  (payload) => webSocketFrame(payload, { reserved: 1 }),
  (payload) => webSocketFrame(payload, { reserved: 4 }),
  (payload) => webSocketFrame(payload, { opcode: 3 }),
  (payload) => webSocketFrame(payload, { opcode: 15 }),
  (payload) => webSocketFrame(payload, { opcode: opcodes.continuation }),
  (payload) => webSocketFrame(payload, { opcode: opcodes.ping, final: false }),
  () => webSocketFrame(Buffer.alloc(126), { opcode: opcodes.ping }),
  () => webSocketFrame(Buffer.of(1), { opcode: opcodes.close }),
]

/** Against RFC 6455, each in its own way; what follows would be a hello. */
function brokenFrame(peer: RawPeer, _victim: Victim, random: Random): void {
  const hello = encodeHello(helloOf())
  peer.write(random.pick(brokenFrames)(hello))
  peer.write(webSocketFrame(hello))
}

function hugeLength(peer: RawPeer, _victim: Victim, random: Random): void {
  const announced = random.pick([
    BigInt(messageBytesMax) + 1n,
    // With any of these 32 bits, or 64 with a sign, it would be short again.
    2n ** 31n,
    2n ** 32n + 100n,
    2n ** 53n,
    2n ** 63n - 1n,
    -1n,
  ])
  peer.write(webSocketFrame(encodeHello(helloOf()), { announced }))
}

/** A few bytes more, for who takes the first ones for the mask that is not there. */
function unmasked(peer: RawPeer): void {
  peer.write(webSocketFrame(encodeHello(helloOf()), { masked: false }))
  peer.write(new Uint8Array(4))
}

/** A second message begins before the first is complete. */
function interleaved(peer: RawPeer, _victim: Victim, random: Random): void {
  const hello = encodeHello(helloOf())
  const cut = random.between(1, hello.length)
  peer.write(webSocketFrame(hello.subarray(0, cut), { final: false }))
  peer.write(webSocketFrame(hello))
}

function textFrame(peer: RawPeer): void {
  peer.write(webSocketFrame(encodeHello(helloOf()), { opcode: opcodes.text }))
}

// ── the handshake ───────────────────────────────────────────────────────────────────────────────

function randomMessage(peer: RawPeer, _victim: Victim, random: Random): void {
  peer.write(webSocketFrame(randomBytes(random, random.below(handshakeBytesMax))))
}

function longMessage(peer: RawPeer, _victim: Victim, random: Random): void {
  peer.write(webSocketFrame(new Uint8Array(handshakeBytesMax + random.between(1, 100_000))))
}

/** None of its pieces is too long. */
function longMessageInPieces(peer: RawPeer, _victim: Victim, random: Random): void {
  let opcode: number = opcodes.binary
  for (let bytes = 0; bytes <= handshakeBytesMax; ) {
    const piece = new Uint8Array(random.between(1, handshakeBytesMax))
    peer.write(webSocketFrame(piece, { opcode, final: false }))
    opcode = opcodes.continuation
    bytes += piece.length
  }
}

function cutHello(peer: RawPeer, _victim: Victim, random: Random): void {
  const hello = encodeHello(helloOf())
  peer.write(webSocketFrame(hello.subarray(0, random.below(hello.length))))
}

/** Where it is still a hello, it is answered; then a proof is made up. */
async function brokenHello(peer: RawPeer, _victim: Victim, random: Random): Promise<void> {
  const breaker = random.pick([flipBits, edit])
  peer.write(webSocketFrame(breaker(random, encodeHello(helloOf()))))
  if ((await peer.message()) !== null) peer.write(webSocketFrame(randomBytes(random, 32)))
}

/** Says one thing, whatever it may be, where a proof is expected. */
async function insteadOfProof(peer: RawPeer, said: Uint8Array, hello?: Uint8Array): Promise<void> {
  peer.write(webSocketFrame(hello ?? encodeHello(helloOf())))
  assert.ok((await peer.message()) !== null, 'a hello is answered')
  peer.write(webSocketFrame(said))
}

async function cutProof(peer: RawPeer, victim: Victim, random: Random): Promise<void> {
  const handshake = new DialerHandshake(victim.secret, helloOf())
  peer.write(webSocketFrame(handshake.opening))
  const step = handshake.receive((await peer.message()) ?? new Uint8Array())
  assert.ok(step.type === 'send', 'a hello is answered')
  peer.write(webSocketFrame(step.bytes.subarray(0, random.below(step.bytes.length))))
}

/** Also in the name of a peer, and newer than it: believed, it would lock that one out; or of the victim. */
async function wrongSecret(peer: RawPeer, victim: Victim, random: Random): Promise<void> {
  const secret = random.pick(['', 'guess', `${victim.secret} `, victim.secret.toUpperCase()])
  const hello = helloOf(random.pick([{}, { nodeId: victim.peerId }, { nodeId: victim.id }]))
  assert.ok(!(await shakeHands(peer, secret, hello)), 'let in without the secret')
}

/** Valid for WebSocket: its answer shows that the pieces were put together. */
async function fragmented(peer: RawPeer, _victim: Victim, random: Random): Promise<void> {
  const hello = encodeHello(helloOf())
  for (let at = 0; at < hello.length; ) {
    const end = Math.min(hello.length, at + random.between(0, 20))
    const opcode = at === 0 ? opcodes.binary : opcodes.continuation
    if (end > at || at > 0) {
      const piece = hello.subarray(at, end)
      peer.write(webSocketFrame(piece, { opcode, final: end === hello.length }))
      peer.write(webSocketFrame(randomBytes(random, random.below(126)), { opcode: opcodes.ping }))
    }
    at = end
  }
  assert.ok((await peer.message()) !== null, 'a hello in pieces is answered')
  peer.write(webSocketFrame(randomBytes(random, 32)))
}

function replayed(peer: RawPeer, { overheard }: Victim): Promise<void> {
  return insteadOfProof(peer, overheard.proof, overheard.hello)
}

function reflectedAnswer(peer: RawPeer, { overheard }: Victim): void {
  peer.write(webSocketFrame(overheard.answer))
}

/** The victim's own hello and own proof, as if they were ours. */
function reflectedProof(peer: RawPeer, { overheard }: Victim): Promise<void> {
  const hello = Buffer.from(overheard.answer)
  hello[6] = 1
  return insteadOfProof(peer, overheard.welcome, hello)
}

function stranger(fields: (victim: Victim) => Parameters<typeof helloOf>[0]): Attack {
  return async (peer, victim) => {
    const entered = await shakeHands(peer, victim.secret, helloOf(fields(victim)))
    assert.ok(!entered, 'let in where it does not belong')
  }
}

async function leaveInTheMiddle(peer: RawPeer, _victim: Victim, random: Random): Promise<void> {
  peer.write(webSocketFrame(encodeHello(helloOf())))
  if (random.chance(0.5)) await peer.message()
  peer.destroy()
}

// ── behind the handshake ────────────────────────────────────────────────────────────────────────

/** Somebody who knows the secret, and then breaks the protocol of a link. */
function insider(act: Attack): Attack {
  return upgradedAsPeer(async (peer, victim, random) => {
    const hello = helloOf({ nodeId: insiderId() })
    assert.ok(await shakeHands(peer, victim.secret, hello), 'not let in')
    await act(peer, victim, random)
  })
}

function wrongSequence(peer: RawPeer, _victim: Victim, random: Random): void {
  const frame = encodeFrame({ type: 'preVoteReply', term: 0, granted: false })
  const [first, second] = random.pick([
    [1, 2],
    [0, 0],
    [0, 2],
    [0, 2 ** 32 - 1],
    [2 ** 31, 0],
  ] as const)
  peer.write(webSocketFrame(encodeMessage(first, frame)))
  peer.write(webSocketFrame(encodeMessage(second, frame)))
}

function shortMessage(peer: RawPeer, _victim: Victim, random: Random): void {
  peer.write(webSocketFrame(new Uint8Array(random.below(4))))
}

function textOnLink(peer: RawPeer): void {
  peer.write(webSocketFrame(encodeMessage(0, new Uint8Array(9)), { opcode: opcodes.text }))
}

/** Frames that are no messages; behind each a valid one that must not be heard from the same link. */
function malformedFrame(peer: RawPeer, victim: Victim, random: Random): void {
  const generator = new FrameGenerator(random.below(2 ** 32), 8)
  let bytes = generator.next().bytes
  while (!isMalformed(bytes)) bytes = generator.next().bytes
  peer.write(webSocketFrame(encodeMessage(0, bytes)))
  // Who does not look into frames keeps the link until something is wrong with that.
  if (!victim.decodes) peer.write(webSocketFrame(encodeMessage(0, encodeFrame(anyMessage(random)))))
}

function isMalformed(frame: Uint8Array): boolean {
  try {
    decodeFrame(frame)
    return false
  } catch (error) {
    return error instanceof MalformedFrame
  }
}

// ── all of them ─────────────────────────────────────────────────────────────────────────────────

interface Kind {
  readonly act: Attack
  /** How the listener may end it; `null`: without a close frame, `any`: as it likes. */
  readonly endings: readonly (number | null)[] | 'any'
}

const ofStrangers: Readonly<Record<string, Kind>> = {
  'TCP garbage': { act: tcpGarbage, endings: [null] },
  'HTTP garbage': { act: httpGarbage, endings: 'any' },
  'frame garbage': { act: upgraded(frameGarbage), endings: 'any' },
  'broken frames': { act: upgraded(brokenFrame), endings: [null, 1002] },
  'huge lengths': { act: upgraded(hugeLength), endings: tooLong },
  // uWebSockets.js takes these for what they are not; then it is no hello.
  'unmasked frames': { act: upgraded(unmasked), endings: [1002, malformed] },
  'interleaved frames': { act: upgraded(interleaved), endings: [1002, malformed, version] },
  // uWebSockets.js refuses what is no UTF-8 by itself.
  'text frames': { act: upgraded(textFrame), endings: [malformed, null, 1007] },
  'random messages': { act: upgraded(randomMessage), endings: [malformed] },
  'long messages': { act: upgraded(longMessage), endings: tooLong },
  'long messages in pieces': { act: upgraded(longMessageInPieces), endings: tooLong },
  'long messages to the path of peers': { act: upgradedAsPeer(longMessage), endings: [malformed] },
  'cut hellos': { act: upgraded(cutHello), endings: [malformed] },
  'cut proofs': { act: upgraded(cutProof), endings: [unauthorized] },
  'broken hellos': { act: upgraded(brokenHello), endings: [malformed, unauthorized, version] },
  'wrong secret': { act: upgraded(wrongSecret), endings: [unauthorized] },
  'fragmented hello': { act: upgraded(fragmented), endings: [unauthorized] },
  'replayed handshake': { act: upgraded(replayed), endings: [unauthorized] },
  'reflected answer': { act: upgraded(reflectedAnswer), endings: [malformed] },
  'reflected proof': { act: upgraded(reflectedProof), endings: [unauthorized] },
  'hello twice': {
    act: upgraded((peer) => insteadOfProof(peer, encodeHello(helloOf()))),
    endings: [unauthorized],
  },
  'frame before the welcome': {
    act: upgraded((peer, _victim, random) =>
      insteadOfProof(peer, encodeMessage(0, encodeFrame(anyMessage(random))).subarray(0, 500)),
    ),
    endings: [unauthorized],
  },
  'left in the middle': { act: upgraded(leaveInTheMiddle), endings: 'any' },
}

/** Of those who know the secret. */
const ofInsiders: Readonly<Record<string, Kind>> = {
  'wrong cluster': {
    act: upgraded(stranger(() => ({ clusterId: 'f'.repeat(32) }))),
    endings: [membership],
  },
  'wrong node': {
    act: upgraded(stranger(() => ({ expectedId: 'f'.repeat(16) }))),
    endings: [membership],
  },
  'the id of the victim': {
    act: upgraded(stranger(({ id }) => ({ nodeId: id }))),
    endings: [occupied],
  },
  'wrong sequence': { act: insider(wrongSequence), endings: [malformed] },
  'short messages': { act: insider(shortMessage), endings: [malformed] },
  'text on a link': { act: insider(textOnLink), endings: [malformed] },
  'malformed frames': { act: insider(malformedFrame), endings: [malformed] },
  'huge lengths on a link': { act: insider(hugeLength), endings: tooLong },
}

const kinds: Readonly<Record<string, Kind>> = { ...ofStrangers, ...ofInsiders }

export const strangerKinds: readonly string[] = Object.keys(ofStrangers)
export const attackKinds: readonly string[] = Object.keys(kinds)

/** Until the listener has ended it. @throws AssertionError when it did not do so as it should */
export async function attack(
  kind: string,
  peer: RawPeer,
  victim: Victim,
  random: Random,
): Promise<void> {
  const known: Kind | undefined = kinds[kind]
  assert.ok(known !== undefined, `no such kind of attack: ${kind}`)
  await known.act(peer, victim, random)
  const ending: Ending = await peer.ended
  const { endings } = known
  if (endings !== 'any') assert.ok(endings.includes(ending.code), JSON.stringify(ending))
  // Who runs where, and started when, is said to those who have proven the secret.
  if (kind in ofStrangers) assert.doesNotMatch(ending.reason, /incarnation|started|node [0-9a-f]/)
}
