/**
 * The transfer of leadership (thesis §3.10). While one is under way the leader takes no proposals, so that its
 * successor can catch up with all there is; then it tells it to campaign at once, without asking for promises
 * and with votes that count also where a leader is heard. A leader that is not replaced within the shortest
 * election timeout goes on as before.
 *
 * Any voter that answers may succeed. Reads go on meanwhile, for each is confirmed by a majority; were there
 * leases, ours would have to end before `timeoutNow` leaves.
 */
import { votersOf } from './membership.ts'
import type { Progress } from './progress.ts'
import type { ChangeOutcome } from './reconfiguration.ts'
import type { Server } from './server.ts'
import type { Index, NodeId } from './types.ts'

/** Entries that the successor may lack at the beginning: writes wait while it catches up. */
const transferLagMax = 1_024

interface Failure {
  /** So long nobody hands over to it again. */
  ticksLeft: number
  /** It said so itself: it has no room, or no state. */
  readonly declined: boolean
}

export class Transfer {
  readonly #server: Server
  readonly #progress: ReadonlyMap<NodeId, Progress>
  #successor: NodeId | null = null
  #ticksLeft = 0
  /** Where our log ended when the successor was last told; it obeys only while its own ends there. */
  #toldIndex: Index | null = null
  #ticksToTell = 0
  #ticksLed = 0
  readonly #failures = new Map<NodeId, Failure>()

  constructor(server: Server, progress: ReadonlyMap<NodeId, Progress>) {
    this.#server = server
    this.#progress = progress
  }

  get isUnderWay(): boolean {
    return this.#successor !== null
  }

  /** To this voter, or to the one that has caught up most. */
  begin(to: NodeId | null): ChangeOutcome {
    if (this.#successor !== null) {
      if (to === null || to === this.#successor) return { type: 'accepted' }
      return { type: 'busy', reason: `${this.#successor} takes over` }
    }
    const successor = to ?? this.#mostCaughtUp()
    if (successor === null) return this.#nobody()
    const obstacle = this.#obstacle(successor)
    if (obstacle !== null) return obstacle
    this.#successor = successor
    this.#ticksLeft = this.#server.limits.electionTicksMin
    this.#toldIndex = null
    return { type: 'accepted' }
  }

  tick(): void {
    this.#ticksLed++
    for (const [id, failure] of this.#failures) {
      failure.ticksLeft--
      if (failure.ticksLeft <= 0) this.#failures.delete(id)
    }
    if (this.#successor === null) return
    this.#ticksLeft--
    if (this.#ticksLeft <= 0) this.#failed(this.#successor, false)
    this.#ticksToTell--
    if (this.#ticksToTell <= 0) this.#toldIndex = null
  }

  /** Tells the successor once it has all of our log, and now and then again: the message may be lost. */
  flush(): void {
    const to = this.#successor
    if (to === null) return
    const { log, term, limits } = this.#server
    const { lastIndex } = log
    const { matchIndex } = this.#progress.get(to) ?? {}
    if (matchIndex !== lastIndex || this.#toldIndex === lastIndex) return
    this.#server.sendEarly([to], { type: 'timeoutNow', term, lastIndex })
    this.#toldIndex = lastIndex
    this.#ticksToTell = limits.heartbeatTicks
  }

  declined(by: NodeId): void {
    this.#progress.get(by)?.heard()
    if (by === this.#successor) this.#failed(by, true)
  }

  linkLost(peer: NodeId): void {
    if (peer === this.#successor) this.#failed(peer, false)
  }

  #failed(id: NodeId, declined: boolean): void {
    this.#failures.set(id, { ticksLeft: this.#server.limits.electionTicksMin, declined })
    this.#successor = null
  }

  /** Who votes among the newest members, and will when a change that is under way is done. */
  get #others(): readonly NodeId[] {
    return votersOf(this.#server.membership.members).filter((id) => id !== this.#server.id)
  }

  #mostCaughtUp(): NodeId | null {
    const fit = this.#others.filter((id) => this.#obstacle(id) === null)
    const held = (id: NodeId): Index => this.#progress.get(id)?.matchIndex ?? 0
    const silence = (id: NodeId): number => this.#progress.get(id)?.ticksSilent ?? 0
    fit.sort((a, b) => held(b) - held(a) || silence(a) - silence(b))
    return fit[0] ?? null
  }

  #nobody(): ChangeOutcome {
    const obstacles = this.#others.flatMap((id) => this.#obstacle(id) ?? [])
    const reasons = obstacles.flatMap((each) => ('reason' in each ? each.reason : []))
    if (reasons.length === 0) return { type: 'refused', reason: 'there is no other voter' }
    const type = obstacles.some((each) => each.type === 'busy') ? 'busy' : 'refused'
    return { type, reason: `nobody can take over: ${reasons.join('; ')}` }
  }

  /** Why not this one; `null`: nothing speaks against it. */
  #obstacle(id: NodeId): ChangeOutcome | null {
    const { membership, log, limits } = this.#server
    const progress = this.#progress.get(id)
    if (!this.#others.includes(id) || progress === undefined) {
      const isMember = membership.members.some((member) => member.id === id)
      return { type: 'refused', reason: `${id} is ${isMember ? 'no voter' : 'no member'}` }
    }
    if (progress.ticksSilent >= limits.electionTicksMin) {
      // Who is there is known only after all have had the time to answer.
      const isNew = progress.matchIndex === 0 && this.#ticksLed < limits.electionTicksMin
      return { type: isNew ? 'busy' : 'refused', reason: `${id} does not answer` }
    }
    const failure = this.#failures.get(id)
    if (failure?.declined === true)
      return { type: 'refused', reason: `the disk of ${id} is low, or its state lost` }
    if (failure !== undefined) return { type: 'busy', reason: `${id} has just failed to take over` }
    const isClose = progress.matchIndex + transferLagMax >= log.lastIndex
    if (progress.mode === 'replicate' && !progress.sendsSnapshot && isClose) return null
    return { type: 'busy', reason: `${id} has yet to catch up` }
  }
}
