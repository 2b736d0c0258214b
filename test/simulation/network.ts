/**
 * The simulated network: loses, repeats, delays and so reorders messages, and has cuts that work in one
 * direction each. In its ordered mode it behaves as links over TCP do: what arrives, arrives in order, and
 * a loss is noticed by both ends.
 */
import type { NodeId } from '../../src/raft/types.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

/** Units of time that a message is held up, at most. */
export const delaySlowMax: number = 600
/** Units of time on the wire and for a write, once all is healed: the shortest election timeout is 30. */
export const healedUnitsMax: number = 5

export interface NetworkSwarm {
  /** Per message: lost, sent twice. */
  readonly loss: number
  readonly duplication: number
  /** Units of time on the wire. */
  readonly delayMax: number
  /** Per message: held up for longer than an election takes. */
  readonly delaySlow: number
  /** Units of time, at most, until links lead to and from a node that has started. */
  readonly linkUnitsMax: number
  /** Messages between two nodes keep their order, and a lost one breaks the link, as over TCP. */
  readonly ordered: boolean
}

export interface NetworkOptions<Message> {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: NetworkSwarm
  readonly deliver: (to: NodeId, from: NodeId, message: Message) => void
  /** The link between these was lost and made anew. */
  readonly linkLost: (a: NodeId, b: NodeId) => void
}

export class Network<Message> {
  readonly #options: NetworkOptions<Message>
  readonly #cuts = new Set<string>()
  /** For the ordered mode: when the last message of a direction arrives, and which link it is on. */
  readonly #arrivals = new Map<string, number>()
  readonly #generations = new Map<string, number>()
  /** When the link of a direction will have been made. */
  readonly #linkedAt = new Map<string, number>()
  #faulty = true

  constructor(options: NetworkOptions<Message>) {
    this.#options = options
  }

  send(from: NodeId, to: NodeId, message: Message): void {
    const { random, swarm, schedule } = this.#options
    if (schedule.now < (this.#linkedAt.get(`${from}>${to}`) ?? 0)) return
    // Links break more seldom than packets are lost.
    const loss = swarm.ordered ? swarm.loss / 20 : swarm.loss
    if (this.#faulty && random.chance(loss)) {
      this.#lose(from, to)
      return
    }
    this.#carry(from, to, message)
    if (!swarm.ordered && this.#faulty && random.chance(swarm.duplication))
      this.#carry(from, to, message)
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(`${from}>${to}`)
  }

  /** No cut, no loss, no repetition from here on. */
  heal(): void {
    this.#faulty = false
    this.mend()
  }

  mend(): void {
    this.#cuts.clear()
  }

  /** A node went away, and all its links with it. */
  drop(id: NodeId, peers: readonly NodeId[]): void {
    for (const peer of peers) if (peer !== id) this.#breakLink(id, peer)
  }

  /** A node has started: links are made, each in its time. */
  connect(id: NodeId, peers: readonly NodeId[]): void {
    for (const peer of peers) {
      if (peer === id) continue
      this.#makeLink(id, peer)
      this.#makeLink(peer, id)
    }
  }

  #makeLink(from: NodeId, to: NodeId): void {
    const { random, schedule, swarm, linkLost } = this.#options
    const delay = random.between(0, swarm.linkUnitsMax)
    this.#linkedAt.set(`${from}>${to}`, schedule.now + delay)
    schedule.after(delay, () => linkLost(from, to))
  }

  #carry(from: NodeId, to: NodeId, message: Message): void {
    const { schedule, swarm, deliver } = this.#options
    const direction = `${from}>${to}`
    // A cut stops what is sent from now on. What is in the air arrives, and may be very late.
    if (!swarm.ordered && this.#cuts.has(direction)) return
    const generation = this.#generations.get(direction) ?? 0
    let delay = this.#drawDelay()
    // Healed, it keeps the order as TCP does: batches that overtake each other are sent again for long.
    if (swarm.ordered || !this.#faulty) {
      delay = Math.max(delay, (this.#arrivals.get(direction) ?? 0) - schedule.now)
      this.#arrivals.set(direction, schedule.now + delay)
    }
    schedule.after(delay, () => {
      const broken = generation !== (this.#generations.get(direction) ?? 0)
      if (swarm.ordered && this.#cuts.has(direction)) this.#lose(from, to)
      else if (!broken) deliver(to, from, message)
    })
  }

  #drawDelay(): number {
    const { random, swarm } = this.#options
    if (!this.#faulty) return random.between(1, Math.min(swarm.delayMax, healedUnitsMax))
    return random.between(1, random.chance(swarm.delaySlow) ? delaySlowMax : swarm.delayMax)
  }

  /** Over TCP nothing is lost in between: the link breaks, with all that is on it. */
  #lose(from: NodeId, to: NodeId): void {
    if (this.#options.swarm.ordered) this.#breakLink(from, to)
  }

  /** Both ends hear of it. Only over TCP is what was on it gone for certain. */
  #breakLink(a: NodeId, b: NodeId): void {
    if (this.#options.swarm.ordered) {
      for (const direction of [`${a}>${b}`, `${b}>${a}`])
        this.#generations.set(direction, (this.#generations.get(direction) ?? 0) + 1)
    }
    this.#options.linkLost(a, b)
  }
}
