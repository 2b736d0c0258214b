/**
 * One simulated server: the real storage turn (src/storage/storage.ts) between a disk in memory, ports in
 * memory and a clock that others move. A turn happens in one moment; what its writes would have taken is
 * added to the time at which it is heard, and until then the server is busy. It can die at every step.
 */
import type {
  NetworkToStorage,
  PeerAddress,
  StorageToNetwork,
  StorageToPeers,
  WireRpc,
} from '../../src/messages.ts'
import { assert } from '../../src/raft/assert.ts'
import type { Membership, NodeId } from '../../src/raft/types.ts'
import { BoardReader, createBoard } from '../../src/storage/board.ts'
import { DiskSpace } from '../../src/storage/disk-space.ts'
import {
  assembleNode,
  bootstrap,
  type Dice,
  type Home,
  type Opened,
  openNode,
} from '../../src/storage/opening.ts'
import { markClean } from '../../src/storage/state-origin.ts'
import { Storage } from '../../src/storage/storage.ts'
import { Disks } from './disks.ts'
import { SimulatedMain } from './main.ts'
import type { Hooks } from './memory.ts'
import { MemoryPort, type Posted } from './port.ts'
import { drawDiskTime, tickUnits } from './swarm.ts'
import { Death, Violation } from './violation.ts'
import type { Life, NodeWorld } from './world.ts'

const spaceLow = 100_000
/** Left on a disk of which nobody need speak. */
export const plentyBytes: number = 10 * spaceLow
/** Steps of a turn at which a node may die: sends, transactions, reports. */
const stepsMax = 10

export class SimulatedNode {
  readonly id: NodeId
  /** The same as the id, for hashes. */
  readonly number: number
  /** Where it will be from its next start on. */
  address: string
  life: Life | null = null
  paused = false
  /** It works, but no time passes for it. */
  clockStopped = false
  /** Its directory is gone for good. */
  wiped = false
  /** Whom it asks to be let in, until it is. */
  joins: PeerAddress | null = null
  freeBytes: number = plentyBytes
  readonly #world: NodeWorld
  readonly disks: Disks = new Disks()
  /** Counts its lives; what an earlier one had planned does not happen. */
  #lives = 0
  #busyUntil = 0
  /** Units of time that the turn under way has taken so far. */
  #lag = 0
  #wakePlanned = false
  #turns: (() => void)[] = []
  /** Steps of this turn until the node dies. */
  #stepsLeft = Number.POSITIVE_INFINITY
  #dying: string | null = null
  /** It hands over, and then ends. */
  #leaves = false
  #violation: Violation | null = null
  #inTurn = false
  /** This turn has done all that it does. */
  #reported = false
  /** The disk will say that it failed, though all was written. */
  #failsAfter = false

  constructor(id: NodeId, address: string, world: NodeWorld) {
    this.id = id
    this.number = Number.parseInt(id, 16)
    this.address = address
    this.#world = world
  }

  get isDamaged(): boolean {
    return this.disks.isDamaged(this.#world.truth.forged)
  }

  /** Starts; with `members` it founds a cluster, with them as its first members. */
  start(members: Membership | null = null): void {
    assert(this.life === null && !this.wiped, `${this.id} runs already, or never again`)
    const { random, schedule, truth } = this.#world
    this.#lives++
    this.#lag = 0
    this.#dying = null
    this.disks.beforeStart(random, truth.forged)
    this.#leaves = false
    const opened = openNode(this.#home(), this.#dice)
    opened.identity = { ...opened.identity, address: this.address }
    opened.log.saveIdentity(opened.identity)
    if (members !== null) bootstrap(opened, 'simulation', members)
    this.life = this.#assemble(opened)
    const { storage } = this.life
    this.#busyUntil = schedule.now
    this.#tickAfter(random.between(1, tickUnits))
    this.join(this.joins)
    this.#runTurn(() => storage.start(({ message }) => this.#stopped(message)))
  }

  #assemble(opened: Opened): Life {
    const { swarm } = this.#world
    const board = createBoard()
    const space = new DiskSpace(() => this.freeBytes, spaceLow)
    const schedule = (turn: () => void): void => {
      this.#turns.push(turn)
      this.#wake(1)
    }
    const settings = { ...swarm, board, space, schedule, wake: () => this.life?.storage.poke() }
    const parts = assembleNode(this.#home(), opened, settings, this.#dice)
    const network: Life['network'] = new MemoryPort((posted) => this.#flushReports(posted))
    const lanes: Life['lanes'] = Array.from(
      { length: swarm.lanes },
      () => new MemoryPort((posted) => this.#flushRpcs(posted)),
    )
    const storage = new Storage({ network, lanes }, parts)
    const main = new SimulatedMain(this, this.#world)
    const reader = new BoardReader(board, opened.stateMark.generation)
    return { ...parts, opened, storage, network, lanes, main, board: reader }
  }

  #flushReports(posted: readonly Posted<StorageToNetwork>[]): void {
    this.#step('report')
    for (const { message, move } of posted)
      this.#report(move.length > 0 ? this.#move(message, move) : message)
    this.#reported = true
    this.#step('reported')
  }

  #flushRpcs(posted: readonly Posted<StorageToPeers>[]): void {
    for (const { message } of posted) this.#send(message)
    this.#step('send')
  }

  /** Dies, at the latest when the write under way has ended. */
  kill(how = 'killed'): void {
    if (this.life === null || this.#dying !== null) return
    this.#dying = how
    this.#after(this.#busyLeft, () => this.#die())
  }

  /** Ends as it should; if it leads, it hands over first. */
  stop(): void {
    if (this.life === null || this.#dying !== null || this.#busyLeft > 0) return
    if (!this.life.raft.isLeader) this.#close()
    else if (!this.#leaves)
      this.life.storage.handOver(() => this.#after(this.#lag, () => this.#close()))
    this.#leaves = true
  }

  #close(): void {
    if (this.life === null || this.#dying !== null) return
    const { storage, opened } = this.life
    storage.stop()
    void opened.state.close()
    markClean(this.#home(), opened)
    void opened.log.close()
    this.#dying = 'stopped'
    this.#endWithMachine()
  }

  /** Asks for admission, also after a restart. */
  join(via: PeerAddress | null): void {
    this.joins = via
    const { id, address } = this
    if (via !== null)
      this.life?.main.change({ type: 'add', member: id, address, role: 'voter' }, via)
  }

  wipe(): void {
    this.wiped = true
    this.kill('wiped')
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.#wake(0)
  }

  receive(from: NodeId, rpc: WireRpc): void {
    const lane = this.life?.lanes[Number.parseInt(from, 16) % this.#world.swarm.lanes]
    lane?.deliver({ type: 'rpc', from, rpc })
    this.#wake(0)
  }

  post(message: NetworkToStorage): void {
    this.life?.network.deliver(message)
    this.#wake(0)
  }

  /** Its storage is gone; what it leaves is for the next life to judge. */
  get isDying(): boolean {
    return this.#dying !== null
  }

  get #busyLeft(): number {
    return Math.max(0, this.#busyUntil - this.#world.schedule.now)
  }

  #after(delay: number, run: () => void): void {
    this.#world.schedule.after(delay, this.#ofThisLife(run))
  }

  #ofThisLife(run: () => void): () => void {
    const life = this.#lives
    return () => {
      if (life === this.#lives && this.life !== null) run()
    }
  }

  /** However long the node was paused or waited for its disk, it is one tick. */
  #tickAfter(delay: number): void {
    this.#after(delay, () => {
      if (!this.clockStopped) this.post({ type: 'tick' })
      this.#tickAfter(tickUnits)
    })
  }

  #wake(delay: number): void {
    if (this.#wakePlanned || this.paused || this.life === null) return
    this.#wakePlanned = true
    const run = this.#ofThisLife(() => this.#turn())
    const life = this.#lives
    this.#world.schedule.after(Math.max(delay, this.#busyLeft), () => {
      if (life === this.#lives) this.#wakePlanned = false
      run()
    })
  }

  #turn(): void {
    if (this.paused || this.#dying !== null) return
    // The turn that asked for this one may have taken its time.
    if (this.#busyLeft > 0) {
      this.#wake(0)
      return
    }
    const [turn] = this.#turns
    this.#turns = []
    const { network } = this.life ?? {}
    this.#runTurn(turn ?? network?.wake ?? (() => undefined))
    if (this.life?.network.isWaiting || this.life?.lanes.some(({ isWaiting }) => isWaiting))
      this.#wake(1)
  }

  #runTurn(turn: () => void): void {
    const { random, swarm, faulty, schedule } = this.#world
    const dies = faulty && random.chance(swarm.crashInTurn)
    this.#stepsLeft = dies ? random.below(stepsMax) : Number.POSITIVE_INFINITY
    this.#lag = 0
    this.#inTurn = true
    this.#reported = false
    turn()
    this.#inTurn = false
    this.#busyUntil = schedule.now + this.#lag
    this.#stepsLeft = Number.POSITIVE_INFINITY
    if (this.#violation !== null) throw this.#violation
    if (this.life === null) return
    // Who dies behind the last step has done all that a turn does, and others hear of it.
    if (this.#dying === null || this.#reported) this.#world.onTurn(this, this.life)
  }

  #step(name: string): void {
    if (this.#dying !== null) {
      this.#violation = new Violation('who is stopped does nothing', `${this.id} ${name}`)
      throw this.#violation
    }
    this.#stepsLeft--
    if (this.#stepsLeft >= 0) return
    throw new Death(name)
  }

  /** Storage gave up. Only what we did to it may be the reason. */
  #stopped(message: string): void {
    if (this.#violation !== null) return
    const reason = this.#stepsLeft < 0 ? 'died' : message
    const full = this.freeBytes < spaceLow && message.includes('the disk is full')
    if (this.#stepsLeft >= 0 && !message.includes('EIO') && !full)
      this.#violation = new Violation('a node stops only for a reason', `${this.id}: ${message}`)
    this.#dying = reason
    this.life?.storage.stop()
    this.#after(this.#lag, () => this.#die())
  }

  /** A process that is gone leaves its state to the next; a machine that is gone does not. */
  #die(): void {
    const { opened, storage } = this.life ?? {}
    storage?.stop()
    void opened?.log.close()
    void opened?.state.close()
    this.#endWithMachine()
  }

  #endWithMachine(): void {
    const { random, swarm } = this.#world
    if (random.chance(swarm.powerLoss)) this.disks.losePower(random, random.chance(swarm.rot))
    this.#end()
  }

  #end(): void {
    const how = this.#dying ?? 'stopped'
    this.life = null
    this.paused = false
    this.#lives++
    this.#wakePlanned = false
    this.#turns = []
    this.#world.onDeath(this, how)
  }

  #report(message: StorageToNetwork): void {
    this.#after(this.#lag, () => this.life?.main.hear(message))
  }

  #send({ to, rpc }: StorageToPeers): void {
    for (const peer of to) {
      this.#guard(() => this.#world.onSend(this, peer, rpc))
      if (this.#hasLink(peer)) this.#world.send(this.id, peer, rpc, this.#lag)
    }
  }

  /**
   * To its peers, and back to whoever has dialled it: a voter must be able to answer a candidate or leader
   * that entered while it was away, of which its own log does not know.
   */
  #hasLink(peer: NodeId): boolean {
    const dials = this.#world.nodes.get(peer)?.life?.main.peers.has(this.id) ?? false
    return dials || (this.life?.main.peers.has(peer) ?? false)
  }

  #move(message: StorageToNetwork, move: readonly ArrayBuffer[]): StorageToNetwork {
    return this.#world.swarm.exact ? structuredClone(message, { transfer: [...move] }) : message
  }

  /** What a checker finds must not pass for a fault of the disk. */
  #guard(check: () => void): void {
    try {
      check()
    } catch (error) {
      if (error instanceof Violation) this.#violation = error
      throw error
    }
  }

  readonly #logHooks: Hooks = {
    begin: () => this.#step('log'),
    commit: (writes) => {
      this.#step('log lost')
      this.#lag += drawDiskTime(this.#world)
      const fails =
        this.#inTurn &&
        this.#world.faulty &&
        this.#world.random.chance(this.#world.swarm.diskFailure)
      if (fails && this.#world.random.chance(0.5)) throw new Error('EIO, nothing was written')
      this.#guard(() => this.#world.onLogWrite(this, writes))
      this.#failsAfter = fails
    },
    done: () => {
      if (this.#failsAfter) throw new Error('EIO, though all was written')
      this.#step('logged')
    },
  }

  readonly #stateHooks: Hooks = {
    begin: () => this.#step('apply'),
    commit: () => {
      this.#step('apply lost')
      const { random, swarm, faulty } = this.#world
      if (this.#inTurn && faulty && random.chance(swarm.diskFailure)) throw new Error('EIO')
    },
    done: () => {
      this.disks.stateWritten()
      this.#step('applied')
    },
  }

  #home(): Home {
    return this.disks.home(this.id, this.#logHooks, this.#stateHooks, {
      ...{ random: this.#world.random, sights: this.#world.sights },
      freeBytes: () => this.freeBytes - spaceLow,
      after: (delay, run) => this.#after(delay, run),
      step: (name) => this.#step(name),
    })
  }

  get #dice(): Dice {
    const { random } = this.#world
    return { id: () => this.id, below: (end) => random.below(end), next: () => random.next() }
  }
}
