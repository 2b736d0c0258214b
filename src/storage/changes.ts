/**
 * Changes of the membership: what our callers ask for, until it is done, and what other nodes ask of us if
 * we lead. A request is idempotent and asked again and again; whoever asked sees from its own log that it
 * is done (client/changes.ts), and then cancels it.
 *
 * A member that is elsewhere than the log says asks for that to be changed by itself, for as long as it is
 * so. Meanwhile it dials the others, who then know where to answer (network.ts).
 */
import type { ChangeAnswer, LeaderChange, MembershipChange, PeerAddress } from '../messages.ts'
import { everyone, votersOf } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { NodeId } from '../raft/types.ts'
import { judge } from './wishes.ts'

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
    const { membership } = this.#raft
    if (!this.#raft.isLeader) return { type: 'redirected', leader: this.#leader() }
    if (change.type === 'transfer' || change.type === 'relieve') return this.#handOver(change)
    const wish = judge(membership, change)
    if (wish === null) return { type: 'accepted' }
    if (typeof wish === 'string') return { type: 'refused', reason: wish }
    const outcome = this.#raft.considerMembers(wish.after.members)
    if (outcome?.type !== 'accepted') return outcome ?? { type: 'redirected', leader: null }
    // It is its successor that removes a leader, so that nobody has to wait for an election.
    const stays = votersOf(wish.after.members).includes(this.#raft.id)
    if (!stays && this.#raft.transferLeadership(null)?.type === 'accepted')
      return { type: 'busy', reason: 'the leader is to leave, and hands over first' }
    return this.#raft.changeMembership(wish.first) ?? { type: 'redirected', leader: null }
  }

  #handOver({ type, member }: LeaderChange): ChangeAnswer {
    const leads = member === this.#raft.id
    if (leads === (type === 'transfer')) return { type: 'accepted' }
    const outcome = this.#raft.transferLeadership(type === 'transfer' ? member : null)
    return outcome ?? { type: 'redirected', leader: null }
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
    const leader = everyone(this.#raft.membership).find(({ id }) => id === leaderId)
    return leader === undefined ? null : { id: leader.id, address: leader.address }
  }
}
