/** All that peers have dialled to us: `linksMax` connections, and at most one link per node, the newest. */
import { linksMax } from '../options.ts'
import type { NodeId } from '../raft/types.ts'
import type { Admission } from './admission.ts'
import { ListenerHandshake } from './handshake.ts'
import type { Hello } from './hello.ts'
import { type Gate, Incoming } from './incoming.ts'
import type { Connection, ConnectionEvents } from './listener.ts'
import { type Refusal, refusal } from './refusal.ts'

export interface ReceptionOptions {
  readonly secret: string
  readonly admission: Admission
  /** Our hello, with a fresh nonce. */
  readonly answer: () => Hello
  readonly frame: (from: NodeId, bytes: Uint8Array) => void
  /** A node has a link to us now, and says that it listens there. */
  readonly linked: (id: NodeId, address: string) => void
}

interface Received {
  readonly incoming: Incoming
  readonly incarnation: number
  /** Where the dialer listens. */
  readonly address: string
}

export class Reception implements Gate {
  readonly #options: ReceptionOptions
  readonly #links = new Map<NodeId, Received>()
  /** All whose dialers have proven the secret. */
  readonly #proven = new Set<Incoming>()

  constructor(options: ReceptionOptions) {
    this.#options = options
  }

  accept(connection: Connection): ConnectionEvents {
    const { secret, answer } = this.#options
    return new Incoming(connection, new ListenerHandshake(secret, answer()), this)
  }

  /** Where this node listens, while it has a link to us; else `null`. */
  addressOf(id: NodeId): string | null {
    return this.#links.get(id)?.address ?? null
  }

  /** Closes what this node has dialled to us. */
  disconnect(id: NodeId, why: Refusal): void {
    this.#links.get(id)?.incoming.end(why)
  }

  async admit(dialer: Hello, incoming: Incoming): Promise<Refusal | null> {
    if (this.#proven.size >= linksMax) {
      return refusal('unavailable', `${linksMax} connections are open, the limit`)
    }
    this.#proven.add(incoming)
    const { admission } = this.#options
    return admission.judge(dialer) ?? (await this.#occupied(dialer)) ?? admission.admit(dialer)
  }

  /** Of a link to us that may not live any more. */
  mayBeOccupied({ nodeId, incarnation }: Hello): Refusal | null {
    const known = this.#links.get(nodeId)
    if (known === undefined || known.incarnation === incarnation) return null
    const reason = `node ${nodeId} runs at ${known.address}, started as ${known.incarnation}`
    return refusal('occupied', reason)
  }

  /**
   * A node that starts again has lost its links, or lost them without a word; a copy of its directory that
   * starts beside it must not throw it out.
   */
  async #occupied(dialer: Hello): Promise<Refusal | null> {
    const occupied = this.mayBeOccupied(dialer)
    const known = this.#links.get(dialer.nodeId)
    if (occupied === null || known === undefined) return null
    if (await known.incoming.lives()) return occupied
    known.incoming.end(refusal('replaced', `by incarnation ${dialer.incarnation}`))
    return null
  }

  entered({ nodeId, incarnation, purpose, address }: Hello, incoming: Incoming): void {
    if (purpose !== 'link') return
    const older = this.#links.get(nodeId)
    older?.incoming.end(refusal('replaced', `by incarnation ${incarnation} of node ${nodeId}`))
    this.#links.set(nodeId, { incoming, incarnation, address })
    this.#options.linked(nodeId, address)
  }

  frame(from: NodeId, bytes: Uint8Array): void {
    this.#options.frame(from, bytes)
  }

  left(incoming: Incoming): void {
    this.#proven.delete(incoming)
    for (const [id, link] of this.#links) if (link.incoming === incoming) this.#links.delete(id)
  }
}
