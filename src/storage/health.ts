/**
 * Is the state of this node what the log adds up to, and what is done if it is not.
 *
 * Two things are compared. Every node goes through its own rows, a few each tick, and holds their sum against
 * the hash that was written with them (scrub.ts): that finds what a disk has made of them, and needs nobody
 * else. And the leader asks every member for the hash of its state as of one entry: that finds states that were
 * written differently. Where a majority of the voters has one hash, whoever has another is wrong, be it the
 * leader. Where there is none (two members), nobody can say; then the leader first makes its own state anew from
 * its snapshot and log, and if they still differ, the others are those that yield: rather one answer than two.
 *
 * Who is wrong makes its state anew, in one act within its turn (opening.ts): from its snapshot and its log,
 * which have checksums of their own. Only if that does not lead to the right hash is the state lost: the node
 * serves no reads, leads only to hand over to one that has a state, and asks the leader for a snapshot. Its log
 * and its vote are good.
 */
import { SkiffError } from '../errors.ts'
import type { WireRpc } from '../messages.ts'
import { everyone, quorumOf } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Index, NodeId } from '../raft/types.ts'
import { logRemedy } from './environment.ts'
import type { LogStore } from './log-store.ts'
import type { Scrub } from './scrub.ts'
import type { Snapshots } from './snapshots.ts'
import type { StateMachine } from './state-machine.ts'

/** Rows looked at in one tick: of a million, all within two minutes, for about 1 % of a core. */
const scrubbedRowsMax = 64

/** So many comparisons may pass without an answer before a leader hands out its state all the same. */
const unagreedAuditsMax = 2

/** What the state was as of one entry. */
interface Digest {
  readonly index: Index
  readonly digest: number
}

export interface HealthParts {
  readonly raft: Raft
  readonly log: LogStore
  readonly state: StateMachine
  readonly snapshots: Snapshots
  /** Between two questions of a leader, and between two of a node that has lost its state. */
  readonly auditTicks: number
  /** Its rows were found to be those that were written. */
  readonly proven: () => void
  /** See `remakeState` of opening.ts. */
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
  #scrub: Scrub
  #ticksToAudit: number
  /** Of the leader: what the members have said of this entry. */
  #audit: { readonly index: Index; readonly answers: Map<NodeId, number> } | null = null
  /** Of everyone else: a question about an entry that is not applied here yet. */
  #asked: { readonly from: NodeId; readonly index: Index } | null = null
  /** What is wrong with the state, until it is made anew. */
  #found: { readonly reason: string; readonly right: Digest | null } | null = null
  /** A leader has made its state anew, for nobody could say who was wrong. */
  #triedItself = false

  /** Of a leader: up to there a majority has had its state; since when not that of its newest snapshot. */
  #agreedIndex: Index = 0
  #ticksUnagreed = 0
  #ticksLed = 0

  constructor(parts: HealthParts, events: HealthEvents) {
    this.#parts = parts
    this.#events = events
    this.#scrub = parts.state.beginScrub()
    this.#ticksToAudit = parts.auditTicks
  }

  tick(): void {
    const { raft, auditTicks } = this.#parts
    this.#ticksToAudit--
    // A new leader at once: its snapshots wait for it.
    const isDue = this.#ticksToAudit <= 0 || (raft.isLeader && this.#ticksLed === 0)
    if (isDue) this.#ticksToAudit = auditTicks
    this.#remake()
    this.#weighAgreement()
    if (this.#found !== null) return
    if (!raft.stateLost) {
      this.#scrubSome()
      if (isDue && raft.isLeader) this.#beginAudit()
    } else if (isDue) this.#askForState()
  }

  step(from: NodeId, rpc: HealthRpc): void {
    const { raft } = this.#parts
    switch (rpc.type) {
      case 'audit':
        this.#asked = { from, index: rpc.index }
        return
      case 'auditReply':
        this.#answered(from, rpc)
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
    this.#audit = null
    this.#agreedIndex = 0
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

  #scrubSome(): void {
    const { state } = this.#parts
    if (!this.#scrub.step(scrubbedRowsMax)) return
    const isTrue = this.#scrub.sum.equals(state.hash)
    this.#scrub = state.beginScrub()
    if (isTrue) this.#parts.proven()
    else this.#mend('its rows are not those that were written', null)
  }

  // ── comparing ─────────────────────────────────────────────────────────────────────────────────

  #beginAudit(): void {
    const { raft, state } = this.#parts
    const { appliedIndex: index } = state
    const digest = state.digestAt(index)
    const others = everyone(raft.membership).filter(({ id }) => id !== raft.id)
    if (index === 0 || digest === null || others.length === 0) return
    this.#audit = { index, answers: new Map([[raft.id, digest]]) }
    for (const { id } of others) this.#events.send(id, { type: 'audit', index })
    if (quorumOf(raft.membership).isQuorum((id) => id === raft.id)) this.#agreedIndex = index
  }

  #answered(from: NodeId, { index, digest }: Digest): void {
    const { raft } = this.#parts
    if (!raft.isLeader || this.#audit?.index !== index) return
    const { answers } = this.#audit
    if (answers.get(from) === digest) return
    answers.set(from, digest)
    const quorum = quorumOf(raft.membership)
    const right = [...answers.values()].find((each) =>
      quorum.isQuorum((id) => answers.get(id) === each),
    )
    if (right !== undefined) this.#judge({ index, digest: right })
    else if (quorum.voters.every((id) => answers.has(id))) this.#undecided(index)
  }

  /** A majority has this one. */
  #judge(right: Digest): void {
    const { raft } = this.#parts
    const answers = [...(this.#audit?.answers ?? [])]
    const wrong = answers.filter(([, digest]) => digest !== right.digest).map(([id]) => id)
    for (const id of wrong) if (id !== raft.id) this.#events.send(id, { type: 'verdict', ...right })
    if (wrong.includes(raft.id)) this.#judged(right)
    if (wrong.length === 0) this.#triedItself = false
    if (!wrong.includes(raft.id)) this.#agreedIndex = Math.max(this.#agreedIndex, right.index)
  }

  /**
   * A state that was written wrong must not be handed out. Where so few answer that nobody can say, as with one
   * of three gone and one without a state, it has to be.
   */
  #weighAgreement(): void {
    const { raft, snapshots, auditTicks } = this.#parts
    if (!raft.isLeader) {
      this.#agreedIndex = 0
      this.#ticksLed = 0
    } else this.#ticksLed++
    const isAgreed = this.#agreedIndex >= (snapshots.newest?.index ?? 0)
    this.#ticksUnagreed = isAgreed || !raft.isLeader ? 0 : this.#ticksUnagreed + 1
    const isOver = this.#ticksUnagreed > unagreedAuditsMax * auditTicks
    raft.isStateAgreed = raft.isLeader && (isAgreed || isOver)
  }

  #undecided(index: Index): void {
    const { raft } = this.#parts
    const own = this.#audit?.answers.get(raft.id)
    if (own === undefined) return
    if (this.#triedItself) {
      this.#judge({ index, digest: own })
      return
    }
    this.#triedItself = true
    this.#mend('the members differ, and no majority says who is right', null)
  }

  #judged(right: Digest): void {
    const { raft, state } = this.#parts
    const own = raft.stateLost ? null : state.digestAt(right.index)
    if (own === null || own === right.digest) return
    this.#mend(`it differs from the others as of entry ${right.index}`, right)
  }

  // ── mending ───────────────────────────────────────────────────────────────────────────────────

  #mend(reason: string, right: Digest | null): void {
    if (this.#found !== null) return
    this.repairs++
    this.#found = { reason, right }
    this.#events.found(`the state of this node was found to be wrong: ${reason}`)
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
    if ((snapshots.newest?.index ?? -1) >= base) raft.sendSnapshot(to)
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
