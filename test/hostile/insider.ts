/** A peer that knows the secret, and is up to no good: it gets a link, and then says what it likes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { encodeFrame } from '../../src/codec/frame.ts'
import type { WireRpc } from '../../src/messages.ts'
import { DialerHandshake, peerPath } from '../../src/network/handshake.ts'
import { type Hello, nonceBytes } from '../../src/network/hello.ts'
import { encodeMessage } from '../../src/network/message.ts'
import { type Ending, RawPeer, webSocketFrame } from './wire.ts'

/** Higher than that of any process that was started properly. */
const lateIncarnation = 2 ** 50

/** Of one who must not be let in, or not be believed. No member is called so. */
function strangerId(): string {
  return `dead${randomBytes(6).toString('hex')}`
}

/** Of one who knows the secret, and will be let in. */
export function insiderId(): string {
  return `beef${randomBytes(6).toString('hex')}`
}

export function isInsider(id: string): boolean {
  return id.startsWith('beef')
}

export function helloOf(fields: Partial<Hello> = {}): Hello {
  return {
    purpose: 'link',
    nodeId: strangerId(),
    incarnation: lateIncarnation,
    ancestors: [],
    address: '127.0.0.1:1',
    clusterId: null,
    expectedId: null,
    nonce: randomBytes(nonceBytes),
    ...fields,
  }
}

/** All four messages. False: the listener has ended it before the welcome. */
export async function shakeHands(peer: RawPeer, secret: string, hello: Hello): Promise<boolean> {
  return (await welcomeOf(peer, secret, hello)) !== null
}

async function welcomeOf(peer: RawPeer, secret: string, hello: Hello): Promise<Hello | null> {
  const handshake = new DialerHandshake(secret, hello)
  peer.write(webSocketFrame(handshake.opening))
  for (;;) {
    const message = await peer.message()
    if (message === null) return null
    const step = handshake.receive(message)
    if (step.type === 'welcome') return step.listener
    if (step.type === 'refuse') return null
    peer.write(webSocketFrame(step.bytes))
  }
}

/**
 * What a member says of itself, to say the same. Whoever says that it is another process of a node that
 * lives is kept out (reception.ts); that it is the very same one is believed, and takes the place of its link.
 */
export async function guiseOf(port: number, secret: string): Promise<Partial<Hello>> {
  const peer = new RawPeer(port)
  assert.ok(await peer.upgrade(peerPath(secret)), 'no WebSocket')
  const visit = helloOf({ nodeId: insiderId(), purpose: 'probe' })
  const member = await welcomeOf(peer, secret, visit)
  peer.destroy()
  assert.ok(member !== null, 'a probe is answered')
  const { nodeId, incarnation, ancestors, address, clusterId } = member
  return { nodeId, incarnation, ancestors, address, clusterId }
}

export class Insider {
  readonly id: string
  readonly #peer: RawPeer
  #sequence = 0

  private constructor(peer: RawPeer, id: string) {
    this.#peer = peer
    this.id = id
  }

  static async enter(port: number, secret: string, fields: Partial<Hello> = {}): Promise<Insider> {
    const hello = helloOf({ nodeId: insiderId(), ...fields })
    const peer = new RawPeer(port)
    const upgraded = await peer.upgrade(peerPath(secret))
    const entered = upgraded && (await shakeHands(peer, secret, hello))
    if (entered) return new Insider(peer, hello.nodeId)
    peer.destroy()
    throw new Error(`not let in: ${JSON.stringify(await peer.ended)}`)
  }

  get ended(): Promise<Ending> {
    return this.#peer.ended
  }

  say(rpc: WireRpc): void {
    this.sendFrame(encodeFrame(rpc))
  }

  sendFrame(frame: Uint8Array): void {
    this.#peer.write(webSocketFrame(encodeMessage(this.#sequence, frame)))
    this.#sequence++
  }

  leave(): void {
    this.#peer.destroy()
  }
}
