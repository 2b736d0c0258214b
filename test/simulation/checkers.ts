/**
 * The promises of Raft (paper, figure 3) and of storage, watched from outside after every turn of every
 * node. All checks are incremental: each entry is looked at once per node, not once per step.
 */
import type { WireRpc } from '../../src/messages.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { TimeoutNow } from '../../src/raft/rpc.ts'
import type { Entry, HardState, Index, Member, NodeId, Term } from '../../src/raft/types.ts'
import { Configurations } from './configurations.ts'
import type { Write } from './memory.ts'
import { decodeWrites, LogMirror } from './mirror.ts'
import type { SimulatedNode } from './node.ts'
import type { Truth } from './truth.ts'
import { Violation } from './violation.ts'
import type { Life } from './world.ts'

interface Seen {
  readonly term: Term
  readonly commitIndex: Index
  readonly role: string
  readonly appliedIndex: Index
}

interface Committed {
  readonly entry: Entry
  /** The term in which somebody first knew it to be committed. Later leaders must have it. */
  readonly knownInTerm: Term
}

export class Checkers {
  /** What anybody ever knew to be committed, by index - 1. */
  readonly committed: Committed[] = []
  readonly configurations: Configurations = new Configurations((id) => this.mirror(id))
  leadersSeen = 0
  readonly #truth: Truth
  readonly #mirrors = new Map<NodeId, LogMirror>()
  readonly #leaders = new Map<Term, NodeId>()
  readonly #seen = new Map<NodeId, Seen>()
  readonly #votes = new Map<string, NodeId>()
  /** Who was told to campaign, and in which term: only they may disturb a leader. */
  readonly #successors = new Set<string>()
  /** Every entry ever in a log: log matching, whole. By index, then term. */
  readonly #entries: Map<Term, { entry: Entry; prevTerm: Term }>[] = []
  /** Of the state, by applied index. */
  readonly #hashes: number[] = []

  constructor(truth: Truth) {
    this.#truth = truth
  }

  /** As the newest committed entry has it, and whoever is on the way out of it. */
  get membership(): readonly Member[] {
    return this.configurations.members
  }

  mirror(id: NodeId): LogMirror {
    let mirror = this.#mirrors.get(id)
    if (mirror === undefined) {
      mirror = new LogMirror()
      this.#mirrors.set(id, mirror)
    }
    return mirror
  }

  /** What is about to be in the log of `node`. */
  onLogWrite({ id, life }: SimulatedNode, writes: readonly Write[]): void {
    const mirror = this.mirror(id)
    const change = decodeWrites(writes, mirror.base.index)
    const { hardState, removedFrom, entries } = change
    if (hardState !== null) checkHardState(id, mirror.hardState, hardState)
    const [first] = entries
    const last = removedFrom === null ? mirror.lastIndex : removedFrom - 1
    if (removedFrom !== null && removedFrom <= (this.#seen.get(id)?.commitIndex ?? 0))
      throw new Violation('a committed entry is never removed', `${id} from ${removedFrom}`)
    if (first !== undefined && first.index !== last + 1)
      throw new Violation('a log has no gap', `${id}: ${first.index} behind ${last}`)
    let prevTerm = mirror.term(last)
    const canonical = entries.map((entry) => {
      const known = this.#checkMatching(entry, prevTerm)
      prevTerm = entry.term
      return known
    })
    const status = life?.raft.status
    const known = Math.max(this.committed.length, status?.commitIndex ?? 0)
    // Of an earlier leader's changes only that one knew what was committed; it may have taken that to its grave.
    const current = canonical.filter(({ term }) => status === undefined || term === status.term)
    this.configurations.appended(id, current, known)
    mirror.change(change, canonical)
    if (change.isJoint) this.configurations.counts.jointSnapshots++
  }

  /** After each turn of `node`: its log is on the disk, its state is as far as it will be. */
  onTurn(node: SimulatedNode, { raft, state }: Life): void {
    const { term, commitIndex, role, lastIndex } = raft.status
    const { id } = node
    const before = this.#seen.get(id)
    const { appliedIndex } = state
    if (term < (before?.term ?? 0))
      throw new Violation('a term never goes back', `${id} ${before?.term} to ${term}`)
    if (commitIndex < (before?.commitIndex ?? 0))
      throw new Violation('a commit index never goes back', `${id} to ${commitIndex}`)
    if (
      commitIndex > lastIndex ||
      appliedIndex > commitIndex ||
      lastIndex !== this.mirror(id).lastIndex
    )
      throw new Violation(
        'applied ≤ committed ≤ last, as on the disk',
        `${id} ${appliedIndex}, ${commitIndex}, ${lastIndex}, ${this.mirror(id).lastIndex}`,
      )
    const same = before?.term === term && before.commitIndex === commitIndex
    if (same && before.role === role && before.appliedIndex === appliedIndex) return
    this.#seen.set(id, { term, commitIndex, role, appliedIndex })
    for (let index = (before?.commitIndex ?? 0) + 1; index <= commitIndex; index++)
      this.#checkCommit(id, index, term)
    if (role === 'leader' && commitIndex > (before?.commitIndex ?? commitIndex))
      this.#checkHeld(raft, { index: commitIndex, term })
    if (role === 'leader' && (before?.role !== 'leader' || before.term !== term))
      this.#checkLeader(id, term)
    // Of one that a fault has damaged nothing is asked, but that it is found.
    if (appliedIndex !== before?.appliedIndex && !node.isDamaged)
      this.#checkState(node, appliedIndex, state.revision)
  }

  /** What is told must be on the disk by now, unless it promises nothing about it. */
  onSend({ id, life }: SimulatedNode, to: NodeId, rpc: WireRpc): void {
    if (life !== null) checkBoard(id, life, rpc)
    const mirror = this.mirror(id)
    const { term } = mirror.hardState
    if (rpc.type === 'voteReply' && rpc.granted) this.#checkVote(id, rpc.term, to)
    if (rpc.type === 'vote') this.#checkVote(id, rpc.term, id)
    if (rpc.type === 'timeoutNow' && life !== null) this.#checkSuccessor(life.raft, to, rpc)
    if (rpc.type === 'vote' && rpc.isTransfer && !this.#successors.has(`${id} t${rpc.term - 1}`))
      throw new Violation('who disturbs a leader was asked to', `${id} in t${rpc.term}`)
    const tells = rpc.type === 'append' || rpc.type === 'heartbeat'
    const promises = rpc.type === 'voteReply' || rpc.type === 'vote' || rpc.type === 'appendReply'
    if ((tells || promises) && rpc.term > term)
      throw new Violation('a term is durable before it is told', `${id} tells ${rpc.term}`)
    if (rpc.type !== 'appendReply' || !rpc.accepted || rpc.term < term) return
    if (rpc.matchIndex > mirror.lastIndex)
      throw new Violation(
        'an entry is durable before it is acknowledged',
        `${id} acknowledges ${rpc.matchIndex}, holds ${mirror.lastIndex}`,
      )
  }

  onStart({ life }: SimulatedNode): void {
    this.configurations.started(life?.raft.membership)
  }

  /** A new life: the commit index may be learnt anew. */
  onDeath({ id }: SimulatedNode): void {
    this.#seen.delete(id)
  }

  #checkSuccessor(raft: Raft, to: NodeId, { term, lastIndex }: TimeoutNow): void {
    // It follows another by now, who may have taken from its log what it had acknowledged, and obeys no more.
    if (this.mirror(to).hardState.term > term) return
    const isVoter = raft.membership.members.some(({ id, role }) => id === to && role === 'voter')
    const lastTerm = this.mirror(raft.id).term(lastIndex)
    if (!isVoter || !this.mirror(to).holds({ index: lastIndex, term: lastTerm }))
      throw new Violation('a successor votes, and has all of the log', `${to} of ${raft.id}`)
    this.#successors.add(`${to} t${term}`)
  }

  #checkState({ id, disks }: SimulatedNode, index: Index, revision: number): void {
    const hash = disks.stateHash
    if (index > this.mirror(id).lastIndex)
      throw new Violation('an entry is durable before it is applied', `${id} ${index}`)
    if (revision !== this.#truth.revisionAt(index))
      throw new Violation(
        'revisions are the same everywhere',
        `${id} at ${index}: ${revision}, is ${this.#truth.revisionAt(index)}`,
      )
    const known = this.#hashes[index]
    if (known === undefined) this.#hashes[index] = hash
    else if (known !== hash)
      throw new Violation('equal logs make equal states', `${id} at ${index}`)
  }

  /** Under the newest members, or those before, if the leader has begun a change in the same turn. */
  #checkHeld(raft: Raft, at: { index: Index; term: Term }): void {
    const { configurations } = this
    if (configurations.isHeld(at, raft.membership)) return
    if (configurations.isHeld(at, configurations.current)) return
    throw new Violation(
      'what is committed is on the disks of a majority',
      `${raft.id} commits ${at.index}`,
    )
  }

  #checkCommit(id: NodeId, index: Index, term: Term): void {
    const mirror = this.mirror(id)
    const known = this.committed[index - 1]
    // A snapshot of another's state stands for it, whatever is left there of what had been in its place.
    if (known !== undefined && index <= mirror.base.index) return
    const entry = mirror.entry(index)
    if (entry === undefined) {
      throw new Violation('what is committed is there', `${id} ${index}`)
    }
    if (known === undefined) {
      this.committed.push({ entry, knownInTerm: term })
      this.#truth.commit(entry)
      if (entry.type === 'membership') this.configurations.committed(entry)
    } else if (known.entry !== entry) {
      throw new Violation(
        'all nodes commit the same entries',
        `${id} commits ${index}@t${entry.term}, it was t${known.entry.term}`,
      )
    }
  }

  /** Also across restarts: nobody here forgets. */
  #checkVote(voter: NodeId, term: Term, candidate: NodeId): void {
    const { hardState } = this.mirror(voter)
    const key = `${voter} in t${term}`
    const before = this.#votes.get(key)
    if (before !== undefined && before !== candidate)
      throw new Violation('one vote a term', `${key}: ${before}, then ${candidate}`)
    // In a later term no other vote can be given in this one.
    if (hardState.term === term && hardState.votedFor !== candidate)
      throw new Violation('a vote is durable before it is told', `${key}: ${candidate}`)
    this.#votes.set(key, candidate)
  }

  #checkLeader(id: NodeId, term: Term): void {
    const other = this.#leaders.get(term)
    if (other !== undefined && other !== id)
      throw new Violation('one leader a term', `t${term}: ${other} and ${id}`)
    this.#leaders.set(term, id)
    this.leadersSeen++
    const due = this.committed.findLast(({ knownInTerm }) => knownInTerm < term)
    if (due === undefined) return
    const { index } = due.entry
    const mirror = this.mirror(id)
    if (index > mirror.base.index && mirror.entry(index) !== due.entry)
      throw new Violation('a leader has all that is committed', `${id} t${term} lacks ${index}`)
  }

  /** Entries equal in index and term are equal, and so are those before them. */
  #checkMatching(entry: Entry, prevTerm: Term): Entry {
    const { index, term } = entry
    let terms = this.#entries[index]
    if (terms === undefined) {
      terms = new Map()
      this.#entries[index] = terms
    }
    const known = terms.get(term)
    if (known === undefined) {
      terms.set(term, { entry, prevTerm })
      return entry
    }
    const same = known.entry.type === entry.type && known.prevTerm === prevTerm
    if (!same || Buffer.compare(known.entry.bytes, entry.bytes) !== 0)
      throw new Violation('logs match', `two entries ${index}@t${term}`)
    return known.entry
  }
}

/** Main may read, by the board alone, between any two steps of a turn. */
function checkBoard(id: NodeId, { board, state }: Life, rpc: WireRpc): void {
  const told = toldIndex(rpc)
  if (!board.leadsAlone || told <= state.appliedIndex) return
  throw new Violation(
    'a read sees what others are told',
    `${id} tells ${told}, and readers here see ${state.appliedIndex}`,
  )
}

/** What its receiver may apply by it. */
function toldIndex(rpc: WireRpc): number {
  if (rpc.type === 'append') return Math.min(rpc.commitIndex, rpc.prevIndex + rpc.entryCount)
  return rpc.type === 'heartbeat' ? rpc.commitIndex : 0
}

/** Neither a term nor a vote in it is ever taken back. */
function checkHardState(id: NodeId, before: HardState, { term, votedFor }: HardState): void {
  if (term < before.term)
    throw new Violation('a stored term never goes back', `${id} ${before.term} to ${term}`)
  if (term === before.term && before.votedFor !== null && votedFor !== before.votedFor)
    throw new Violation(
      'a stored vote never changes',
      `${id} t${term} ${before.votedFor} to ${votedFor}`,
    )
}
