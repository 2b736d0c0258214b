/**
 * The clients of a simulated cluster. Each writes in a session, several batches at a time, sends all that is
 * unanswered again in order when an answer is late (go-back-N), and moves to another node when its own is
 * gone. Reads must see every write acknowledged, and everything read, before they began.
 */
import type { Raft } from '../../../src/raft/raft.ts'
import type { Index, NodeId } from '../../../src/raft/types.ts'
import type { Random } from '../random.ts'
import type { Schedule } from '../schedule.ts'
import { Violation } from './checkers.ts'
import { encodeCommand } from './machine.ts'
import type { Message, SimulatedNode } from './node.ts'
import type { Swarm } from './swarm.ts'

/** Units of time between two calls of a client, at most. */
const thinkUnitsMax = 50
/** Units of time between two looks for leaders that are none. */
const doubtUnits = 7
/** Without an answer for so many units of time, everything is sent again. */
const retryUnits = 250
/** The same once all is healed; then one batch after the other, so that each can only be the next in turn. */
const healedRetryUnits = 60

export interface ClientWorld {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: Swarm
  readonly nodes: ReadonlyMap<NodeId, SimulatedNode>
  /** Where a client may go: the members. */
  homes(): readonly SimulatedNode[]
  send(from: NodeId, to: NodeId, message: Message): void
}

interface Batch {
  readonly sequence: number
  readonly bytes: Uint8Array
}

/** All clients; what one has seen binds the others. */
export class Clients {
  readonly #clients: Client[] = []
  readonly #reads = new Map<number, Index>()
  #sessions = 0
  /** The newest entry that anybody was told of, by an acknowledgement or a read. */
  #knownIndex: Index = 0
  #readIds = 0
  readsServed = 0

  constructor(world: ClientWorld) {
    for (let n = 0; n < world.swarm.clients; n++) this.#clients.push(new Client(world, this))
    this.#doubt(world)
  }

  /** Where several believe that they lead, each is asked for a read: there reads may be stale. */
  #doubt(world: ClientWorld): void {
    const leaders = [...world.nodes.values()].filter(({ raft }) => raft?.isLeader)
    if (leaders.length > 1) for (const node of leaders) this.read(node)
    world.schedule.after(doubtUnits, () => this.#doubt(world))
  }

  get acknowledged(): number {
    return this.#clients.reduce((sum, client) => sum + client.acknowledged, 0)
  }

  /** Nothing new from now on, but for one last write each. */
  finish(): void {
    for (const client of this.#clients) client.finish()
  }

  get finished(): boolean {
    return this.#clients.every((client) => client.finished)
  }

  newSession(): number {
    this.#sessions++
    return this.#sessions
  }

  onApplied(node: SimulatedNode): void {
    for (const client of this.#clients) client.onApplied(node)
  }

  /** A caller was told that this is applied. */
  told(index: Index): void {
    this.#knownIndex = Math.max(this.#knownIndex, index)
  }

  read(home: SimulatedNode): void {
    const id = ++this.#readIds
    this.#reads.set(id, this.#knownIndex)
    home.request((raft) => {
      if (raft.leadsAlone) home.awaitApplied({ id, index: raft.status.commitIndex })
      else raft.read(id)
    })
  }

  onRead(node: SimulatedNode, id: number): void {
    const floor = this.#reads.get(id)
    // A message that came twice: the read is answered already.
    if (floor === undefined) return
    this.#reads.delete(id)
    this.readsServed++
    if (node.machine.appliedIndex < floor)
      throw new Violation(
        'a read sees every write acknowledged before it began',
        `${node.id} serves read ${id} at ${node.machine.appliedIndex}, known was ${floor}`,
      )
    this.told(node.machine.changedIndex)
  }
}

class Client {
  acknowledged = 0
  readonly #world: ClientWorld
  readonly #clients: Clients
  #session: number
  #sequence = 0
  #home: SimulatedNode | null = null
  /** Sent and not answered, in order. */
  #unanswered: Batch[] = []
  #lastSent = 0
  #finishing = false

  constructor(world: ClientWorld, clients: Clients) {
    this.#world = world
    this.#clients = clients
    this.#session = clients.newSession()
    this.#think()
  }

  get finished(): boolean {
    return this.#finishing && this.#unanswered.length === 0
  }

  finish(): void {
    this.#finishing = true
    this.#write()
  }

  onApplied(node: SimulatedNode): void {
    if (node !== this.#home) return
    const done = node.machine.sequence(this.#session)
    while (this.#unanswered[0] !== undefined && this.#unanswered[0].sequence <= done) {
      this.#unanswered.shift()
      this.acknowledged++
      this.#clients.told(node.machine.changedIndex)
      if (this.#finishing && this.#unanswered.length > 0) this.#resubmit()
    }
  }

  #think(): void {
    const { schedule, random } = this.#world
    schedule.after(random.between(1, thinkUnitsMax), () => {
      this.#act()
      this.#think()
    })
  }

  #act(): void {
    const { random, swarm, schedule } = this.#world
    this.#findHome()
    if (this.#home === null) return
    const late = schedule.now - this.#lastSent > (this.#finishing ? healedRetryUnits : retryUnits)
    if (this.#unanswered.length > 0 && late) this.#resubmit()
    else if (random.chance(swarm.reads))
      this.#clients.read(random.pick([this.#home, ...this.#world.homes()]))
    else if (!this.#finishing && this.#unanswered.length < swarm.clientWindow) this.#write()
  }

  /** Moves when the node is gone, or now and then; the session goes along, or is given up. */
  #findHome(): void {
    const { random } = this.#world
    const homes = this.#world.homes()
    const { raft } = this.#home ?? { raft: null }
    const stays = this.#home !== null && raft !== null && homes.includes(this.#home)
    if (homes.length === 0 || (stays && !random.chance(0.01))) return
    this.#home = random.pick(homes)
    this.#lastSent = -retryUnits
    if (!this.#finishing && random.chance(0.3)) {
      this.#session = this.#clients.newSession()
      this.#sequence = 0
      this.#unanswered = []
    }
  }

  #write(): void {
    const { random, swarm } = this.#world
    this.#sequence++
    const command = { session: this.#session, sequence: this.#sequence }
    const bytes = encodeCommand(command, random.between(0, swarm.paddingMax))
    const batch: Batch = { sequence: this.#sequence, bytes }
    this.#unanswered.push(batch)
    this.#submit([batch])
  }

  #resubmit(): void {
    this.#submit(this.#finishing ? this.#unanswered.slice(0, 1) : this.#unanswered)
  }

  #submit(batches: readonly Batch[]): void {
    this.#lastSent = this.#world.schedule.now
    const home = this.#home
    const sent = [...batches]
    home?.request((raft) => {
      for (const { bytes } of sent) this.#propose(home.id, raft, bytes)
    })
  }

  /** To the log if the node leads, else to the leader it knows, else nowhere: it is sent again later. */
  #propose(home: NodeId, raft: Raft, bytes: Uint8Array): void {
    const { leaderId } = raft.status
    if (raft.isLeader) raft.propose(bytes)
    else if (leaderId !== null) this.#world.send(home, leaderId, { type: 'forward', bytes })
  }
}
