/** A single real core, driven by hand: what a test sends it, and everything it answers. */
import assert from 'node:assert/strict'
import {
  configurationOf,
  encodeConfiguration,
  type MembershipAt,
  sortMembers,
  type Target,
} from '../../src/raft/membership.ts'
import { Raft } from '../../src/raft/raft.ts'
import type { ChangeOutcome } from '../../src/raft/reconfiguration.ts'
import type { Append, Outgoing, Rpc } from '../../src/raft/rpc.ts'
import type { SnapshotReader } from '../../src/raft/snapshot.ts'
import type { LogWrite, ReadyRead } from '../../src/raft/turn.ts'
import type {
  Entry,
  HardState,
  Index,
  Member,
  NodeId,
  RaftLimits,
  SnapshotMark,
  Term,
} from '../../src/raft/types.ts'
import { SimulatedDisk } from './disk.ts'

export const limits: RaftLimits = {
  heartbeatTicks: 2,
  electionTicksMin: 10,
  electionTicksMax: 20,
  appendEntriesMax: 100,
  appendBytesMax: 1_000,
  appendsInFlightMax: 3,
  uncommittedBytesMax: 1_000,
}

export interface ServerSetup {
  readonly id?: NodeId
  readonly voters?: readonly NodeId[]
  readonly learners?: readonly NodeId[]
  /** Terms of the entries on its disk; the first entry is the membership. */
  readonly terms?: readonly Term[]
  readonly hardState?: HardState
  readonly limits?: Partial<RaftLimits>
  /** In [0, 1). Default: always 0, so that the shortest election timeout is the one. */
  readonly random?: () => number
  readonly appliedIndex?: Index
  readonly assumesLeader?: boolean
  /** Its log begins behind this entry. */
  readonly cutAt?: Index
}

export interface Sent {
  readonly to: NodeId
  readonly rpc: Rpc
}

export interface TurnDone {
  readonly early: readonly Sent[]
  readonly write: LogWrite
  readonly late: readonly Sent[]
  readonly reads: readonly ReadyRead[]
}

export class TestServer {
  readonly disk: SimulatedDisk = new SimulatedDisk()
  raft: Raft
  readonly #setup: ServerSetup

  constructor(setup: ServerSetup = {}) {
    const { voters = ['a', 'b', 'c'], learners = [], terms = [1] } = setup
    this.#setup = setup
    this.disk.write({
      hardState: setup.hardState ?? { term: terms.at(-1) ?? 0, votedFor: null },
      truncateFrom: null,
      entries: terms.map((term, at) =>
        at === 0 ? membershipEntry(1, term, voters, learners) : batch(at + 1, term),
      ),
    })
    if (setup.cutAt !== undefined) this.disk.cut(setup.cutAt)
    this.raft = this.#open()
  }

  /** What it can send to those who need what was cut. */
  readonly snapshots: TestSnapshots = new TestSnapshots()

  /** Forgets all but the disk. */
  restart(): void {
    this.raft = this.#open()
  }

  step(from: NodeId, rpc: Rpc): this {
    this.raft.step(from, rpc)
    return this
  }

  tick(times: number = 1): this {
    for (let n = 0; n < times; n++) this.raft.tick()
    return this
  }

  turn(): TurnDone {
    const { early, write } = this.raft.takeTurn()
    this.disk.write(write)
    const { late, reads } = this.raft.settle()
    return { early: flatten(early), write, late: flatten(late), reads }
  }

  /** All that was sent in a turn, early and late. */
  sent(): readonly Sent[] {
    const { early, late } = this.turn()
    return [...early, ...late]
  }

  /** Ticks until it asks for promises, and answers so that it asks for votes. */
  campaign(...supporters: readonly NodeId[]): this {
    this.tick(limits.electionTicksMax).turn()
    const { term } = this.raft.status
    for (const id of supporters)
      this.step(id, { type: 'preVoteReply', term: term + 1, granted: true })
    this.turn()
    assert.equal(this.raft.status.term, term + 1)
    return this
  }

  /** Elected by these, in the next term; its no-op is on its disk. */
  lead(...supporters: readonly NodeId[]): this {
    this.campaign(...supporters)
    const { term } = this.raft.status
    for (const id of supporters) this.step(id, { type: 'voteReply', term, granted: true })
    this.turn()
    this.turn()
    assert.equal(this.raft.status.role, 'leader')
    return this
  }

  /** These hold everything up to `matchIndex`, by default all there is. */
  acknowledge(ids: readonly NodeId[], matchIndex: Index = this.raft.status.lastIndex): this {
    const { term } = this.raft.status
    for (const id of ids) this.step(id, { type: 'appendReply', term, accepted: true, matchIndex })
    return this
  }

  /** Asks it for these members; learners among them are to be promoted, unless it is said otherwise. */
  change(
    members: readonly Member[],
    promotions: Target['promotions'] = configurationOf(members).promotions,
  ): ChangeOutcome | null {
    return this.raft.changeMembership({ members, promotions })
  }

  /** Indexes of all that can be applied by now. */
  applied(): readonly Index[] {
    const indexes: Index[] = []
    for (;;) {
      const entries = this.raft.takeCommitted(100, 10_000)
      if (entries.length === 0) return indexes
      indexes.push(...entries.map(({ index }) => index))
    }
  }

  /** Terms on the disk. */
  get terms(): readonly Term[] {
    return Array.from({ length: this.disk.lastIndex }, (_, at) => this.disk.term(at + 1))
  }

  #founders(): MembershipAt {
    const { voters = ['a', 'b', 'c'], learners = [] } = this.#setup
    return { index: 1, ...configurationOf(sortMembers(membersOf(voters, learners))) }
  }

  #open(): Raft {
    const { hardState } = this.disk
    const raft = new Raft({
      id: this.#setup.id ?? 'a',
      limits: { ...limits, ...this.#setup.limits },
      random: this.#setup.random ?? (() => 0),
      disk: this.disk,
      snapshots: this.snapshots,
      hardState,
      memberships: this.#setup.cutAt === undefined ? this.disk.memberships() : [this.#founders()],
      appliedIndex: this.#setup.appliedIndex ?? this.#setup.cutAt ?? 0,
      assumesLeader: this.#setup.assumesLeader ?? false,
    })
    raft.stateAgreed(Number.POSITIVE_INFINITY)
    return raft
  }
}

/** Whose bytes are their own offsets. */
export class TestSnapshots implements SnapshotReader {
  newest: SnapshotMark | null = null
  /** Kept beside the newest. */
  older: SnapshotMark | null = null
  chunkBytes = 40
  readonly suspected: SnapshotMark[] = []
  /** Their files are gone. */
  readonly lost: SnapshotMark[] = []

  chunk(snapshot: SnapshotMark, offset: number): Uint8Array | null {
    if (this.lost.includes(snapshot)) return null
    const { bytes } = snapshot
    const length = Math.min(this.chunkBytes, bytes - offset)
    return Uint8Array.from({ length }, (_, n) => offset + n)
  }

  newestUpTo(index: Index): SnapshotMark | null {
    return [this.newest, this.older].find((each) => each !== null && each.index <= index) ?? null
  }

  suspect(snapshot: SnapshotMark): void {
    this.suspected.push(snapshot)
  }
}

/** Of 100 bytes. */
export function snapshotAt(
  index: Index,
  term: Term,
  voters: readonly NodeId[] = ['a', 'b', 'c'],
): SnapshotMark {
  const membership = { index: 1, ...configurationOf(sortMembers(membersOf(voters))) }
  return { index, term, membership, bytes: 100, hash: `${index}` }
}

export function batch(index: Index, term: Term, size: number = 1): Entry {
  return { index, term, type: 'batch', bytes: new Uint8Array(size) }
}

export function membersOf(voters: readonly NodeId[], learners: readonly NodeId[] = []): Member[] {
  return [
    ...voters.map((id): Member => ({ id, address: id, role: 'voter' })),
    ...learners.map((id): Member => ({ id, address: id, role: 'learner' })),
  ]
}

export function membershipEntry(
  index: Index,
  term: Term,
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): Entry {
  const bytes = encodeConfiguration(configurationOf(membersOf(voters, learners)))
  return { index, term, type: 'membership', bytes }
}

/** An append of entries of these terms behind `prevIndex`. */
export function append(
  term: Term,
  prevIndex: Index,
  prevTerm: Term,
  terms: readonly Term[],
  commitIndex: Index = 0,
): Append {
  const entries = terms.map((each, at) => batch(prevIndex + 1 + at, each))
  return { type: 'append', term, prevIndex, prevTerm, commitIndex, entries }
}

export function heartbeat(term: Term, commitIndex: Index = 0, round: number = 1): Rpc {
  return { type: 'heartbeat', term, commitIndex, round }
}

/** The messages of one type. */
export function ofType<Type extends Rpc['type']>(
  sent: readonly Sent[],
  type: Type,
): readonly { to: NodeId; rpc: Extract<Rpc, { type: Type }> }[] {
  return sent.filter((each): each is { to: NodeId; rpc: Extract<Rpc, { type: Type }> } => {
    return each.rpc.type === type
  })
}

function flatten(messages: readonly Outgoing[]): readonly Sent[] {
  return messages.flatMap(({ to, rpc }) => to.map((id) => ({ to: id, rpc })))
}
