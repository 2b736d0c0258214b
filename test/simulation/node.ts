/**
 * One simulated server: the real storage turn (src/storage/storage.ts) between a disk in memory, ports in
 * memory and a clock that others move. A turn happens in one moment; what its writes would have taken is
 * added to the time at which it is heard, and until then the server is busy. It can die at every step.
 */
import type {
  CodecToStorage,
  NetworkToStorage,
  PeerAddress,
  StorageToCodec,
  StorageToNetwork,
  WireRpc,
} from '../../src/messages.ts'
import { assert } from '../../src/raft/assert.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { Membership, NodeId } from '../../src/raft/types.ts'
import { BoardReader, createBoard } from '../../src/storage/board.ts'
import { DiskSpace } from '../../src/storage/disk-space.ts'
import {
  assembleNode,
  bootstrap,
  type Dice,
  type Home,
  markClean,
  type Opened,
  openNode,
} from '../../src/storage/opening.ts'
import type { StateMachine } from '../../src/storage/state-machine.ts'
import { Storage } from '../../src/storage/storage.ts'
import { SimulatedMain } from './main.ts'
import { type Hooks, MemoryFile, type Write } from './memory.ts'
import { healedUnitsMax } from './network.ts'
import { MemoryPort } from './port.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import { type Swarm, tickUnits } from './swarm.ts'
import type { Truth } from './truth.ts'
import { Violation } from './violation.ts'

/** Tables in which equal logs leave equal rows. */
const stateTables = ['kv', 'prefixes', 'sessions', 'revisions']
const spaceLow = 100_000
/** Steps of a turn at which a node may die: sends, transactions, reports. */
const stepsMax = 10

/** What a node does to the world around it; implemented by the cluster. */
export interface NodeWorld {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: Swarm
  readonly truth: Truth
  /** False once everything has healed. */
  readonly faulty: boolean
  send(from: NodeId, to: NodeId, rpc: WireRpc, delay: number): void
  onSend(node: SimulatedNode, to: NodeId, rpc: WireRpc): void
  onLogWrite(node: SimulatedNode, writes: readonly Write[]): void
  onTurn(node: SimulatedNode, life: Life): void
  onRead(): void
  onDeath(node: SimulatedNode, how: string): void
  say(line: () => string): void
}

/** From one start to the next death. */
export interface Life {
  readonly opened: Opened
  readonly raft: Raft
  readonly state: StateMachine
  readonly storage: Storage
  readonly network: MemoryPort<StorageToNetwork, NetworkToStorage>
  readonly codecs: readonly MemoryPort<StorageToCodec, CodecToStorage>[]
  readonly board: BoardReader
  readonly main: SimulatedMain
}

/** Thrown where a node dies within a turn. */
class Death extends Error {}

export class SimulatedNode {
  readonly id: NodeId
  readonly address: string
  life: Life | null = null
  paused = false
  /** It works, but no time passes for it. */
  clockStopped = false
  /** Its directory is gone for good. */
  wiped = false
  /** Whom it asks to be let in, until it is. */
  joins: PeerAddress | null = null
  freeBytes: number = 10 * spaceLow
  readonly #world: NodeWorld
  readonly #log = new MemoryFile()
  readonly #state = new MemoryFile()
  #stateSynced = false
  #boots = 1
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
  #violation: Violation | null = null

  constructor(id: NodeId, world: NodeWorld) {
    this.id = id
    this.address = `host-${id}:1`
    this.#world = world
  }

  get stateHash(): number {
    return this.#state.hash(stateTables)
  }

  /** Starts; with `members` it founds a cluster, with them as its first members. */
  start(members: Membership | null = null): void {
    assert(this.life === null && !this.wiped, `${this.id} runs already, or never again`)
    const { random, swarm, schedule } = this.#world
    this.#lives++
    this.#lag = 0
    this.#dying = null
    const opened = openNode(this.#home, this.#dice)
    opened.identity = { ...opened.identity, address: this.address }
    opened.log.saveIdentity(opened.identity)
    if (members !== null) bootstrap(opened, 'simulation', members)
    const board = createBoard()
    const parts = assembleNode(
      opened,
      {
        limits: swarm.limits,
        watcherBytesMax: swarm.watcherBytesMax,
        board,
        space: new DiskSpace(() => this.freeBytes, spaceLow),
        schedule: (turn) => {
          this.#turns.push(turn)
          this.#wake(1)
        },
      },
      this.#dice,
    )
    const network = new MemoryPort<StorageToNetwork, NetworkToStorage>((posted) => {
      this.#step('report')
      for (const { message, move } of posted)
        this.#report(move.length > 0 ? this.#move(message, move) : message)
      this.#step('reported')
    })
    const codecs = Array.from(
      { length: swarm.codecs },
      () =>
        new MemoryPort<StorageToCodec, CodecToStorage>((posted) => {
          for (const { message } of posted) this.#send(message)
          this.#step('send')
        }),
    )
    const storage = new Storage({ network, codecs }, parts)
    const main = new SimulatedMain(this, this.#world)
    const { raft, state } = parts
    this.life = {
      opened,
      raft,
      state,
      storage,
      network,
      codecs,
      main,
      board: new BoardReader(board),
    }
    this.#busyUntil = schedule.now
    this.#tickAfter(random.between(1, tickUnits))
    this.join(this.joins)
    this.#runTurn(() => storage.start(({ message }) => this.#stopped(message)))
  }

  /** Dies, at the latest when the write under way has ended. */
  kill(how = 'killed'): void {
    if (this.life === null || this.#dying !== null) return
    this.#dying = how
    this.#world.schedule.after(
      this.#busyLeft,
      this.#ofThisLife(() => this.#die()),
    )
  }

  /** Ends as it should. */
  stop(): void {
    if (this.life === null || this.#dying !== null || this.#busyLeft > 0) return
    const { storage, opened } = this.life
    storage.stop()
    void opened.state.close()
    markClean(this.#home, opened.log)
    void opened.log.close()
    this.#dying = 'stopped'
    this.#end()
  }

  /** Asks for admission, also after a restart. */
  join(via: PeerAddress | null): void {
    this.joins = via
    const { id, address } = this
    if (via !== null) this.life?.main.change({ type: 'add', member: id, address }, via)
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
    const codec = this.life?.codecs[Number.parseInt(from, 16) % this.#world.swarm.codecs]
    codec?.deliver({ type: 'rpc', from, rpc })
    this.#wake(0)
  }

  post(message: NetworkToStorage): void {
    this.life?.network.deliver(message)
    this.#wake(0)
  }

  get #busyLeft(): number {
    return Math.max(0, this.#busyUntil - this.#world.schedule.now)
  }

  #ofThisLife(run: () => void): () => void {
    const life = this.#lives
    return () => {
      if (life === this.#lives && this.life !== null) run()
    }
  }

  /** However long the node was paused or waited for its disk, it is one tick. */
  #tickAfter(delay: number): void {
    this.#world.schedule.after(
      delay,
      this.#ofThisLife(() => {
        if (!this.clockStopped) this.post({ type: 'tick' })
        this.#tickAfter(tickUnits)
      }),
    )
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
    const turns = this.#turns
    this.#turns = []
    const [turn] = turns
    const { network } = this.life ?? {}
    this.#runTurn(turn ?? network?.wake ?? (() => undefined))
    if (this.life?.network.isWaiting || this.life?.codecs.some(({ isWaiting }) => isWaiting))
      this.#wake(1)
  }

  #runTurn(turn: () => void): void {
    const { random, swarm, faulty, schedule } = this.#world
    const dies = faulty && random.chance(swarm.crashInTurn)
    this.#stepsLeft = dies ? random.below(stepsMax) : Number.POSITIVE_INFINITY
    this.#lag = 0
    this.#inTurn = true
    turn()
    this.#inTurn = false
    this.#busyUntil = schedule.now + this.#lag
    this.#stepsLeft = Number.POSITIVE_INFINITY
    if (this.#violation !== null) throw this.#violation
    if (this.life === null) return
    if (this.#dying === null) this.#world.onTurn(this, this.life)
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
    this.#world.schedule.after(
      this.#lag,
      this.#ofThisLife(() => this.#die()),
    )
  }

  /** A process that is gone leaves its state to the next; a machine that is gone does not. */
  #die(): void {
    const { random, swarm } = this.#world
    const { opened, storage } = this.life ?? {}
    storage?.stop()
    void opened?.log.close()
    void opened?.state.close()
    if (random.chance(swarm.powerLoss)) this.#losePower()
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

  #losePower(): void {
    this.#boots++
    if (this.#stateSynced) return
    const { random } = this.#world
    const kept = random.pick([0, 0.5, 0.9])
    this.#state.damage(() => random.chance(kept))
  }

  #report(message: StorageToNetwork): void {
    this.#world.schedule.after(
      this.#lag,
      this.#ofThisLife(() => this.life?.main.hear(message)),
    )
  }

  #send({ to, rpc }: StorageToCodec): void {
    for (const peer of to) {
      this.#guard(() => this.#world.onSend(this, peer, rpc))
      // Whom it keeps no link to hears nothing.
      if (this.life?.main.peers.has(peer)) this.#world.send(this.id, peer, rpc, this.#lag)
    }
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
      this.#lag += this.#drawDiskTime()
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
  #failsAfter = false
  #inTurn = false

  readonly #stateHooks: Hooks = {
    begin: () => this.#step('apply'),
    commit: () => this.#step('apply lost'),
    done: () => {
      this.#stateSynced = false
      this.#step('applied')
    },
  }

  get #home(): Home {
    return {
      path: this.id,
      bootId: () => `${this.#boots}`,
      openLog: () => this.#log.open(this.#logHooks),
      openState: () => this.#state.open(this.#stateHooks),
      discardState: () => this.#state.clear(),
      syncNames: () => undefined,
      syncState: () => {
        this.#stateSynced = true
      },
    }
  }

  get #dice(): Dice {
    const { random } = this.#world
    return { id: () => this.id, below: (end) => random.below(end), next: () => random.next() }
  }

  #drawDiskTime(): number {
    const { random, swarm, faulty } = this.#world
    if (!faulty) return random.between(0, Math.min(swarm.diskMax, healedUnitsMax))
    return random.between(0, random.chance(swarm.diskSlow) ? swarm.diskSlowMax : swarm.diskMax)
  }
}
