/**
 * Changes of the membership: what our callers ask for, until it is done, and what other nodes ask of us if
 * we lead. A request is idempotent and asked again and again; whoever asked sees from its own log that it
 * is done (client/changes.ts), and then cancels it.
 *
 * A member that is elsewhere than the log says asks for that to be changed by itself, for as long as it is
 * so. Meanwhile it dials the others, who then know where to answer (network.ts).
 */
import type {
  Change,
  ChangeAnswer,
  LeaderChange,
  MemberChange,
  MembershipChange,
  PeerAddress,
  Plan,
  StorageToNetwork,
} from '../messages.ts'
import { everyone, promote, type Target, votersOf } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Configuration, NodeId } from '../raft/types.ts'
import { judge } from './wishes.ts'

type Request = Waiting & (Change | Plan)

interface Waiting {
  /** Whom to ask while no leader is known here. */
  readonly via: PeerAddress | null
  /** The leader that one has named. It may be gone, so `via` is asked as well. */
  leader: PeerAddress | null
  ticksToAsk: number
}

/** What the asker is told, once and for all. That a change is done it sees for itself. */
export type ChangeResult = Extract<
  StorageToNetwork,
  { readonly type: 'changeRefused' | 'changePlanned' }
>

/** Sends a request over the wire. */
export type AskChange = (to: NodeId, request: Change | Plan) => void

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
    this.#requests.set(id, { type: 'change', id, change, via, leader: null, ticksToAsk: 0 })
  }

  /** It is only to be told what would come of it. */
  plan(id: number, change: MemberChange): void {
    this.#requests.set(id, { type: 'plan', id, change, via: null, leader: null, ticksToAsk: 0 })
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

  /** Asks whoever may know. Returns what is known by now. */
  pump(ask: AskChange): readonly ChangeResult[] {
    if (this.#ticksToMove <= 0) this.#askToMove(ask)
    const results: ChangeResult[] = []
    for (const request of this.#requests.values()) {
      if (request.ticksToAsk > 0) continue
      request.ticksToAsk = this.#askTicks
      const result = this.#ask(request, ask)
      if (result !== null) results.push(result)
    }
    return results
  }

  /** The answer of the node we asked. */
  answered(id: number, answer: ChangeAnswer): ChangeResult | null {
    const request = this.#requests.get(id)
    if (request === undefined) return null
    if (answer.type === 'redirected' && answer.leader?.id !== request.leader?.id) {
      request.leader = answer.leader
      request.ticksToAsk = 1
    }
    return this.#conclude(request, answer)
  }

  /** Another node asks. Who wants to enter is no member yet, so nobody else keeps a link to it. */
  asked(from: NodeId, change: MembershipChange): ChangeAnswer {
    if (change.type === 'add' && change.member === from) {
      const ticksLeft = applicantAsksMissed * this.#askTicks
      this.#applicants.set(from, { id: from, address: change.address, ticksLeft })
    }
    return this.#decide(change)
  }

  /** Another node asks what would come of a change. */
  forecast(change: MemberChange): ChangeAnswer {
    const { membership } = this.#raft
    const { members: before } = membership
    const wish = judge(membership, change)
    const impossible = typeof wish === 'string'
    const { members } = impossible ? membership : (wish?.after ?? coming(membership, change))
    const outcome = this.#raft.considerMembers(members)
    if (outcome === null) return { type: 'redirected', leader: this.#leader() }
    if (outcome.type === 'busy') return outcome
    const reason = impossible ? wish : null
    const refused = outcome.type === 'refused' ? outcome.reason : reason
    const after = refused === null ? members : before
    return { type: 'planned', forecast: { before, after, refused } }
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

  #ask(request: Request, ask: AskChange): ChangeResult | null {
    const { leaderId } = this.#raft.status
    if (this.#raft.isLeader) {
      const isPlan = request.type === 'plan'
      const answer = isPlan ? this.forecast(request.change) : this.#decide(request.change)
      return this.#conclude(request, answer)
    }
    const { via, leader } = request
    const known = leaderId === null ? [via?.id, leader?.id] : [leaderId]
    for (const to of new Set(known)) if (to !== undefined) ask(to, asWire(request))
    return null
  }

  /** Also when it was refused: who has our address in the log may be about to move itself. */
  #askToMove(ask: AskChange): void {
    this.#ticksToMove = this.#askTicks
    const { id, isLeader, status, membership } = this.#raft
    const known = membership.members.find((member) => member.id === id)
    if (known === undefined || this.#address === null || known.address === this.#address) return
    const change = { type: 'move', member: id, address: this.#address } as const
    if (isLeader) this.#decide(change)
    else if (status.leaderId !== null)
      ask(status.leaderId, { type: 'change', id: ownMoveId, change })
  }

  /** A refusal is final, and so is what was only asked about. */
  #conclude({ id }: Request, answer: ChangeAnswer): ChangeResult | null {
    if (answer.type !== 'refused' && answer.type !== 'planned') return null
    this.#requests.delete(id)
    return answer.type === 'refused'
      ? { type: 'changeRefused', id, reason: answer.reason }
      : { type: 'changePlanned', id, forecast: answer.forecast }
  }

  #leader(): PeerAddress | null {
    const { leaderId } = this.#raft.status
    const leader = everyone(this.#raft.membership).find(({ id }) => id === leaderId)
    return leader === undefined ? null : { id: leader.id, address: leader.address }
  }
}

/** Of what was asked for before: the members when it is done. */
function coming(from: Configuration, { member }: MemberChange): Target {
  const promotion = from.promotions.find(({ id }) => id === member)
  return promotion === undefined ? from : promote(from, promotion)
}

function asWire(request: Change | Plan): Change | Plan {
  const { id } = request
  if (request.type === 'plan') return { type: 'plan', id, change: request.change }
  return { type: 'change', id, change: request.change }
}
