/**
 * Changes of the membership: what our callers ask for, until it is done, and what other nodes ask of us if
 * we lead. A request is idempotent and asked again and again; whoever asked sees from its own log that it
 * is done (client/changes.ts), and then cancels it.
 *
 * A member that is elsewhere than the log says asks for that to be changed by itself, for as long as it is
 * so. Meanwhile it dials the others, who then know where to answer (network.ts).
 */
import type { ChangeAnswer, MembershipChange, PeerAddress } from '../messages.ts'
import { membersMax } from '../options.ts'
import { sortMembers } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Membership, NodeId } from '../raft/types.ts'

interface Request {
  readonly id: number
  readonly change: MembershipChange
  /** Whom to ask while no leader is known here. */
  readonly via: PeerAddress | null
  /** The leader that one has named. It may be gone, so `via` is asked as well. */
  leader: PeerAddress | null
  ticksToAsk: number
}

export interface Refusal {
  readonly id: number
  readonly reason: string
}

/** A server that asks us for admission. */
interface Applicant extends PeerAddress {
  ticksLeft: number
}

/** An applicant that has not asked again for so many times its interval has gone elsewhere. */
const applicantAsksMissed = 20

/** Of what a node asks by itself; there is nobody to be told what became of it. */
const ownMoveId = 0

const nobody: readonly PeerAddress[] = []

export class Changes {
  readonly #raft: Raft
  readonly #askTicks: number
  readonly #requests = new Map<number, Request>()
  readonly #applicants = new Map<NodeId, Applicant>()
  /** Where we are; `null`: nowhere yet. */
  readonly #address: string | null
  #ticksToMove = 0

  constructor(raft: Raft, askTicks: number, address: string | null) {
    this.#raft = raft
    this.#askTicks = askTicks
    this.#address = address
  }

  add(id: number, change: MembershipChange, via: PeerAddress | null): void {
    this.#requests.set(id, { id, change, via, leader: null, ticksToAsk: 0 })
  }

  cancel(id: number): void {
    this.#requests.delete(id)
  }

  /** Those who need not be members of ours, but to whom a request or an answer goes: keep a link. */
  get contacts(): readonly PeerAddress[] {
    if (this.#requests.size === 0 && this.#applicants.size === 0) return nobody
    const asked = [...this.#requests.values()].flatMap(({ via, leader }) => [via, leader])
    return [...asked.filter((peer) => peer !== null), ...this.#applicants.values()]
  }

  tick(): void {
    this.#ticksToMove--
    for (const request of this.#requests.values()) request.ticksToAsk--
    for (const applicant of this.#applicants.values()) {
      applicant.ticksLeft--
      if (applicant.ticksLeft <= 0) this.#applicants.delete(applicant.id)
    }
  }

  /** Asks whoever may know; `ask` sends a request over the wire. Returns what was refused. */
  pump(ask: (to: NodeId, id: number, change: MembershipChange) => void): readonly Refusal[] {
    if (this.#ticksToMove <= 0) this.#askToMove(ask)
    const refusals: Refusal[] = []
    for (const request of this.#requests.values()) {
      if (request.ticksToAsk > 0) continue
      request.ticksToAsk = this.#askTicks
      const refusal = this.#ask(request, ask)
      if (refusal !== null) refusals.push(refusal)
    }
    return refusals
  }

  /** The answer of the node we asked. A refusal is final. */
  answered(id: number, answer: ChangeAnswer): Refusal | null {
    const request = this.#requests.get(id)
    if (request === undefined) return null
    if (answer.type === 'redirected' && answer.leader?.id !== request.leader?.id) {
      request.leader = answer.leader
      request.ticksToAsk = 1
    }
    return answer.type === 'refused' ? this.#refuse(request, answer.reason) : null
  }

  /** Another node asks. Who wants to enter is no member yet, so nobody else keeps a link to it. */
  asked(from: NodeId, change: MembershipChange): ChangeAnswer {
    if (change.type === 'add' && change.member === from) {
      const ticksLeft = applicantAsksMissed * this.#askTicks
      this.#applicants.set(from, { id: from, address: change.address, ticksLeft })
    }
    return this.#decide(change)
  }

  /** What we, as far as we lead, say to a change. */
  #decide(change: MembershipChange): ChangeAnswer {
    const { members } = this.#raft.membership
    if (!this.#raft.isLeader) return { type: 'redirected', leader: this.#leader() }
    const next = apply(members, change)
    if (typeof next === 'string') return { type: 'refused', reason: next }
    if (next === members) return { type: 'accepted' }
    return this.#raft.changeMembership(next) ?? { type: 'redirected', leader: null }
  }

  #ask(
    request: Request,
    ask: (to: NodeId, id: number, change: MembershipChange) => void,
  ): Refusal | null {
    const { leaderId } = this.#raft.status
    if (this.#raft.isLeader) {
      const answer = this.#decide(request.change)
      return answer.type === 'refused' ? this.#refuse(request, answer.reason) : null
    }
    const { via, leader } = request
    const known = leaderId === null ? [via?.id, leader?.id] : [leaderId]
    for (const to of new Set(known)) if (to !== undefined) ask(to, request.id, request.change)
    return null
  }

  /** Also when it was refused: who has our address in the log may be about to move itself. */
  #askToMove(ask: (to: NodeId, id: number, change: MembershipChange) => void): void {
    this.#ticksToMove = this.#askTicks
    const { id, isLeader, status, membership } = this.#raft
    const known = membership.members.find((member) => member.id === id)
    if (known === undefined || this.#address === null || known.address === this.#address) return
    const change = { type: 'move', member: id, address: this.#address } as const
    if (isLeader) this.#decide(change)
    else if (status.leaderId !== null) ask(status.leaderId, ownMoveId, change)
  }

  #refuse({ id }: Request, reason: string): Refusal {
    this.#requests.delete(id)
    return { id, reason }
  }

  #leader(): PeerAddress | null {
    const { leaderId } = this.#raft.status
    const leader = this.#raft.membership.members.find(({ id }) => id === leaderId)
    return leader === undefined ? null : { id: leader.id, address: leader.address }
  }
}

/** The members after the change; the same object when there is nothing to change; or why it cannot be. */
function apply(members: Membership, change: MembershipChange): Membership | string {
  const known = members.find(({ id }) => id === change.member)
  if (change.type === 'remove')
    return known === undefined ? members : members.filter((member) => member !== known)
  if (known?.address === change.address) return members
  const atAddress = members.find(({ address }) => address === change.address)
  if (atAddress !== undefined) return taken(change, atAddress.id)
  if (known !== undefined)
    return members.map((member) =>
      member === known ? { ...member, address: change.address } : member,
    )
  if (change.type === 'move') return `${change.member} is no member`
  if (members.length >= membersMax) return `a cluster has at most ${membersMax} members`
  return sortMembers([...members, { id: change.member, address: change.address, role: 'learner' }])
}

/** An empty directory makes another node, also where a member was. */
function taken({ member, address }: { member: NodeId; address: string }, by: NodeId): string {
  return `${address} is the address of member ${by}, and this is node ${member}, of another directory. If that one's is gone, call removeServer('${by}') on another member first, then let this one join again`
}
