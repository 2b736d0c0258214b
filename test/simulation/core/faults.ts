/** What goes wrong while a simulation is in its faulty half: deaths, pauses, cuts, and restless operators. */
import type { Raft } from '../../../src/raft/raft.ts'
import type { Member, Membership, NodeId } from '../../../src/raft/types.ts'
import type { Network } from '../network.ts'
import type { Random } from '../random.ts'
import type { Schedule } from '../schedule.ts'
import type { Message, SimulatedNode } from './node.ts'
import type { Swarm } from './swarm.ts'

/** Servers in a run, members or not. */
const nodesMax = 10
/** Members at once. */
const membersMax = 7

export interface FaultyWorld {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: Swarm
  readonly faulty: boolean
  readonly nodes: ReadonlyMap<NodeId, SimulatedNode>
  readonly network: Network<Message>
  addNode(): SimulatedNode
  say(line: () => string): void
}

export class Faults {
  readonly #world: FaultyWorld

  constructor(world: FaultyWorld) {
    this.#world = world
    const { crashEvery, pauseEvery, cutEvery, membershipEvery } = world.swarm
    this.#repeat(crashEvery, () => this.#crash())
    this.#repeat(pauseEvery, () => this.#pause())
    this.#repeat(cutEvery, () => this.#cut())
    this.#repeat(membershipEvery, () => this.#changeMembership())
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

  #crash(): void {
    const up = [...this.#world.nodes.values()].filter(({ raft }) => raft !== null)
    if (up.length > 0) this.#world.random.pick(up).crash()
  }

  #pause(): void {
    const { random, schedule, nodes, say } = this.#world
    const running = [...nodes.values()].filter(({ raft, paused }) => raft !== null && !paused)
    if (running.length === 0) return
    const node = random.pick(running)
    node.pause()
    say(() => `${node.id} is paused`)
    schedule.after(random.between(10, 1_500), () => {
      if (!node.paused) return
      say(() => `${node.id} runs again`)
      node.resume()
    })
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
    const [front] = this.#nodesOf(ids)
    const stops = front?.raft?.isLeader && random.chance(this.#world.swarm.stoppedClocks)
    if (front !== undefined && stops) front.clockStopped = true
    schedule.after(random.between(50, 1_500), () => {
      if (front !== undefined) front.clockStopped = false
      // Later cuts are no faults, but questions (cluster.ts, how it ends).
      if (this.#world.faulty) network.mend()
    })
  }

  #nodesOf(ids: readonly NodeId[]): readonly SimulatedNode[] {
    return ids.flatMap((id) => this.#world.nodes.get(id) ?? [])
  }

  /** Any order, but often with a leader in front: there cuts hurt. */
  #drawOrder(): readonly NodeId[] {
    const { random, nodes } = this.#world
    const rest = [...nodes.values()]
    const order: SimulatedNode[] = []
    while (rest.length > 0) order.push(...rest.splice(random.below(rest.length), 1))
    if (random.chance(0.5))
      order.sort((a, b) => Number(b.raft?.isLeader ?? false) - Number(a.raft?.isLeader ?? false))
    return order.map(({ id }) => id)
  }

  /** Asks whoever leads, or believes so; sometimes for several things at once. */
  #changeMembership(): void {
    for (let wishes = this.#world.random.between(1, 3); wishes > 0; wishes--) this.#askLeader()
  }

  #askLeader(): void {
    const leaders = [...this.#world.nodes.values()].filter(({ raft }) => raft?.isLeader)
    if (leaders.length > 0) this.wish(this.#world.random.pick(leaders))
  }

  /** Asks this one, who may have just been elected. */
  wish(leader: SimulatedNode): void {
    const { random, say } = this.#world
    const { cutEvery } = this.#world.swarm
    leader.request((raft) => {
      const members = this.#drawMembers(raft)
      if (members === null) return
      const outcome = raft.changeMembership(members)
      const names = members.map(({ id, role }) => (role === 'voter' ? id : `(${id})`)).join(' ')
      // A leader cut off with a change on its way is where unsafe changes show.
      const cutOff = this.#world.faulty && cutEvery > 0 && outcome?.type === 'accepted'
      if (cutOff && random.chance(0.2)) this.#cut()
      say(() => `${leader.id} is asked for the members ${names}: ${outcome?.type ?? 'no leader'}`)
    })
  }

  #drawMembers(raft: Raft): Membership | null {
    const { random } = this.#world
    const { members } = raft.membership
    if (members.length === 0) return null
    // Mostly too much at once, and then to be refused.
    if (random.chance(0.1)) return members.filter(() => random.chance(0.5))
    if (random.chance(0.5)) return this.#drawAddition(members)
    const chosen = random.pick(members)
    if (random.chance(0.8)) return members.filter((member) => member !== chosen)
    return members.map(
      (member): Member => (member === chosen ? { ...member, role: 'learner' } : member),
    )
  }

  /** A fresh server, or one that was a member before and has its old log still. */
  #drawAddition(members: Membership): Membership | null {
    const { random, nodes } = this.#world
    if (members.length >= membersMax) return null
    const outside = [...nodes.values()].filter(({ id }) =>
      members.every((member) => member.id !== id),
    )
    const fresh = nodes.size < nodesMax && (outside.length === 0 || random.chance(0.6))
    if (!fresh && outside.length === 0) return null
    const { id } = fresh ? this.#world.addNode() : random.pick(outside)
    const role = random.chance(0.8) ? 'learner' : 'voter'
    return [...members, { id, address: id, role }]
  }
}

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
