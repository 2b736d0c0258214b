/**
 * One outgoing connection, from the attempt to its end: connect, shake hands, then send. Used by
 * standing links (link.ts), which dial again when it is over, and by probes, which do not.
 */
import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import { parseAddress } from '../address.ts'
import { SkiffError } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import { DialerHandshake, peerPath } from './handshake.ts'
import { type Hello, handshakeBytesMax } from './hello.ts'
import type { PeerIdentity } from './identity.ts'
import { type Refusal, RefusedError, refusalOf } from './refusal.ts'

export interface DialRequest {
  readonly address: string
  readonly secret: string
  /** What we say of ourselves, with a fresh nonce. */
  readonly hello: Hello
  /** From the first packet to the welcome. */
  readonly timeoutMs: number
  /** The last question, once the listener has proven the secret. */
  readonly judge: (own: Hello, listener: Hello) => Refusal | null
}

export interface DialEvents {
  up(peer: PeerIdentity): void
  /** Once, and last: the link was lost, or never came about. */
  down(failure: DialFailure): void
}

export interface DialFailure {
  readonly error: SkiffError
  /** `null` when nobody refused, and a new attempt may go better at once. */
  readonly refusal: Refusal | null
}

/**
 * A link is asked for a sign of life so often. TCP alone would notice a dead peer after a quarter of an
 * hour, and a healed partition up to two minutes late.
 */
export const pingIntervalMs: number = 2_000
/** Pings in a row without an answer, after which the link is given up. */
export const pingsMissedMax: number = 4

export class Dial {
  /** Resolves when neither a socket nor a timer of this connection is left. */
  readonly released: Promise<void>
  readonly #request: DialRequest
  readonly #events: DialEvents
  readonly #handshake: DialerHandshake
  readonly #webSocket: WebSocket
  #socket: Socket | null = null
  /** The time limit of the handshake, then the pings. */
  #timer: NodeJS.Timeout
  #pingsMissed = 0
  #welcome = false
  #ended = false
  #socketError: Error | null = null

  constructor(request: DialRequest, events: DialEvents) {
    this.#request = request
    this.#events = events
    this.#handshake = new DialerHandshake(request.secret, request.hello)
    this.#timer = setTimeout(
      () => this.#fail(`no answer within ${request.timeoutMs} ms`),
      request.timeoutMs,
    )
    this.#webSocket = this.#open()
    this.released = this.#listen()
  }

  /** Bytes handed over and not yet taken by the operating system. */
  get bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  /** The message must not be changed afterwards. */
  send(message: Uint8Array): void {
    assert(this.#welcome, 'nothing is sent before the welcome')
    if (!this.#ended) this.#webSocket.send(message, this.#onSent)
  }

  /** Ends it with this reason. */
  abort(error: SkiffError, refusal: Refusal | null = null): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#webSocket.terminate()
    this.#events.down({ error, refusal })
  }

  #open(): WebSocket {
    const { address, secret } = this.#request
    const { host, port } = parseAddress(address, 'address')
    // The name in the URL means nothing: we connect by ourselves, to see the socket closed in the end.
    return new WebSocket(`ws://peer${peerPath(secret)}`, {
      createConnection: () => {
        this.#socket = connect({ host, port, noDelay: true })
        return this.#socket
      },
      perMessageDeflate: false,
      skipUTF8Validation: true,
      // All that a listener ever sends is its part of the handshake.
      maxPayload: handshakeBytesMax,
      // The mask protects the caches of proxies from browsers. Zeros are valid, and save a pass over
      // every byte on both sides.
      generateMask: (mask) => mask.fill(0),
    })
  }

  #listen(): Promise<void> {
    const webSocket = this.#webSocket
    webSocket.on('open', () => webSocket.send(this.#handshake.opening, this.#onSent))
    webSocket.on('message', (data) => this.#receive(data as Buffer))
    webSocket.on('pong', () => {
      this.#pingsMissed = 0
    })
    // 'close' follows, with all there is to know.
    webSocket.on('error', (error) => {
      this.#socketError = error
    })
    return new Promise((resolve) => {
      webSocket.on('close', (code, reason) => {
        this.#closed(code, reason.toString())
        if (this.#socket === null || this.#socket.closed) resolve()
        else this.#socket.once('close', () => resolve())
      })
    })
  }

  readonly #onSent = (error?: Error | null): void => {
    if (error) this.#fail(messageOf(error))
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended) return
    if (this.#welcome) {
      this.#fail('it talks on a link that is ours to talk on')
      return
    }
    const step = this.#handshake.receive(bytes)
    switch (step.type) {
      case 'send':
        this.#webSocket.send(step.bytes, this.#onSent)
        break
      case 'refuse':
        this.#refused(step.refusal, 'refused')
        break
      case 'welcome':
        this.#welcomed(step.listener)
        break
    }
  }

  #welcomed(listener: Hello): void {
    const { hello, judge } = this.#request
    const verdict = judge(hello, listener)
    if (verdict === null) this.#enter(listener)
    else this.#refused(verdict, 'refused')
  }

  #enter(listener: Hello): void {
    this.#welcome = true
    clearTimeout(this.#timer)
    this.#timer = setInterval(() => this.#ping(), pingIntervalMs)
    this.#events.up(identityOf(listener))
  }

  #ping(): void {
    this.#pingsMissed += 1
    if (this.#pingsMissed > pingsMissedMax) this.#fail('no sign of life')
    else this.#webSocket.ping(undefined, undefined, this.#onSent)
  }

  #closed(code: number, reason: string): void {
    const refusal = refusalOf(code, reason)
    if (refusal !== null) this.#refused(refusal, 'was refused by')
    else if (this.#socketError !== null) this.#fail(messageOf(this.#socketError))
    else this.#fail(reason === '' ? 'connection lost' : `closed: ${reason}`)
  }

  #refused(refusal: Refusal, how: 'refused' | 'was refused by'): void {
    const { address, hello } = this.#request
    const { listener } = this.#handshake
    const there = listener === null ? address : `${describe(listener)} at ${address}`
    const message = `${describe(hello)} ${how} ${there}: ${refusal.reason}`
    this.abort(new RefusedError(refusal, message), refusal)
  }

  #fail(reason: string): void {
    const { address } = this.#request
    const what = this.#welcome ? 'lost the link to' : 'cannot connect to'
    this.abort(new SkiffError('SKIFF_CONFIG', 'not-applied', `${what} ${address}: ${reason}`))
  }
}

function identityOf({ nodeId, incarnation, ancestors, address, clusterId }: Hello): PeerIdentity {
  return { nodeId, incarnation, ancestors, address, clusterId }
}

function describe({ nodeId, incarnation, clusterId }: PeerIdentity): string {
  const cluster = clusterId === null ? 'no cluster' : `cluster ${clusterId}`
  return `node ${nodeId} (incarnation ${incarnation}, ${cluster})`
}

/** An AggregateError, raised where a name has several addresses, has a code but no message. */
function messageOf(error: Error & { readonly code?: string }): string {
  return error.message || (error.code ?? error.name)
}
