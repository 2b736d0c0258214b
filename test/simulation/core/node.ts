/**
 * One simulated server: a real core between a simulated disk and a state machine, run as the storage actor
 * runs it (DESIGN.md §4): drain and step, early sends, durable write, late sends, apply. It can die
 * between any two of these, and be paused like a stopped process.
 */
import { assert } from '../../../src/raft/assert.ts'
import { Raft } from '../../../src/raft/raft.ts'
import type { Outgoing, Rpc } from '../../../src/raft/rpc.ts'
import type { LogWrite, ReadyRead } from '../../../src/raft/turn.ts'
import type { Entry, NodeId } from '../../../src/raft/types.ts'
import { healedUnitsMax } from '../network.ts'
import type { Random } from '../random.ts'
import type { Schedule } from '../schedule.ts'
import { SimulatedDisk } from './disk.ts'
import { StateMachine } from './machine.ts'
import { type Swarm, tickUnits } from './swarm.ts'

/** What travels between servers: consensus, and batches for the leader (outside the core). */
export type Message = Rpc | { readonly type: 'forward'; readonly bytes: Uint8Array }

/** Where in a turn a node may die. */
export type CrashPoint = 'beforeWrite' | 'afterWrite' | 'afterLate'
const crashPoints: readonly CrashPoint[] = ['beforeWrite', 'afterWrite', 'afterLate']

/** Applied at once; small, so that applying falls behind now and then. */
const entriesPerApply = 16
const bytesPerApply = 4_000

/** What a node does to the world around it; implemented by the cluster. */
export interface NodeWorld {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: Swarm
  /** False once everything has healed. */
  readonly faulty: boolean
  send(from: NodeId, to: NodeId, message: Message): void
  /** Before each turn's write: what is asked of the disk. */
  onWrite(node: SimulatedNode, write: LogWrite): void
  /** After anything that may have changed the core; its log is on disk or in `pendingWrite`. */
  onStep(node: SimulatedNode, raft: Raft): void
  onLate(node: SimulatedNode, message: Outgoing): void
  onApplied(node: SimulatedNode, entry: Entry): void
  onRead(node: SimulatedNode, id: number): void
  onCrash(node: SimulatedNode, point: CrashPoint | 'killed'): void
}

export class SimulatedNode {
  readonly id: NodeId
  readonly disk: SimulatedDisk = new SimulatedDisk()
  machine: StateMachine = new StateMachine()
  /** `null` while it is down. */
  raft: Raft | null = null
  paused = false
  /** It works, but no time passes for it. */
  clockStopped = false
  /** Until it is on disk. */
  pendingWrite: LogWrite | null = null
  readonly #world: NodeWorld
  /** Counts its lives; what an earlier one had planned does not happen. */
  #life = 0
  #busy = false
  #inbox: { from: NodeId; message: Message }[] = []
  #requests: ((raft: Raft) => void)[] = []
  #tickDue = false
  #reads: ReadyRead[] = []

  constructor(id: NodeId, world: NodeWorld) {
    this.id = id
    this.#world = world
  }

  start(): void {
    assert(this.raft === null, `${this.id} runs already`)
    const { random, swarm } = this.#world
    this.#life++
    this.raft = new Raft({
      id: this.id,
      limits: swarm.limits,
      random: () => random.next(),
      disk: this.disk,
      hardState: this.disk.hardState,
      memberships: this.disk.memberships(),
      appliedIndex: this.machine.appliedIndex,
    })
    this.#world.onStep(this, this.raft)
    this.#tickAfter(random.between(1, tickUnits))
    this.#wake()
  }

  /** Dies. A write under way has happened, or not, as chance will have it. */
  crash(point: CrashPoint | 'killed' = 'killed'): void {
    assert(this.raft !== null, `${this.id} is down already`)
    const { random, swarm } = this.#world
    if (this.pendingWrite !== null && random.chance(0.5)) this.disk.write(this.pendingWrite)
    if (random.chance(swarm.powerLoss)) this.machine = new StateMachine()
    this.pendingWrite = null
    this.raft = null
    this.paused = false
    this.#life++
    this.#busy = false
    this.#inbox = []
    this.#requests = []
    this.#reads = []
    this.#tickDue = false
    this.#world.onCrash(this, point)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.#wake()
  }

  receive(from: NodeId, message: Message): void {
    if (this.raft === null) return
    this.#inbox.push({ from, message })
    this.#wake()
  }

  /** A caller of this node wants something; done in its next turn, if it lives so long. */
  request(run: (raft: Raft) => void): void {
    if (this.raft === null) return
    this.#requests.push(run)
    this.#wake()
  }

  /** Served once `index` is applied. */
  awaitApplied(read: ReadyRead): void {
    this.#reads.push(read)
  }

  #planned(delay: number, run: (raft: Raft) => void): void {
    const life = this.#life
    this.#world.schedule.after(delay, () => {
      if (life === this.#life && this.raft !== null) run(this.raft)
    })
  }

  /** However long the node was paused or waited for its disk, it is one tick. */
  #tickAfter(delay: number): void {
    this.#planned(delay, () => {
      if (!this.clockStopped) {
        this.#tickDue = true
        this.#wake()
      }
      this.#tickAfter(tickUnits)
    })
  }

  #wake(): void {
    if (this.#busy || this.paused || this.raft === null) return
    this.#busy = true
    this.#planned(0, (raft) => this.#turn(raft))
  }

  #turn(raft: Raft): void {
    if (this.paused) {
      this.#busy = false
      return
    }
    this.#step(raft)
    // Mostly it applies behind its write; in front of it would be right as well.
    if (this.#world.random.chance(0.1)) this.#apply(raft)
    if (raft.prepareTurn()) {
      this.#write(raft)
    } else {
      this.#world.onStep(this, raft)
      this.#endTurn(raft)
    }
  }

  #write(raft: Raft): void {
    const { early, write } = raft.takeTurn()
    this.#world.onWrite(this, write)
    this.pendingWrite = write
    this.#world.onStep(this, raft)
    const crashPoint = this.#drawCrashPoint(write.hardState !== null)
    this.#send(early)
    if (crashPoint === 'beforeWrite') {
      this.crash('beforeWrite')
      return
    }
    const { hardState, truncateFrom, entries } = write
    const writes = hardState !== null || truncateFrom !== null || entries.length > 0
    if (writes) this.#planned(this.#drawDiskTime(), () => this.#written(raft, crashPoint))
    else this.#written(raft, crashPoint)
  }

  #written(raft: Raft, crashPoint: CrashPoint | null): void {
    assert(this.pendingWrite !== null, 'nothing was written')
    this.disk.write(this.pendingWrite)
    this.pendingWrite = null
    if (crashPoint === 'afterWrite') {
      this.crash('afterWrite')
      return
    }
    const { late, reads } = raft.settle()
    for (const message of late) this.#world.onLate(this, message)
    this.#world.onStep(this, raft)
    this.#send(late)
    this.#reads.push(...reads)
    if (crashPoint === 'afterLate') this.crash('afterLate')
    else this.#endTurn(raft)
  }

  #apply(raft: Raft): void {
    for (const entry of raft.takeCommitted(entriesPerApply, bytesPerApply)) {
      this.machine.apply(entry)
      this.#world.onApplied(this, entry)
    }
    this.#serveReads()
  }

  #endTurn(raft: Raft): void {
    this.#apply(raft)
    this.#busy = false
    const backlog = raft.status.commitIndex > this.machine.appliedIndex
    const waiting = this.#inbox.length > 0 || this.#requests.length > 0 || this.#tickDue
    // Not in this unit of time: a turn takes time, and entries to be applied may have to wait for a write.
    if (waiting || backlog || raft.prepareTurn()) this.#planned(1, () => this.#wake())
  }

  #step(raft: Raft): void {
    const inbox = this.#inbox
    const requests = this.#requests
    this.#inbox = []
    this.#requests = []
    this.#world.schedule.events += inbox.length + requests.length
    for (const { from, message } of inbox) {
      if (message.type === 'forward') raft.propose(message.bytes)
      else raft.step(from, message)
    }
    for (const run of requests) run(raft)
    if (this.#tickDue) raft.tick()
    this.#tickDue = false
  }

  #send(messages: readonly Outgoing[]): void {
    for (const { to, rpc } of messages) {
      for (const peer of to) this.#world.send(this.id, peer, rpc)
    }
  }

  #serveReads(): void {
    if (this.#reads.length === 0) return
    const ready = this.#reads.filter(({ index }) => index <= this.machine.appliedIndex)
    this.#reads = this.#reads.filter(({ index }) => index > this.machine.appliedIndex)
    for (const { id } of ready) this.#world.onRead(this, id)
  }

  #drawCrashPoint(storesVote: boolean): CrashPoint | null {
    const { random, swarm, faulty } = this.#world
    const probability = swarm.crashInTurn * (storesVote ? 10 : 1)
    return faulty && random.chance(probability) ? random.pick(crashPoints) : null
  }

  #drawDiskTime(): number {
    const { random, swarm, faulty } = this.#world
    if (!faulty) return random.between(0, Math.min(swarm.diskMax, healedUnitsMax))
    return random.between(0, random.chance(swarm.diskSlow) ? swarm.diskSlowMax : swarm.diskMax)
  }
}
