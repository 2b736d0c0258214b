/**
 * The network actor, on the main thread: frames in, frames out, unread. Links go one way. Each node
 * dials every peer in order to talk to it, and listens to be talked to; the two directions between two
 * nodes come and go apart from each other.
 *
 * Delivery is what Raft asks for and no more: in order and without gaps while a link is up, nothing at
 * all while it is down. Deliberately absent: encryption, compression, retransmission, and any look into
 * a frame.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseAddress } from '../address.ts'
import { SkiffError } from '../errors.ts'
import type { PeerAddress } from '../messages.ts'
import { handshakeTimeoutMs, type Transport } from '../options.ts'
import { assert } from '../raft/assert.ts'
import type { NodeId } from '../raft/types.ts'
import { Admission } from './admission.ts'
import { Dial, type DialEvents } from './dialer.ts'
import { peerPath } from './handshake.ts'
import { type Hello, nonceBytes, type Purpose } from './hello.ts'
import type { LocalIdentity, PeerIdentity } from './identity.ts'
import { Link, type LinkStatus } from './link.ts'
import type { Accept, Connection, ConnectionEvents, Listener } from './listener.ts'
import { Reception } from './reception.ts'
import { closeFrame, refusal } from './refusal.ts'
import { type ListenOptions, openListener } from './transport.ts'

export type { LocalIdentity, PeerIdentity } from './identity.ts'

export interface NetworkOptions extends ListenOptions {
  /** Shared by all members. Empty is a secret too: one that everybody knows. */
  readonly secret: string
}

export interface NetworkEvents {
  /** The bytes own their ArrayBuffer, which may be moved to another thread. */
  frame(from: NodeId, bytes: Uint8Array): void
  /** The link to this peer, on which we send, was made or lost. */
  peer(id: NodeId, up: boolean): void
  /** A member of this cluster takes us in: make the cluster id durable. */
  adopt(clusterId: string): Promise<void>
  /** This incarnation of another node was let in: make that durable. */
  meet(node: NodeId, incarnation: number): Promise<void>
  /** The cluster takes us for a copy. */
  disowned(error: SkiffError): void
}

export interface StartOptions {
  readonly adoptable: boolean
  /** Incarnations let in before. */
  readonly met: ReadonlyMap<NodeId, number>
}

export interface ProbeOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs: number
}

/** What exists from `start` on. */
interface Started {
  readonly identity: LocalIdentity
  readonly events: NetworkEvents
  readonly admission: Admission
  readonly reception: Reception
}

/** Nothing to hear from a connection that was turned away at once. */
const unheard: ConnectionEvents = {
  message: () => undefined,
  alive: () => undefined,
  closed: () => undefined,
}

export class Network {
  readonly #secret: string
  readonly #links = new Map<NodeId, Link>()
  /** Where nodes have said that they are, which may be elsewhere than the log knows yet. */
  readonly #places = new Map<NodeId, string>()
  /** Of links and probes, until they have left nothing behind. */
  readonly #dials = new Set<Dial>()
  #listener: Listener | null = null
  #started: Started | null = null
  #closed = false
  #closing: Promise<void> | null = null

  private constructor(secret: string) {
    this.#secret = secret
  }

  /**
   * Takes the port, for itself alone. Whoever dials is turned away until `start`.
   * @throws SkiffError `SKIFF_CONFIG` when the port cannot be had
   */
  static async listen({ secret, ...options }: NetworkOptions): Promise<Network> {
    const network = new Network(secret)
    const accept: Accept = (connection) => network.#accept(connection)
    network.#listener = await openListener(options, peerPath(secret), accept)
    return network
  }

  get transport(): Transport {
    return this.#bound().transport
  }

  get port(): number {
    return this.#bound().port
  }

  start(identity: LocalIdentity, events: NetworkEvents, { adoptable, met }: StartOptions): void {
    assert(this.#started === null, 'the network starts once')
    const adopt = (id: string): Promise<void> => events.adopt(id)
    const meet = (id: NodeId, incarnation: number): Promise<void> => events.meet(id, incarnation)
    const admission = new Admission({ identity, adoptable, adopt, met, meet })
    const reception = new Reception({
      secret: this.#secret,
      admission,
      answer: () => this.#hello('answer', null),
      frame: (from, bytes) => events.frame(from, bytes),
      linked: (id, address) => this.found({ id, address }),
    })
    this.#started = { identity, events, admission, reception }
  }

  /** Keeps a link to each of these; others end, also those of answers. A changed address is dialled anew. */
  setPeers(peers: readonly PeerAddress[]): void {
    if (this.#closed) return
    const wanted = new Map(peers.map((peer) => [peer.id, peer]))
    for (const [id, link] of this.#links) {
      if (wanted.get(id)?.address === link.peer.address) continue
      this.#links.delete(id)
      link.close()
    }
    for (const id of this.#places.keys()) if (!wanted.has(id)) this.#places.delete(id)
    for (const peer of wanted.values()) {
      if (!this.#links.has(peer.id)) this.#links.set(peer.id, this.#link(peer))
    }
  }

  /** It says that it is there. Whoever is waited for, or looked for elsewhere, is looked for there at once. */
  found({ id, address }: PeerAddress): void {
    this.#places.set(id, address)
    this.#links.get(id)?.hurry()
  }

  /** Without a link, or with too much waiting in it already, the frame is dropped: Raft sends again. */
  send(to: NodeId, bytes: Uint8Array): void {
    const link = this.#links.get(to) ?? this.#linkBack(to)
    link?.send(bytes)
  }

  /** This peer has sent rubbish: closes what it has dialled to us. */
  disconnect(id: NodeId, reason: string): void {
    this.#started?.reception.disconnect(id, refusal('malformed', reason))
  }

  /** This peer's disk has lost what it had acknowledged: it must not take part any more. */
  disown(id: NodeId): void {
    const why = refusal('copied', `the log of node ${id} has lost entries it had acknowledged`)
    this.#started?.reception.disconnect(id, why)
  }

  /**
   * Learns who answers at an address, and changes nothing there.
   * @throws SkiffError `SKIFF_CONFIG` nobody of ours answers · `SKIFF_UNAUTHORIZED` another secret ·
   *   `SKIFF_MEMBERSHIP` another cluster, or an old process · or the reason of the signal
   */
  async probe(address: string, { signal, timeoutMs }: ProbeOptions): Promise<PeerIdentity> {
    parseAddress(address, 'address')
    signal?.throwIfAborted()
    if (this.#closed) throw closedError()
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        signal?.removeEventListener('abort', giveUp)
        act()
        dial.abort(closedError())
      }
      const giveUp = (): void => settle(() => reject(signal?.reason))
      const dial = this.#dial(address, this.#hello('probe', null), timeoutMs, {
        up: (peer) => settle(() => resolve(peer)),
        down: ({ error }) => settle(() => reject(error)),
      })
      signal?.addEventListener('abort', giveUp)
    })
  }

  links(): readonly LinkStatus[] {
    return [...this.#links.values()].map((link) => link.status())
  }

  /** When it resolves the port is free and nothing of ours is left running. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#closed = true
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    for (const dial of this.#dials) dial.abort(closedError())
    await Promise.all([...this.#dials].map((dial) => dial.released))
    await this.#bound().close()
    // Handles are freed after the sockets have said that they are closed: at the end of the event
    // loop's turn, behind its immediates; so the second one comes after.
    await nextTurn()
    await nextTurn()
  }

  #accept(connection: Connection): ConnectionEvents {
    if (this.#started !== null && !this.#closed) {
      return this.#started.reception.accept(connection)
    }
    const { code, reason } = closeFrame(refusal('unavailable', 'not ready'))
    connection.end(code, reason)
    return unheard
  }

  /**
   * To answer who has dialled us, though it is no peer. A candidate or leader that entered the cluster while
   * this node was away stands in no log here, and cannot bring it up to date unless it hears from it.
   */
  #linkBack(id: NodeId): Link | null {
    const address = this.#started?.reception.addressOf(id) ?? null
    if (address === null || this.#closed) return null
    const link = this.#link({ id, address })
    this.#links.set(id, link)
    return link
  }

  #link(peer: PeerAddress): Link {
    let attempts = 0
    return new Link({
      peer,
      dial: ({ id, address }, { up, down }) => {
        const place = this.#places.get(id) ?? this.#started?.reception.addressOf(id) ?? address
        // In turns, for either may be the older word.
        const at = attempts++ % 2 === 0 ? place : address
        return this.#dial(at, this.#hello('link', id), handshakeTimeoutMs, {
          up,
          down: (failure) => {
            down(failure)
            if (failure.refusal?.kind === 'copied') this.#disowned(failure.error)
          },
        })
      },
      changed: (up) => {
        // Nothing is reported once the owner has closed us.
        if (!this.#closed) this.#running().events.peer(peer.id, up)
      },
    })
  }

  #dial(address: string, hello: Hello, timeoutMs: number, events: DialEvents): Dial {
    const { admission, reception } = this.#running()
    const judge = (own: Hello, listener: Hello) =>
      admission.welcomed(own, listener) ?? reception.mayBeOccupied(listener)
    const dial = new Dial({ address, secret: this.#secret, hello, timeoutMs, judge }, events)
    this.#dials.add(dial)
    void dial.released.then(() => this.#dials.delete(dial))
    return dial
  }

  #hello(purpose: Purpose, expectedId: NodeId | null): Hello {
    const { nodeId, incarnation, ancestors, address, clusterId } = this.#running().identity
    const nonce = randomBytes(nonceBytes)
    return { purpose, expectedId, nonce, nodeId, incarnation, ancestors, address, clusterId }
  }

  #disowned(error: SkiffError): void {
    if (!this.#closed) this.#running().events.disowned(error)
  }

  #bound(): Listener {
    assert(this.#listener !== null, 'the network listens as soon as it exists')
    return this.#listener
  }

  #running(): Started {
    assert(this.#started !== null, 'the network was not started')
    return this.#started
  }
}

function closedError(): SkiffError {
  return new SkiffError('SKIFF_CLOSED', 'not-applied', 'the node is closed')
}
