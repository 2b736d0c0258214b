/** What goes wrong while a simulation is in its faulty half: deaths, pauses, cuts, and restless operators. */
import { membersMax } from '../../src/options.ts'
import { everyone } from '../../src/raft/membership.ts'
import type { NodeId } from '../../src/raft/types.ts'
import type { Checkers } from './checkers.ts'
import type { Network } from './network.ts'
import { plentyBytes, type SimulatedNode } from './node.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Swarm } from './swarm.ts'

/** Servers in a run, members or not. */
const nodesMax = 10

export interface FaultyWorld {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: Swarm
  readonly faulty: boolean
  readonly nodes: ReadonlyMap<NodeId, SimulatedNode>
  readonly network: Pick<Network<unknown>, 'cut' | 'mend'>
  readonly checkers: Checkers
  /** At an address of its own, or at that of one that is gone. */
  addNode(address?: string): SimulatedNode
  say(line: () => string): void
}

export class Faults {
  readonly #world: FaultyWorld
  #moves = 0

  constructor(world: FaultyWorld) {
    this.#world = world
    const { crashEvery, stopEvery, pauseEvery, cutEvery, membershipEvery } = world.swarm
    this.#repeat(crashEvery, () => this.#drawUp()?.kill())
    this.#repeat(stopEvery, () => this.#drawUp()?.stop())
    this.#repeat(pauseEvery, () => this.#pause())
    this.#repeat(cutEvery, () => this.#cut())
    this.#repeat(world.swarm.fullDiskEvery, () => this.#fillDisk())
    this.#repeat(membershipEvery, () => this.#changeMembership())
    this.#repeat(world.swarm.damageEvery, () => this.#damage())
    this.#repeat(world.swarm.moveEvery, () => this.#move())
    this.#repeat(world.swarm.transferEvery, () => this.#transfer())
  }

  #repeat(every: number, run: () => void): void {
    if (every === 0) return
    const { schedule, random } = this.#world
    schedule.after(random.between(1, 2 * every), () => {
      if (!this.#world.faulty) return
      run()
      this.#repeat(every, run)
    })
  }

  #drawUp(): SimulatedNode | null {
    const up = [...this.#world.nodes.values()].filter(({ life }) => life !== null)
    return up.length > 0 ? this.#world.random.pick(up) : null
  }

  #pause(): void {
    const { random, schedule, say } = this.#world
    const node = this.#drawUp()
    if (node === null || node.paused) return
    node.pause()
    say(() => `${node.id} is paused`)
    schedule.after(random.between(10, 1_500), () => {
      if (!node.paused) return
      say(() => `${node.id} runs again`)
      node.resume()
    })
  }

  /** It will start at another address: one of its own, or that of another, who has to go elsewhere then. */
  #move(): void {
    const { random, nodes, say } = this.#world
    const node = this.#drawUp()
    if (node === null) return
    this.#moves++
    // Where a wiped one was, a stranger may live by now.
    const other = random.pick([...nodes.values()].filter(({ wiped }) => !wiped))
    const taken = other.address
    if (random.chance(0.3)) other.address = `elsewhere-${this.#moves}:1`
    node.address = other.address === taken ? `host-${this.#moves}:2` : taken
    say(() => `${node.id} moves to ${node.address}, ${other.id} is at ${other.address}`)
    node.kill()
    if (other.address !== taken) other.kill()
  }

  /** So full that writes are refused, or that the node stops. */
  #fillDisk(): void {
    const { random, schedule, say } = this.#world
    const node = this.#drawUp()
    if (node === null) return
    node.freeBytes = random.pick([80_000, 10_000])
    say(() => `${node.id} has ${node.freeBytes} bytes left`)
    schedule.after(random.between(200, 1_500), () => {
      node.freeBytes = plentyBytes
    })
  }

  /**
   * A state becomes another, unnoticed by whoever has it open; of a minority, so that there is somebody who
   * knows. Where members come and go, only what its own node can find and mend.
   */
  #damage(): void {
    const { random, swarm, checkers, nodes, say } = this.#world
    const node = this.#drawUp()
    const voters = checkers.membership.filter(({ role }) => role === 'voter').length
    const isDamaged = (each: SimulatedNode): boolean => each.isDamaged || each.disks.willDiverge
    const damaged = [...nodes.values()].filter(isDamaged).length
    const minority = Math.floor((voters - 1) / 2)
    if (node === null || damaged >= Math.max(1, minority)) return
    const hasPeers = minority > 0 && swarm.membershipEvery === 0
    // What is lost stays so until a leader has a snapshot. Half may be; who is wrong only a majority can tell.
    const without = [...nodes.values()].filter((each) => isDamaged(each) || each.disks.hasNoState)
    if (hasPeers && without.length >= Math.floor(voters / 2)) return
    const hows = without.length < minority ? damagesKnown : damagesFound
    const how = hasPeers ? random.pick(hows) : 'row'
    say(() => `the state of ${node.id} is damaged: ${how}`)
    node.life?.main.forgetWatches()
    if (how === 'written') {
      node.disks.divergeAtStart()
      node.kill('killed, and its state written otherwise')
      return
    }
    node.disks.damage(random)
    if (how === 'rowAndSnapshots') node.disks.rotSnapshots()
  }

  /** Replaces the cuts there are. */
  #cut(): void {
    const { random, network, schedule, say } = this.#world
    const ids = this.#drawOrder()
    network.mend()
    const shape = random.pick(['isolate', 'split', 'oneWay', 'bridge', 'mend'] as const)
    say(() => `the network: ${shape} ${ids}`)
    for (const from of ids) {
      for (const to of ids)
        if (from !== to && cuts(shape, ids, from, to, random)) network.cut(from, to)
    }
    const front = this.#world.nodes.get(ids[0] ?? '')
    const stops = front?.life?.raft.isLeader && random.chance(this.#world.swarm.stoppedClocks)
    if (front !== undefined && stops) front.clockStopped = true
    schedule.after(random.between(50, 1_500), () => {
      if (front !== undefined) front.clockStopped = false
      // Later cuts are no faults, but questions (cluster.ts, how it ends).
      if (this.#world.faulty) network.mend()
    })
  }

  /** Any order, but often with a leader in front: there cuts hurt. */
  #drawOrder(): readonly NodeId[] {
    const { random, nodes } = this.#world
    const rest = [...nodes.values()]
    const order: SimulatedNode[] = []
    while (rest.length > 0) order.push(...rest.splice(random.below(rest.length), 1))
    const leads = ({ life }: SimulatedNode): number => Number(life?.raft.isLeader ?? false)
    if (random.chance(0.5)) order.sort((a, b) => leads(b) - leads(a))
    return order.map(({ id }) => id)
  }

  /** Anybody is asked that somebody lead, a member or not, or just another than does. */
  #transfer(): void {
    const { random, nodes } = this.#world
    const { main, raft } = this.#drawUp()?.life ?? {}
    const { leaderId } = raft?.status ?? {}
    if (random.chance(0.5))
      main?.change({ type: 'transfer', member: random.pick([...nodes.keys()]) }, null)
    else if (typeof leaderId === 'string') main?.change({ type: 'relieve', member: leaderId }, null)
  }

  /** Asked of any member, who asks the leader; sometimes several things at once. */
  #changeMembership(): void {
    const { random, swarm } = this.#world
    for (let wishes = random.between(1, 3); wishes > 0; wishes--) {
      if (swarm.wipes && this.#mendWiped()) return
      if (random.chance(0.5)) this.#add()
      else if (swarm.wipes && random.chance(0.3)) this.#wipe()
      else if (!swarm.wipes) this.#wish()
    }
  }

  /** What costs a quorum that has lost a directory is asked for only where none is lost. */
  #wish(): void {
    const { random } = this.#world
    const wish = random.pick(['remove', 'remove', 'replace', 'lower'] as const)
    if (wish === 'remove') this.#remove()
    else if (wish === 'replace') this.#replace(this.#drawTarget())
    else this.#lower()
  }

  /** While a member's directory is gone, nothing is asked for but its removal: more would lose the quorum. */
  #mendWiped(): boolean {
    const { random } = this.#world
    const lost = [...this.#world.nodes.values()].find(
      (node) => node.wiped && this.#isKnown(node.id),
    )
    if (lost === undefined) return false
    if (random.chance(0.3)) this.#replace(lost.id)
    else this.#drawMember()?.life?.main.change({ type: 'remove', member: lost.id }, null)
    return true
  }

  /** To anyone, as a member. */
  #isKnown(id: NodeId): boolean {
    const { checkers, nodes } = this.#world
    const isIn = (members: readonly { id: NodeId }[]): boolean =>
      members.some((member) => member.id === id)
    const up = [...nodes.values()].flatMap(({ life }) => (life === null ? [] : [life.raft]))
    return isIn(checkers.membership) || up.some(({ membership }) => isIn(everyone(membership)))
  }

  #wipe(): void {
    const { random, checkers, nodes, say } = this.#world
    const node = nodes.get(random.pick(checkers.membership).id)
    const isFew = checkers.configurations.fewestVoters < 3
    if (isFew || node === undefined || node.life === null) return
    say(() => `${node.id} loses its directory`)
    node.wipe()
    if (random.chance(0.5)) this.#startAnew(node)
  }

  /** The machine whose directory is gone starts with an empty one: another server, at an address that is taken. */
  #startAnew({ address }: SimulatedNode): void {
    const via = this.#drawMember()
    if (via === null || this.#world.nodes.size >= nodesMax) return
    this.#world.addNode(address).join({ id: via.id, address: via.address })
  }

  /** A member, often the one that leads. */
  #drawTarget(): NodeId {
    const { random, checkers, nodes } = this.#world
    const leader = checkers.membership.find(({ id }) => nodes.get(id)?.life?.raft.isLeader)
    return (random.chance(0.3) ? leader?.id : undefined) ?? random.pick(checkers.membership).id
  }

  #remove(): void {
    const member = this.#drawTarget()
    this.#drawMember()?.life?.main.change({ type: 'remove', member }, null)
  }

  #lower(): void {
    const member = this.#drawTarget()
    const address = this.#world.nodes.get(member)?.address ?? ''
    this.#drawMember()?.life?.main.change({ type: 'add', member, address, role: 'learner' }, null)
  }

  #replace(old: NodeId): void {
    const { random, nodes } = this.#world
    const via = this.#drawMember()
    // At an address of its own, or on the machine of the one that it replaces, if nothing runs there.
    const { wiped = false, address } = nodes.get(old) ?? {}
    const node = this.#drawStranger(wiped && random.chance(0.5) ? address : undefined)
    if (via === null || node === null) return
    const { id: member, address: at } = node
    via.life?.main.change({ type: 'replace', old, member, address: at }, null)
  }

  /** A fresh server, or one that was a member before and has its old log still, asks for admission. */
  #add(): void {
    const { random, checkers } = this.#world
    const via = this.#drawMember()
    if (checkers.membership.length >= membersMax || via === null) return
    const node = this.#drawStranger()
    if (node === null) return
    const { id: member, address } = node
    if (random.chance(0.7)) node.join({ id: via.id, address: via.address })
    else via.life?.main.change({ type: 'add', member, address, role: 'learner' }, null)
  }

  /** A fresh server, or one that was a member before. */
  #drawStranger(address?: string): SimulatedNode | null {
    const { random, nodes, checkers } = this.#world
    const outside = [...nodes.values()].filter(
      (node) => node.life !== null && checkers.membership.every(({ id }) => id !== node.id),
    )
    const fresh = nodes.size < nodesMax && (outside.length === 0 || random.chance(0.6))
    if (!fresh && outside.length === 0) return null
    return fresh ? this.#world.addNode(address) : random.pick(outside)
  }

  #drawMember(): SimulatedNode | null {
    const { random, nodes, checkers } = this.#world
    const up = checkers.membership.flatMap(({ id }) => nodes.get(id) ?? [])
    const alive = up.filter(({ life }) => life !== null)
    return alive.length > 0 ? random.pick(alive) : null
  }
}

/** Ways in which a state becomes another: what its own node can find, and what only others can. */
const damagesFound = ['row', 'rowAndSnapshots'] as const
const damagesKnown = [...damagesFound, 'written'] as const

type Shape = 'isolate' | 'split' | 'oneWay' | 'bridge' | 'mend'

/** `isolate`: the first; `split`: halves; `bridge`: halves that share the first node; all by a drawn order. */
function cuts(
  shape: Shape,
  ids: readonly NodeId[],
  from: NodeId,
  to: NodeId,
  random: Random,
): boolean {
  const turn = ids.length - 1
  const a = ids.indexOf(from)
  const b = ids.indexOf(to)
  const half = Math.ceil(turn / 2)
  switch (shape) {
    case 'isolate':
      return a === 0 || b === 0
    case 'split':
      return a <= half !== b <= half
    case 'bridge':
      return a !== 0 && b !== 0 && a <= half !== b <= half
    case 'oneWay':
      return random.chance(0.2)
    case 'mend':
      return false
  }
}
