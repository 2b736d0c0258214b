/**
 * A whole simulated cluster: servers that run the real storage turn, network, callers, faults and checkers
 * around one schedule. A run has a faulty half, in which only safety is asked for, and a healed one, in
 * which it must work again.
 */
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import type { WireRpc } from '../../src/messages.ts'
import { AssertionError, assert } from '../../src/raft/assert.ts'
import { configurationOf, sortMembers, votersOf } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { Member, NodeId } from '../../src/raft/types.ts'
import { Checkers } from './checkers.ts'
import type { Configurations } from './configurations.ts'
import { checkEnd } from './ending.ts'
import { Faults, type FaultyWorld } from './faults.ts'
import type { Write } from './memory.ts'
import { delaySlowMax, Network } from './network.ts'
import { plentyBytes, SimulatedNode } from './node.ts'
import { Random } from './random.ts'
import { Schedule } from './schedule.ts'
import { Sights } from './sights.ts'
import { drawSwarm, type Swarm, tickUnits } from './swarm.ts'
import { sayNode, sayRpc, sayWrites } from './transcript.ts'
import { Truth } from './truth.ts'
import { Violation } from './violation.ts'
import { copyOf, type Life, type NodeWorld } from './world.ts'

/**
 * After everything has healed, the cluster must work again within so many of its longest election timeouts,
 * so many units of time for each entry to be caught up (in some runs an append carries only one), and so
 * many for each batch that a caller still waits for, one after the other.
 */
const recoveryElectionsMax = 20
const catchUpUnitsMax = 60
const writeUnitsMax = 150
/** And then keep its leader for so many, or replace it within so many. */
const endingElections = 8

export interface Report extends Readonly<Configurations['counts']>, Readonly<Sights['counts']> {
  readonly seed: number
  /** Equal seeds, equal hashes. */
  readonly hash: number
  readonly events: number
  readonly acknowledged: number
  readonly readsServed: number
  readonly watches: number
  readonly leaders: number
  readonly committed: number
  readonly crashes: number
  /** `null`: all promises were kept. */
  readonly broken: { readonly rule: string; readonly message: string } | null
}

/** Runs one seed to its end. `say` hears every line of the conversation. */
export function simulate(seed: number, say: ((line: string) => void) | null = null): Report {
  const cluster = new SimulatedCluster(seed, say)
  let broken: Report['broken'] = null
  try {
    cluster.run()
  } catch (error) {
    if (error instanceof Violation) broken = { rule: error.rule, message: error.message }
    else if (error instanceof AssertionError)
      broken = { rule: 'the program asserts', message: `${error.message}\n${error.stack}` }
    else throw error
    say?.(`broken: ${broken.message}`)
  }
  return cluster.report(broken)
}

class SimulatedCluster implements NodeWorld, FaultyWorld {
  readonly schedule = new Schedule()
  readonly random: Random
  readonly swarm: Swarm
  readonly truth = new Truth()
  readonly checkers: Checkers = new Checkers(this.truth)
  readonly nodes = new Map<NodeId, SimulatedNode>()
  readonly network: Network<WireRpc | Uint8Array>
  faulty = true
  readonly sights = new Sights()
  readonly #seed: number
  readonly #say: ((line: string) => void) | null
  #hash = 0
  #crashes = 0
  #readsServed = 0
  #watches = 0
  /** When a leader has last asked another to take over. */
  #transferredAt = Number.NEGATIVE_INFINITY

  constructor(seed: number, say: ((line: string) => void) | null) {
    this.#seed = seed
    this.#say = say
    this.random = new Random(seed)
    this.swarm = drawSwarm(this.random)
    this.network = new Network<WireRpc | Uint8Array>({
      schedule: this.schedule,
      random: this.random.fork(),
      swarm: this.swarm,
      deliver: (to, from, message) => this.#deliver(to, from, message),
      linkLost: (a, b) => this.#linkLost(a, b),
    })
  }

  run(): void {
    this.say(() => JSON.stringify(this.swarm))
    this.#found()
    this.#think()
    new Faults(this)
    this.schedule.runUntil(this.swarm.faultyUnits)
    this.#heal()
    this.#awaitRecovery()
    this.#watches = checkEnd([...this.nodes.values()], this.checkers, this.truth)
    this.#checkEnding()
  }

  report(broken: Report['broken']): Report {
    return {
      seed: this.#seed,
      hash: this.#hash >>> 0,
      events: this.schedule.events,
      acknowledged: this.truth.acknowledged,
      readsServed: this.#readsServed,
      watches: this.#watches,
      leaders: this.checkers.leadersSeen,
      committed: this.checkers.committed.length,
      crashes: this.#crashes,
      ...this.checkers.configurations.counts,
      ...this.sights.counts,
      broken,
    }
  }

  readonly say = (line: () => string): void => {
    this.#say?.(`${String(this.schedule.now).padStart(5)}  ${line()}`)
  }

  addNode(address: string | null = null): SimulatedNode {
    const node = this.#newNode(address)
    node.start()
    return node
  }

  send(from: NodeId, to: NodeId, rpc: WireRpc, delay: number): void {
    // What travels is a copy, however it travels.
    const message = this.swarm.exact ? encodeFrame(rpc) : copyOf(rpc)
    if (delay === 0) this.network.send(from, to, message)
    else this.schedule.after(delay, () => this.network.send(from, to, message))
  }

  onSend(node: SimulatedNode, to: NodeId, rpc: WireRpc): void {
    const term = 'term' in rpc ? rpc.term : 0
    this.#trace(node.number, (this.nodes.get(to)?.number ?? 0) * 64 + rpc.type.length, term)
    if (rpc.type === 'timeoutNow') this.#transferredAt = this.schedule.now
    this.checkers.onSend(node, to, rpc)
  }

  onLogWrite(node: SimulatedNode, writes: readonly Write[]): void {
    this.say(() => `${node.id} ${sayWrites(writes)}`)
    this.checkers.onLogWrite(node, writes)
  }

  onTurn(node: SimulatedNode, life: Life): void {
    this.checkers.onTurn(node, life)
    this.sights.elections(this.checkers.leadersSeen)
    this.#trace(node.number, life.state.appliedIndex, life.state.revision)
  }

  onRead(): void {
    this.#readsServed++
  }

  onDeath(node: SimulatedNode, how: string): void {
    this.#crashes++
    this.say(
      () =>
        `${node.id} is gone (${how}), its log ends at ${this.checkers.mirror(node.id).lastIndex}`,
    )
    this.checkers.onDeath(node)
    this.network.drop(node.id, [...this.nodes.keys()])
    if (node.wiped) return
    const downMax = this.faulty ? this.swarm.downMax : 1
    this.schedule.after(this.random.between(1, downMax), () => this.#restart(node))
  }

  /** The founders' first entry names them all; it is on their disks before they start. */
  #found(): void {
    const founders = Array.from({ length: this.swarm.nodes }, () => this.#newNode())
    const members = founders.map(({ id, address }): Member => ({ id, address, role: 'voter' }))
    this.checkers.configurations.current = configurationOf(members)
    for (const node of founders) node.start(sortMembers(members))
  }

  #newNode(address: string | null = null): SimulatedNode {
    const id = (this.nodes.size + 10).toString(16).padStart(16, '0')
    const node = new SimulatedNode(id, address ?? `host-${id}:1`, this)
    this.nodes.set(id, node)
    return node
  }

  #restart(node: SimulatedNode): void {
    if (node.life !== null || node.wiped) return
    this.say(() => `${node.id} starts again`)
    node.start()
    this.checkers.onStart(node)
    this.network.connect(node.id, [...this.nodes.keys()])
  }

  /** A caller somewhere does something. Where several believe that they lead, each is asked for a read. */
  #think(): void {
    this.schedule.after(this.random.between(1, 2 * this.swarm.thinkUnits), () => {
      if (!this.faulty) return
      const up = [...this.nodes.values()].filter(({ life }) => life !== null)
      if (up.length > 0) this.random.pick(up).life?.main.act()
      const leaders = up.filter(({ life }) => life?.raft.isLeader)
      if (leaders.length > 1) for (const { life } of leaders) life?.main.read()
      this.#think()
    })
  }

  #deliver(to: NodeId, from: NodeId, message: WireRpc | Uint8Array): void {
    const node = this.nodes.get(to)
    assert(node !== undefined, `no node ${to}`)
    if (node.life === null) return
    const rpc = message instanceof Uint8Array ? decodeFrame(message.slice()) : message
    this.say(() => `${from} → ${to}  ${sayRpc(rpc)}`)
    node.receive(from, rpc)
  }

  #linkLost(a: NodeId, b: NodeId): void {
    for (const [at, id] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const up of [false, true]) this.nodes.get(at)?.post({ type: 'peer', id, up })
    }
  }

  #heal(): void {
    this.say(() => 'everything heals')
    this.faulty = false
    this.network.heal()
    for (const node of this.nodes.values()) {
      node.clockStopped = false
      node.freeBytes = plentyBytes
      if (node.life === null) this.#restart(node)
      else if (node.paused) node.resume()
      node.life?.main.giveUpChanges()
      this.#rejoin(node)
    }
    this.#ask()
    this.#settle()
  }

  /** Every member serves again. Without new writes, too, what an earlier leader has left must be committed. */
  #ask(): void {
    const writes = this.random.chance(0.5)
    for (const { id } of this.checkers.membership) {
      const main = this.nodes.get(id)?.life?.main
      if (writes) main?.write()
      else main?.read()
    }
  }

  /** Whom it asked may be no member any more. */
  #rejoin(node: SimulatedNode): void {
    const [via] = this.#members().filter(({ id, life }) => id !== node.id && life !== null)
    if (node.joins !== null && via !== undefined) node.join({ id: via.id, address: via.address })
  }

  /** Watchers take what waits for them, until the end. */
  #settle(): void {
    for (const { life } of this.nodes.values()) life?.main.consume()
    this.schedule.after(tickUnits, () => this.#settle())
  }

  get #electionUnits(): number {
    return this.swarm.limits.electionTicksMax * tickUnits
  }

  #awaitRecovery(): void {
    const deadline =
      this.schedule.now +
      recoveryElectionsMax * this.#electionUnits +
      catchUpUnitsMax * this.#backlog() +
      writeUnitsMax * this.#unanswered()
    while (this.schedule.now < deadline) {
      this.schedule.runUntil(this.schedule.now + this.#electionUnits)
      if (this.#recovered()) return
    }
    throw new Violation('a healed cluster works again', `not in time; ${this.#describe()}`)
  }

  /** Entries between the shortest log, or state, and the longest log. */
  #backlog(): number {
    const lives = [...this.nodes.values()].flatMap(({ life }) => life ?? [])
    const last = lives.map(({ raft }) => raft.status.lastIndex)
    return Math.max(...last) - Math.min(...lives.map(({ state }) => state.appliedIndex), 0)
  }

  /** At members: who was removed has nobody to ask. */
  #unanswered(): number {
    const mains = this.#members().flatMap(({ life }) => life?.main ?? [])
    return mains.reduce((sum, { unanswered }) => sum + unanswered, 0)
  }

  #members(): readonly SimulatedNode[] {
    const nodes = this.checkers.membership.flatMap(({ id }) => this.nodes.get(id) ?? [])
    return nodes.filter(({ wiped }) => !wiped)
  }

  /** Every caller has its answer, every member has applied all there is, and is what it is to be; a voter leads. */
  #recovered(): boolean {
    const last = this.checkers.committed.length
    const level = this.#members().every(({ life }) => life?.state.appliedIndex === last)
    const sound = [...this.nodes.values()].every((node) => node.wiped || !node.isDamaged)
    const [leader, second] = this.#leaders().map(({ id }) => id)
    const voterLeads = this.checkers.membership.some(
      ({ id, role }) => id === leader && role === 'voter',
    )
    const hasChanged = this.checkers.configurations.isSettled(this.#members())
    return this.#unanswered() === 0 && level && hasChanged && sound && voterLeads && !second
  }

  /** In peace, with a follower that the leader (which an old wish may change, or leave one of two voters) cannot reach for long, or with a deaf leader. */
  #checkEnding(): void {
    const [leader] = this.#leaders()
    assert(leader !== undefined, 'nobody leads')
    const others = this.#members().filter(({ id }) => id !== leader.id)
    const voters = this.checkers.membership.filter(
      ({ id, role }) => role === 'voter' && others.some((node) => node.id === id),
    )
    const whole = others.length + 1 === this.checkers.membership.length
    const ending =
      voters.length < 2 || !whole
        ? 'peace'
        : this.random.pick(['peace', 'cutFollower', 'deafLeader'] as const)
    this.say(() => `${ending} around ${leader.id}`)
    if (ending === 'deafLeader') {
      for (const id of this.nodes.keys()) this.network.cut(id, leader.id)
      this.#checkReplaced(leader)
      return
    }
    if (ending === 'cutFollower') {
      const { id } = this.random.pick(voters)
      this.network.cut(leader.id, id)
      if (this.random.chance(0.5)) this.network.cut(id, leader.id)
      this.#restartAnother(voters, id)
      this.#checkStable(leader)
      this.say(() => `${id} comes back`)
      this.network.mend()
    }
    for (const next of this.#leaders().slice(0, 1)) this.#checkStable(next)
  }

  /** Another follower dies and is there again at once: it must not help the one that hears no leader. */
  #restartAnother(voters: readonly Member[], cut: NodeId): void {
    const others = voters.filter(({ id }) => id !== cut)
    if (others.length === 0 || this.random.chance(0.5)) return
    const { id } = this.random.pick(others)
    const delay = this.random.between(1, 4 * this.#electionUnits)
    this.schedule.after(delay, () => this.nodes.get(id)?.kill())
  }

  /** Without a fault at a majority there is no reason for an election, whoever was removed and not told. */
  #checkStable(leader: Raft): void {
    const { term } = leader.status
    const begin = this.schedule.now - delaySlowMax
    this.schedule.runUntil(this.schedule.now + endingElections * this.#electionUnits)
    // Wishes of before, that were long on their way.
    const isVoter = votersOf(this.checkers.membership).includes(leader.id)
    if (!isVoter || this.#transferredAt > begin) return
    if (!leader.isLeader || leader.status.term !== term)
      throw new Violation('a healthy cluster keeps its leader', `${leader.id} led in term ${term}`)
  }

  /** It can still speak, and so keep the others from campaigning, unless it notices (check quorum). */
  #checkReplaced(deaf: Raft): void {
    for (let elections = 0; elections < endingElections; elections++) {
      this.schedule.runUntil(this.schedule.now + this.#electionUnits)
      if (this.#leaders().some(({ id }) => id !== deaf.id)) return
    }
    throw new Violation('a deaf leader is replaced', this.#describe())
  }

  #leaders(): readonly Raft[] {
    return [...this.nodes.values()].flatMap(({ life }) => (life?.raft.isLeader ? [life.raft] : []))
  }

  #describe(): string {
    const nodes = [...this.nodes.values()].map(sayNode)
    const members = this.checkers.membership.map(({ id, role }) => `${id} ${role}`)
    return `committed ${this.checkers.committed.length}; members ${members}\n${nodes.join('\n')}`
  }

  /** Whatever happens leaves its mark on the hash of the run. */
  #trace(...numbers: readonly number[]): void {
    let hash = this.#hash ^ this.schedule.now
    for (const number of numbers) hash = Math.imul(hash ^ number, 0x85ebca6b) ^ (hash >>> 15)
    this.#hash = hash
  }
}
