/**
 * Is the state of this node what the log adds up to, and what is done if it is not.
 *
 * Two things are compared. Every node goes through its own rows, a few each tick, and holds their sum against
 * the hash that was written with them (scrub.ts): that finds what a disk has made of them, and needs nobody
 * else. And the leader compares the states of all members (audits.ts): that finds states that were written
 * differently.
 *
 * Who is wrong makes its state anew, in one act within its turn (state-origin.ts): from its snapshot and its log,
 * which have checksums of their own. Only if that does not lead to the right hash is the state lost: the node
 * serves no reads, leads only to hand over to one that has a state, and asks the leader for a snapshot. Its log
 * and its vote are good.
 */
import { SkiffError } from '../errors.ts'
import type { WireRpc } from '../messages.ts'
import { everyone } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Index, NodeId } from '../raft/types.ts'
import { Audits } from './audits.ts'
import type { Digest } from './comparison.ts'
import { logRemedy } from './environment.ts'
import type { LogStore } from './log-store.ts'
import type { Scrub } from './scrub.ts'
import type { Snapshots } from './snapshots.ts'
import type { StateMachine } from './state-machine.ts'

/** Rows looked at in one tick: of a million, all within ten minutes, for less than 1 % of a core. */
const scrubbedRowsMax = 64
/** Of large rows a tick looks at one. */
const scrubbedBytesMax = 2 ** 14

export interface HealthParts {
  readonly raft: Raft
  readonly log: LogStore
  readonly state: StateMachine
  readonly snapshots: Snapshots
  /** Between two questions of a leader, and between two of a node that has lost its state. */
  readonly auditTicks: number
  /** Its rows were found to be those that were written. */
  readonly proven: () => void
  /** See `remakeState` of state-origin.ts. */
  readonly remake: (isRight: (state: StateMachine) => boolean) => number | null
}

/** What happens to a node by it. */
export interface HealthEvents {
  send(to: NodeId, rpc: WireRpc): void
  /** The state is wrong: from now on nobody may read it. */
  found(reason: string): void
  /** It leads without a state, and nobody who has one can take over. */
  stuck(reason: string): void
  /** It was made anew in this generation; or `null`: it is lost. `same`: with the revisions it had. */
  remade(generation: number | null, same: boolean): void
}

export class Health {
  /** How often the state was found to be wrong since the node was started. */
  repairs = 0
  readonly #parts: HealthParts
  readonly #events: HealthEvents
  readonly #audits: Audits
  #scrub: Scrub
  #ticksToAudit: number
  /** Each begins with another of those that outvote this leader. */
  #handOvers = 0
  /** A leader's question about an entry that is not applied here yet. */
  #asked: { readonly from: NodeId; readonly index: Index } | null = null
  /** What is wrong with the state, until it is made anew. */
  #found: { readonly reason: string; readonly right: Digest | null } | null = null

  constructor(parts: HealthParts, events: HealthEvents) {
    this.#parts = parts
    this.#events = events
    this.#scrub = parts.state.beginScrub()
    this.#ticksToAudit = parts.auditTicks
    this.#audits = new Audits(parts, {
      send: (to, rpc) => events.send(to, rpc),
      contradicted: (right) => this.#judged(right),
      undecided: () => this.#mend('the members differ, and no majority says who is right', null),
      outvoted: (by) => this.#handOver(by),
    })
  }

  tick(): void {
    const { raft, auditTicks } = this.#parts
    this.#ticksToAudit--
    const isDue = this.#ticksToAudit <= 0 || this.#audits.isUrgent
    if (isDue) this.#ticksToAudit = auditTicks
    this.#remake()
    this.#audits.tick()
    if (this.#found !== null) return
    if (!raft.stateLost) {
      this.#scrubSome()
      if (isDue && raft.isLeader && this.#found === null) this.#audits.ask()
    } else if (isDue) this.#askForState()
  }

  step(from: NodeId, rpc: HealthRpc): void {
    const { raft, state } = this.#parts
    switch (rpc.type) {
      case 'audit':
        this.#asked = { from, index: rpc.index }
        if (from === raft.status.leaderId) state.keepDigest(rpc.index)
        return
      case 'auditReply':
        this.#audits.answered(from, rpc)
        return
      case 'verdict':
        if (from === raft.status.leaderId) this.#judged(rpc)
        return
      case 'stateWanted':
        this.#sendState(from, rpc.base)
        return
    }
  }

  /** After what was to be applied: a question may be one that can be answered now. */
  pump(): void {
    const { raft, state } = this.#parts
    if (this.#asked === null || this.#found !== null || raft.stateLost) return
    if (this.#asked.index > state.appliedIndex) return
    const { from, index } = this.#asked
    this.#asked = null
    const digest = state.digestAt(index)
    if (digest !== null) this.#events.send(from, { type: 'auditReply', index, digest })
  }

  /** Another state is in its place, whose rows were not looked at yet. */
  replaced(): void {
    this.#scrub = this.#parts.state.beginScrub()
    this.#asked = null
    this.#audits.forget()
  }

  /** As the leader we hand over first, to one that has a state (succession.ts); if there is none, this is the end. */
  #askForState(): void {
    const { raft, log } = this.#parts
    const { leaderId } = raft.status
    if (raft.isLeader) {
      const outcome = raft.transferLeadership(null)
      if (outcome?.type === 'refused') this.#events.stuck(`${outcome.reason}. ${logRemedy}`)
    } else if (leaderId !== null) {
      this.#events.send(leaderId, { type: 'stateWanted', base: log.base.index })
    }
  }

  /** To one of these, each time another first: who has refused, or failed, may do so for ever. */
  #handOver(to: readonly NodeId[]): void {
    const { raft } = this.#parts
    const first = this.#handOvers++ % to.length
    for (const id of [...to.slice(first), ...to.slice(0, first)])
      if (raft.transferLeadership(id)?.type === 'accepted') return
  }

  #scrubSome(): void {
    const { state } = this.#parts
    if (!this.#scrub.step(scrubbedRowsMax, scrubbedBytesMax)) return
    const isTrue = this.#scrub.sum.equals(state.hash)
    this.#scrub = state.beginScrub()
    if (isTrue) this.#parts.proven()
    else this.#mend('its rows are not those that were written', null)
  }

  // ── mending ───────────────────────────────────────────────────────────────────────────────────

  /** As of this entry it should have been so. */
  #judged(right: Digest): void {
    const { raft, state } = this.#parts
    const own = raft.stateLost ? null : state.digestAt(right.index)
    if (own === null || own === right.digest) return
    this.#mend(`it differs from the others as of entry ${right.index}`, right)
  }

  #mend(reason: string, right: Digest | null): void {
    if (this.#found !== null) return
    this.repairs++
    this.#found = { reason, right }
    this.#events.found(`the state of this node was found to be wrong: ${reason}`)
    this.#audits.forget()
    this.#parts.snapshots.stateReplaced()
    this.#remake()
  }

  /** Not while it is copied: a copy reads through the environment that would be closed. */
  #remake(): void {
    const { state, snapshots, remake } = this.#parts
    if (this.#found === null || snapshots.isTaking) return
    const { reason, right } = this.#found
    const { revision } = state
    this.#found = null
    const generation = remake((made) => isRight(made, right))
    snapshots.forgetWrong(generation === null)
    if (generation === null) this.#lose(reason)
    this.replaced()
    this.#events.remade(generation, generation !== null && state.revision === revision)
  }

  #lose(reason: string): void {
    const { raft } = this.#parts
    raft.loseState()
    if (everyone(raft.membership).some(({ id }) => id !== raft.id)) return
    const message = `the state is lost: ${reason}, and no snapshot leads to another. ${logRemedy}`
    throw new SkiffError('SKIFF_STORAGE', 'unknown', message)
  }

  /** It was lost by another, who has the log behind `base`. One that is too old would be of no use. */
  #sendState(to: NodeId, base: Index): void {
    const { raft, snapshots } = this.#parts
    if (!raft.isLeader || raft.stateLost) return
    if ((snapshots.newest?.index ?? -1) >= base) raft.sendSnapshot(to, base)
    else snapshots.ask(() => undefined)
  }
}

export type HealthRpc = Extract<
  WireRpc,
  { type: 'audit' | 'auditReply' | 'verdict' | 'stateWanted' }
>

export function isHealthRpc<Other extends WireRpc>(rpc: Other | HealthRpc): rpc is HealthRpc {
  return ['audit', 'auditReply', 'verdict', 'stateWanted'].includes(rpc.type)
}

/** One that was applied too long ago says nothing against it. */
function isRight(state: StateMachine, right: Digest | null): boolean {
  if (right === null) return true
  return (state.digestAt(right.index) ?? right.digest) === right.digest
}
