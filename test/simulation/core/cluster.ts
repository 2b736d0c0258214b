/**
 * A whole simulated cluster: servers, network, clients, faults and checkers around one schedule. A run has a
 * faulty half, in which only safety is asked for, and a healed one, in which it must work again.
 */
import { AssertionError, assert } from '../../../src/raft/assert.ts'
import { encodeMembership, sortMembers } from '../../../src/raft/membership.ts'
import type { Raft } from '../../../src/raft/raft.ts'
import type { Outgoing } from '../../../src/raft/rpc.ts'
import type { LogWrite } from '../../../src/raft/turn.ts'
import type { Entry, Member, NodeId } from '../../../src/raft/types.ts'
import { Network } from '../network.ts'
import { Random } from '../random.ts'
import { Schedule } from '../schedule.ts'
import { Checkers, Violation } from './checkers.ts'
import { Clients, type ClientWorld } from './client.ts'
import { Faults, type FaultyWorld } from './faults.ts'
import { mix } from './machine.ts'
import { type CrashPoint, type Message, type NodeWorld, SimulatedNode } from './node.ts'
import { drawSwarm, type Swarm, tickUnits } from './swarm.ts'
import { sayMessage, sayWrite } from './transcript.ts'

/**
 * After everything has healed, the cluster must work again within so many of its longest election timeouts,
 * so many units of time for each entry to be caught up (in some runs an append carries only one), and so
 * many for each batch that a client has still to write, one after the other.
 */
const recoveryElectionsMax = 20
const catchUpUnitsMax = 30
const writeUnitsMax = 150
/** And then keep its leader for so many, or replace it within so many. */
const endingElections = 8

export interface Report {
  readonly seed: number
  /** Equal seeds, equal hashes. */
  readonly hash: number
  readonly events: number
  readonly acknowledged: number
  readonly readsServed: number
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
      broken = { rule: 'the core asserts', message: `${error.message}\n${error.stack}` }
    else throw error
    say?.(`broken: ${broken.message}`)
  }
  return cluster.report(broken)
}

class SimulatedCluster implements NodeWorld, ClientWorld, FaultyWorld {
  readonly schedule = new Schedule()
  readonly random: Random
  readonly swarm: Swarm
  readonly nodes = new Map<NodeId, SimulatedNode>()
  readonly network: Network<Message>
  faulty = true
  readonly #seed: number
  readonly #say: ((line: string) => void) | null
  readonly #checkers = new Checkers(this.nodes)
  readonly #clients: Clients
  readonly #faults: Faults
  #hash = 0
  #crashes = 0

  constructor(seed: number, say: ((line: string) => void) | null) {
    this.#seed = seed
    this.#say = say
    this.random = new Random(seed)
    this.swarm = drawSwarm(this.random)
    this.network = new Network<Message>({
      schedule: this.schedule,
      random: this.random.fork(),
      swarm: this.swarm,
      deliver: (to, from, message) => this.#deliver(to, from, message),
      linkLost: (a, b) => this.#linkLost(a, b),
    })
    this.#bootstrap()
    this.#clients = new Clients(this)
    this.#faults = new Faults(this)
  }

  run(): void {
    this.say(() => JSON.stringify(this.swarm))
    this.schedule.runUntil(this.swarm.faultyUnits)
    this.#heal()
    this.#awaitRecovery()
    this.#checkEnding()
  }

  report(broken: Report['broken']): Report {
    return {
      seed: this.#seed,
      hash: this.#hash >>> 0,
      events: this.schedule.events,
      acknowledged: this.#clients.acknowledged,
      readsServed: this.#clients.readsServed,
      leaders: this.#checkers.leadersSeen,
      committed: this.#checkers.committed.length,
      crashes: this.#crashes,
      broken,
    }
  }

  readonly say = (line: () => string): void => {
    this.#say?.(`${String(this.schedule.now).padStart(5)}  ${line()}`)
  }

  addNode(): SimulatedNode {
    const node = this.#newNode()
    node.start()
    return node
  }

  homes(): readonly SimulatedNode[] {
    const members = this.#checkers.membership.map(({ id }) => this.nodes.get(id))
    return members.flatMap((node) => (node === undefined || node.raft === null ? [] : [node]))
  }

  send(from: NodeId, to: NodeId, message: Message): void {
    this.#trace(from, to, message)
    this.#checkers.onSend(from, to, message)
    this.network.send(from, to, message)
  }

  onWrite(node: SimulatedNode, write: LogWrite): void {
    this.say(() => `${node.id} ${sayWrite(write)}`)
    this.#checkers.onWrite(node, write)
  }

  onStep(node: SimulatedNode, raft: Raft): void {
    const leaders = this.#checkers.leadersSeen
    this.#checkers.onStep(node, raft)
    const elected = this.#checkers.leadersSeen > leaders
    if (elected && this.faulty && this.swarm.membershipEvery > 0 && this.random.chance(0.3))
      this.#faults.wish(node)
  }

  onLate(node: SimulatedNode, message: Outgoing): void {
    this.#checkers.onLate(node, message)
  }

  onApplied(node: SimulatedNode, entry: Entry): void {
    this.#hash = mix(this.#hash, node.machine.hash)
    this.#checkers.onApplied(node, entry)
    this.#clients.onApplied(node)
  }

  onRead(node: SimulatedNode, id: number): void {
    this.say(() => `${node.id} serves read ${id} at ${node.machine.appliedIndex}`)
    this.#clients.onRead(node, id)
  }

  onCrash(node: SimulatedNode, point: CrashPoint | 'killed'): void {
    this.#crashes++
    this.say(() => `${node.id} dies (${point}), disk ends at ${node.disk.lastIndex}`)
    this.network.drop(node.id, [...this.nodes.keys()])
    this.schedule.after(this.random.between(1, this.swarm.downMax), () => this.#restart(node))
  }

  /** The founders' first entry names them all; it is on their disks before they start. */
  #bootstrap(): void {
    const founders = Array.from({ length: this.swarm.nodes }, () => this.#newNode())
    const members = founders.map(({ id }): Member => ({ id, address: id, role: 'voter' }))
    const bytes = encodeMembership(sortMembers(members))
    const entry: Entry = { index: 1, term: 1, type: 'membership', bytes }
    this.#checkers.founded(entry)
    for (const node of founders) {
      node.disk.write({
        hardState: { term: 1, votedFor: null },
        truncateFrom: null,
        entries: [entry],
      })
      node.start()
    }
    this.#checkers.membership = members
  }

  #newNode(): SimulatedNode {
    const id = String.fromCharCode('a'.charCodeAt(0) + this.nodes.size)
    const node = new SimulatedNode(id, this)
    this.nodes.set(id, node)
    return node
  }

  #restart(node: SimulatedNode): void {
    if (node.raft !== null) return
    this.say(() => `${node.id} starts again, applied ${node.machine.appliedIndex}`)
    this.#checkers.onRestart(node)
    node.start()
  }

  #deliver(to: NodeId, from: NodeId, message: Message): void {
    const node = this.nodes.get(to)
    assert(node !== undefined, `no node ${to}`)
    this.say(() => `${from} → ${to}  ${sayMessage(message)}`)
    node.receive(from, message)
  }

  #linkLost(a: NodeId, b: NodeId): void {
    this.nodes.get(a)?.request((raft) => raft.linkLost(b))
    this.nodes.get(b)?.request((raft) => raft.linkLost(a))
  }

  #heal(): void {
    this.say(() => 'everything heals')
    this.faulty = false
    this.network.heal()
    for (const node of this.nodes.values()) {
      node.clockStopped = false
      if (node.raft === null) this.#restart(node)
      else if (node.paused) node.resume()
    }
    this.#clients.finish()
  }

  get #electionUnits(): number {
    return this.swarm.limits.electionTicksMax * tickUnits
  }

  #awaitRecovery(): void {
    const deadline =
      this.schedule.now +
      recoveryElectionsMax * this.#electionUnits +
      catchUpUnitsMax * this.#backlog() +
      writeUnitsMax * (this.swarm.clientWindow + 1)
    while (this.schedule.now < deadline) {
      this.schedule.runUntil(this.schedule.now + this.#electionUnits)
      if (this.#recovered()) return
    }
    throw new Violation('a healed cluster works again', `not in time; ${this.#describe()}`)
  }

  /** Entries between the shortest log, or state, and the longest log. */
  #backlog(): number {
    const nodes = [...this.nodes.values()]
    const last = nodes.map(({ raft }) => raft?.status.lastIndex ?? 0)
    return Math.max(...last) - Math.min(...nodes.map(({ machine }) => machine.appliedIndex))
  }

  /** Every client has its answer, every member has applied all there is, and a voter leads. */
  #recovered(): boolean {
    const members = this.#checkers.membership
    const last = this.#checkers.committed.length
    const level = members.every(({ id }) => this.nodes.get(id)?.machine.appliedIndex === last)
    const [leader, second] = this.#leaders().map(({ id }) => id)
    const voterLeads = members.some(({ id, role }) => id === leader && role === 'voter')
    return this.#clients.finished && level && voterLeads && second === undefined
  }

  /** How it ends: in peace, with one follower that the leader cannot reach, or with a deaf leader. */
  #checkEnding(): void {
    const [leader] = this.#leaders()
    assert(leader !== undefined, 'nobody leads')
    const others = leader.membership.members.filter(({ id }) => id !== leader.id)
    const voters = others.filter(({ role }) => role === 'voter')
    const ending =
      voters.length < 2
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
    }
    this.#checkStable(leader)
  }

  /** Without a fault at a majority there is no reason for an election, whoever was removed and not told. */
  #checkStable(leader: Raft): void {
    const { term } = leader.status
    this.schedule.runUntil(this.schedule.now + endingElections * this.#electionUnits)
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
    return [...this.nodes.values()].flatMap(({ raft }) => (raft?.isLeader ? [raft] : []))
  }

  #describe(): string {
    const committed = this.#checkers.committed.length
    const nodes = [...this.nodes.values()].map(({ id, raft, machine }) => {
      const { role, term, commitIndex, lastIndex } = raft?.status ?? {}
      return `${id} ${role} t${term} applied ${machine.appliedIndex} of ${commitIndex} of ${lastIndex}`
    })
    const members = this.#checkers.membership.map(({ id, role }) => `${id} ${role}`)
    return `committed ${committed}; members ${members}; clients finished: ${this.#clients.finished}\n${nodes.join('\n')}`
  }

  #trace(from: NodeId, to: NodeId, message: Message): void {
    const where = (from.charCodeAt(0) << 16) | (to.charCodeAt(0) << 8) | message.type.length
    const term = message.type === 'forward' ? 0 : message.term
    this.#hash = mix(mix(mix(this.#hash, this.schedule.now), where), term)
  }
}
