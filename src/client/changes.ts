/**
 * The callers' changes of the membership. Storage asks the leader until the change is cancelled here; that
 * it is done is seen in the members as this node has applied them.
 */
import { randomInt } from 'node:crypto'
import type { Port } from '../actor/port.ts'
import { SkiffError } from '../errors.ts'
import type {
  Forecast,
  MemberChange,
  MembershipChange,
  NetworkToStorage,
  NodeView,
  PeerAddress,
  StorageToNetwork,
} from '../messages.ts'
import type { CallOptions } from '../options.ts'
import type { NodeId } from '../raft/types.ts'
import { shareDeadline } from './deadline.ts'
import type { ViewBoard } from './view.ts'

export interface ChangeParts {
  readonly port: Port<NetworkToStorage, StorageToNetwork>
  readonly views: ViewBoard
  readonly timeoutMs: number
  /** Resolves when the view shows everything acknowledged before. */
  readonly catchUp: (options: CallOptions) => Promise<void>
  /** Grows as this node learns of its cluster. */
  readonly progress: () => number
}

type Question = Extract<NetworkToStorage, { readonly type: 'change' | 'plan' }>

/** Range of the first change's number; what is left above it is never used up. */
const idsRandom = 2 ** 47

export class Changes {
  readonly #parts: ChangeParts
  readonly #refused = new Map<number, (reason: string) => void>()
  readonly #planned = new Map<number, (forecast: Forecast) => void>()
  /** Begins at random: an answer to what was asked before a restart is no answer of now. */
  #ids = randomInt(idsRandom)

  constructor(parts: ChangeParts) {
    this.#parts = parts
  }

  /**
   * Judged by what the cluster says now, not by what this node has last heard.
   * @throws SkiffError `SKIFF_MEMBERSHIP`, `SKIFF_NO_LEADER`, `SKIFF_TIMEOUT`
   */
  async change(change: MembershipChange, options?: CallOptions): Promise<NodeView> {
    const rest = shareDeadline(options, this.#parts.timeoutMs)
    await this.#parts.catchUp(rest())
    return this.#ask(change, null, rest())
  }

  /**
   * What a change would come to; asks the leader, and changes nothing.
   * @throws SkiffError `SKIFF_NO_LEADER`, `SKIFF_TIMEOUT`
   */
  async plan(change: MemberChange, options?: CallOptions): Promise<Forecast> {
    const rest = shareDeadline(options, this.#parts.timeoutMs)
    await this.#parts.catchUp(rest())
    this.#ids++
    const id = this.#ids
    const planned = new Promise<Forecast>((resolve) => this.#planned.set(id, resolve))
    const tooLate = this.#parts.views.until(() => false, latePlan, rest())
    return this.#pose({ type: 'plan', id, change }, [planned, tooLate.then(() => planned)])
  }

  /**
   * Enters the cluster of `seed`. What there is to catch up with may be much: gives up only when nothing
   * has moved for the default timeout.
   * @throws SkiffError `SKIFF_MEMBERSHIP`, `SKIFF_TIMEOUT`
   */
  async join(member: NodeId, address: string, seed: PeerAddress): Promise<void> {
    await this.#ask({ type: 'add', member, address, role: 'voter' }, seed, {}, this.#parts.progress)
  }

  /**
   * Has `to` lead, or any but the one that leads.
   * @throws SkiffError `SKIFF_MEMBERSHIP`, `SKIFF_NO_LEADER`, `SKIFF_TIMEOUT`
   */
  async transfer(to: NodeId | null, options?: CallOptions): Promise<void> {
    const rest = shareDeadline(options, this.#parts.timeoutMs)
    await this.#parts.catchUp(rest())
    const leader = await this.#parts.views.leader(rest())
    const change: MembershipChange =
      to === null ? { type: 'relieve', member: leader } : { type: 'transfer', member: to }
    await this.#ask(change, null, rest())
  }

  refused(id: number, reason: string): void {
    this.#refused.get(id)?.(reason)
  }

  planned(id: number, forecast: Forecast): void {
    this.#planned.get(id)?.(forecast)
  }

  async #ask(
    change: MembershipChange,
    via: PeerAddress | null,
    options: CallOptions,
    progress?: () => number,
  ): Promise<NodeView> {
    this.#ids++
    const id = this.#ids
    const refused = new Promise<never>((_, reject) => {
      this.#refused.set(id, (reason) =>
        reject(new SkiffError('SKIFF_MEMBERSHIP', 'not-applied', reason)),
      )
    })
    const done = this.#parts.views.until(
      (view) => isDone(view, change),
      () => late(change),
      options,
      progress,
    )
    return this.#pose({ type: 'change', id, change, via }, [done, refused])
  }

  /** Storage asks until the first of these is there. */
  async #pose<Answer>(question: Question, answers: readonly Promise<Answer>[]): Promise<Answer> {
    const { id } = question
    try {
      this.#post(question)
      return await Promise.race(answers)
    } finally {
      this.#refused.delete(id)
      this.#planned.delete(id)
      this.#post({ type: 'cancelChange', id })
    }
  }

  #post(message: NetworkToStorage): void {
    this.#parts.port.post(message)
    this.#parts.port.flush()
  }
}

/** While it is joint, who leaves is needed still. */
function isDone({ members, isJoint, leaderId }: NodeView, change: MembershipChange): boolean {
  if (change.type === 'transfer') return leaderId === change.member
  if (change.type === 'relieve') return leaderId !== null && leaderId !== change.member
  if (isJoint) return false
  const known = members.find(({ id }) => id === change.member)
  if (change.type === 'remove') return known === undefined
  if (known?.address !== change.address) return false
  if (change.type === 'move') return true
  if (change.type === 'add') return known.role === change.role
  return members.every(({ id }) => id !== change.old)
}

function latePlan(): SkiffError {
  const message =
    'the leader has not said within the deadline what it would do: an election, or another change, is under way'
  return new SkiffError('SKIFF_TIMEOUT', 'not-applied', message)
}

function late(change: MembershipChange): SkiffError {
  const what = missing(change)
  return new SkiffError(
    'SKIFF_TIMEOUT',
    'unknown',
    `${what}; the change may still happen. Is there a leader, and do the members reach each other?`,
  )
}

function missing(change: MembershipChange): string {
  switch (change.type) {
    case 'add':
      return change.role === 'voter'
        ? `${change.member} at ${change.address} does not vote yet`
        : `${change.member} at ${change.address} is no learner yet`
    case 'remove':
      return `${change.member} is still a member`
    case 'move':
      return `${change.member} is not at ${change.address} yet`
    case 'replace':
      return `${change.member} at ${change.address} has not taken the place of ${change.old} yet`
    case 'transfer':
      return `${change.member} does not lead yet`
    case 'relieve':
      return `${change.member} still leads`
  }
}
