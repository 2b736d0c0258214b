/**
 * Mutual challenge and response over the shared secret, before anything else is listened to:
 *
 *     dialer    → hello                                           (hello.ts, with a fresh nonce)
 *     listener  → hello of its own
 *     dialer    → HMAC-SHA256(secret, 'dialer'   | both hellos)   it knows the secret, now
 *     listener  → HMAC-SHA256(secret, 'listener' | both hellos)   so does the other: welcome
 *
 * Both nonces are under both proofs, so an old one proves nothing; the label keeps a proof from being
 * sent back to its maker. The dialer proves first, so a stranger learns nothing but the hello.
 *
 * Pure: bytes in, bytes out. Who may come in once the secret is proven is decided elsewhere
 * (admission.ts). Deliberately absent: encryption. What follows the handshake is neither secret nor
 * protected from someone who can rewrite the TCP stream; that is the work of TLS or of a private net.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { assert } from '../raft/assert.ts'
import { decodeHello, encodeHello, type Hello, handshakeBytesMax, isRefusal } from './hello.ts'
import { type Refusal, refusal } from './refusal.ts'

/**
 * Where in a listener's URLs a peer asks for its WebSocket. A listener must set aside room for a message before
 * it knows who sends it, and holds it to one size from the beginning: here to that of a frame, and anywhere
 * else to that of a handshake. So strangers cannot make it keep more than that. The path proves nothing else:
 * whoever overhears it must still prove the secret.
 */
export function peerPath(secret: string): string {
  return `/${createHmac('sha256', secret).update('path').digest('hex')}`
}

export type DialerStep =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
  | { readonly type: 'welcome'; readonly listener: Hello }
  | { readonly type: 'refuse'; readonly refusal: Refusal }

export type ListenerStep =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
  /** The dialer knows the secret. If it may come in, send `welcome()`. */
  | { readonly type: 'proven'; readonly dialer: Hello }
  | { readonly type: 'refuse'; readonly refusal: Refusal }

export class DialerHandshake {
  /** The first message. */
  readonly opening: Uint8Array
  readonly #secret: string
  #listener: Hello | null = null
  #listenerBytes: Uint8Array = new Uint8Array()

  constructor(secret: string, hello: Hello) {
    this.#secret = secret
    this.opening = encodeHello(hello)
  }

  /** What the listener has said of itself so far; not to be believed before the welcome. */
  get listener(): Hello | null {
    return this.#listener
  }

  receive(bytes: Uint8Array): DialerStep {
    return this.#listener === null ? this.#answer(bytes) : this.#welcome(bytes, this.#listener)
  }

  #answer(bytes: Uint8Array): DialerStep {
    const listener = decodeHello(bytes)
    if (isRefusal(listener)) return { type: 'refuse', refusal: listener }
    if (listener.purpose !== 'answer') return refuse('malformed', 'its hello is that of a dialer')
    this.#listener = listener
    this.#listenerBytes = Uint8Array.from(bytes)
    return { type: 'send', bytes: this.#proof('dialer') }
  }

  #welcome(bytes: Uint8Array, listener: Hello): DialerStep {
    if (equal(bytes, this.#proof('listener'))) return { type: 'welcome', listener }
    return refuse('unauthorized', 'it cannot prove that it knows the secret')
  }

  #proof(by: 'dialer' | 'listener'): Uint8Array {
    return proof(this.#secret, by, this.opening, this.#listenerBytes)
  }
}

export class ListenerHandshake {
  readonly #secret: string
  readonly #answer: Uint8Array
  #dialer: Hello | null = null
  #dialerBytes: Uint8Array = new Uint8Array()
  #proven = false

  constructor(secret: string, hello: Hello) {
    this.#secret = secret
    this.#answer = encodeHello(hello)
  }

  receive(bytes: Uint8Array): ListenerStep {
    assert(!this.#proven, 'the handshake has nothing more to hear')
    if (bytes.length > handshakeBytesMax) return refuse('malformed', 'handshake message too long')
    return this.#dialer === null ? this.#hello(bytes) : this.#prove(bytes, this.#dialer)
  }

  /** The last message of the handshake. */
  welcome(): Uint8Array {
    assert(this.#proven, 'a dialer is not welcome before it has proven the secret')
    return this.#proof('listener')
  }

  #hello(bytes: Uint8Array): ListenerStep {
    const dialer = decodeHello(bytes)
    if (isRefusal(dialer)) return { type: 'refuse', refusal: dialer }
    if (dialer.purpose === 'answer') return refuse('malformed', 'a dialer must not answer')
    this.#dialer = dialer
    this.#dialerBytes = Uint8Array.from(bytes)
    return { type: 'send', bytes: this.#answer }
  }

  #prove(bytes: Uint8Array, dialer: Hello): ListenerStep {
    if (!equal(bytes, this.#proof('dialer'))) return refuse('unauthorized', 'wrong secret')
    this.#proven = true
    return { type: 'proven', dialer }
  }

  #proof(by: 'dialer' | 'listener'): Uint8Array {
    return proof(this.#secret, by, this.#dialerBytes, this.#answer)
  }
}

/** Hellos tell their own length, so no two pairs of them make the same input. */
function proof(secret: string, by: string, dialer: Uint8Array, listener: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update(by).update(dialer).update(listener).digest()
}

function equal(given: Uint8Array, right: Uint8Array): boolean {
  return given.length === right.length && timingSafeEqual(given, right)
}

function refuse(
  kind: 'malformed' | 'unauthorized',
  reason: string,
): { type: 'refuse'; refusal: Refusal } {
  return { type: 'refuse', refusal: refusal(kind, reason) }
}
