/**
 * The promises of Raft (paper, figure 3), watched from outside after every step of every node. All checks
 * are incremental: each entry is looked at once per node, not once per step.
 */
import { decodeMembership } from '../../../src/raft/membership.ts'
import type { Raft } from '../../../src/raft/raft.ts'
import type { Outgoing } from '../../../src/raft/rpc.ts'
import type { LogWrite } from '../../../src/raft/turn.ts'
import type { Entry, HardState, Index, Membership, NodeId, Term } from '../../../src/raft/types.ts'
import type { Message, SimulatedNode } from './node.ts'

/** A broken promise. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly rule: string

  constructor(rule: string, details: string) {
    super(`${rule}: ${details}`)
    this.rule = rule
  }
}

interface Seen {
  readonly term: Term
  readonly commitIndex: Index
  readonly role: string
}

interface Committed {
  readonly entry: Entry
  /** The term in which somebody first knew it to be committed. Later leaders must have it. */
  readonly knownInTerm: Term
}

export class Checkers {
  /** What anybody ever knew to be committed, by index - 1. */
  readonly committed: Committed[] = []
  /** As the newest committed entry has it. */
  membership: Membership = []
  leadersSeen = 0
  readonly #nodes: ReadonlyMap<NodeId, SimulatedNode>
  readonly #leaders = new Map<Term, NodeId>()
  readonly #seen = new Map<NodeId, Seen>()
  readonly #votes = new Map<string, NodeId>()
  /** Every entry ever in a log: log matching, whole. By index, then term. */
  readonly #entries: Map<Term, { entry: Entry; prevTerm: Term }>[] = []
  readonly #hashes: number[] = []

  constructor(nodes: ReadonlyMap<NodeId, SimulatedNode>) {
    this.#nodes = nodes
  }

  /** Founding entries are in every founder's log. */
  founded(entry: Entry): void {
    this.#checkMatching(entry, 0)
  }

  /** Before a write: what is about to be in the log of `node`. */
  onWrite(node: SimulatedNode, { hardState, truncateFrom, entries }: LogWrite): void {
    if (hardState !== null) checkHardState(node, hardState)
    const [first] = entries
    const last = truncateFrom === null ? node.disk.lastIndex : truncateFrom - 1
    if (truncateFrom !== null && truncateFrom <= (this.#seen.get(node.id)?.commitIndex ?? 0))
      throw new Violation('a committed entry is never removed', `${node.id} from ${truncateFrom}`)
    if (first === undefined) return
    let prevTerm = last === 0 ? 0 : node.disk.term(last)
    for (const entry of entries) {
      this.#checkMatching(entry, prevTerm)
      prevTerm = entry.term
    }
  }

  /** After each step of `node`, when its log is on disk or in `pendingWrite`. */
  onStep(node: SimulatedNode, raft: Raft): void {
    const { term, commitIndex, role, lastIndex } = raft.status
    const before = this.#seen.get(node.id)
    if (before?.term === term && before.commitIndex === commitIndex && before.role === role) return
    if (term < (before?.term ?? 0))
      throw new Violation('a term never goes back', `${node.id} ${before?.term} to ${term}`)
    if (commitIndex < (before?.commitIndex ?? 0))
      throw new Violation(
        'a commit index never goes back',
        `${node.id} ${before?.commitIndex} to ${commitIndex}`,
      )
    if (commitIndex > lastIndex || node.machine.appliedIndex > commitIndex)
      throw new Violation(
        'applied ≤ committed ≤ last',
        `${node.id} ${node.machine.appliedIndex}, ${commitIndex}, ${lastIndex}`,
      )
    this.#seen.set(node.id, { term, commitIndex, role })
    for (let index = (before?.commitIndex ?? 0) + 1; index <= commitIndex; index++)
      this.#checkCommit(node, index, term)
    if (role === 'leader' && commitIndex > (before?.commitIndex ?? commitIndex))
      this.#checkHeld(raft, { index: commitIndex, term })
    if (role === 'leader' && (before?.role !== 'leader' || before.term !== term))
      this.#checkLeader(node, term)
  }

  /** Early or late: a granted vote, or the request of one who thereby votes for himself. */
  onSend(from: NodeId, to: NodeId, message: Message): void {
    if (message.type === 'voteReply' && message.granted) this.#checkVote(from, message.term, to)
    if (message.type === 'vote') this.#checkVote(from, message.term, from)
  }

  /** A late message is a promise: what it says must be on the disk by now. */
  onLate(node: SimulatedNode, { rpc }: Outgoing): void {
    const { term } = node.disk.hardState
    if (rpc.type !== 'preVoteReply' && rpc.term > term)
      throw new Violation('a term is durable before it is told', `${node.id} tells ${rpc.term}`)
    if (rpc.type !== 'appendReply' || !rpc.accepted || rpc.term < term) return
    if (rpc.matchIndex > node.disk.lastIndex)
      throw new Violation(
        'an entry is durable before it is acknowledged',
        `${node.id} acknowledges ${rpc.matchIndex}, holds ${node.disk.lastIndex}`,
      )
  }

  onApplied(node: SimulatedNode, { index }: Entry): void {
    if (index > node.disk.lastIndex)
      throw new Violation('an entry is durable before it is applied', `${node.id} ${index}`)
    const { hash } = node.machine
    const known = this.#hashes[index]
    if (known === undefined) this.#hashes[index] = hash
    else if (known !== hash)
      throw new Violation('equal logs make equal states', `${node.id} at ${index}`)
  }

  /** A new life: the commit index may be learnt anew. */
  onRestart(node: SimulatedNode): void {
    this.#seen.delete(node.id)
  }

  /** Under the newest members, or those before, if the leader has begun a change in the same turn. */
  #checkHeld(raft: Raft, at: { index: Index; term: Term }): void {
    const { members } = raft.membership
    if (isHeld(at, members, this.#nodes) || isHeld(at, this.membership, this.#nodes)) return
    throw new Violation(
      'what is committed is on the disks of a majority',
      `${raft.id} commits ${at.index}`,
    )
  }

  #checkCommit(node: SimulatedNode, index: Index, term: Term): void {
    const entry = entryOf(node, index)
    const known = this.committed[index - 1]
    if (known === undefined) {
      this.committed.push({ entry, knownInTerm: term })
      if (entry.type === 'membership') this.membership = decodeMembership(entry.bytes)
    } else if (known.entry.term !== entry.term || known.entry.bytes !== entry.bytes) {
      throw new Violation(
        'all nodes commit the same entries',
        `${node.id} commits ${index}@t${entry.term}, it was t${known.entry.term}`,
      )
    }
  }

  /** Also across restarts: nobody here forgets. */
  #checkVote(voter: NodeId, term: Term, candidate: NodeId): void {
    const key = `${voter} in t${term}`
    const before = this.#votes.get(key)
    if (before !== undefined && before !== candidate)
      throw new Violation('one vote a term', `${key}: ${before}, then ${candidate}`)
    this.#votes.set(key, candidate)
  }

  #checkLeader(node: SimulatedNode, term: Term): void {
    const other = this.#leaders.get(term)
    if (other !== undefined && other !== node.id)
      throw new Violation('one leader a term', `t${term}: ${other} and ${node.id}`)
    this.#leaders.set(term, node.id)
    this.leadersSeen++
    const due = this.committed.findLast(({ knownInTerm }) => knownInTerm < term)
    if (due === undefined) return
    const { index } = due.entry
    if (index > lastIndexOf(node) || entryOf(node, index).term !== due.entry.term)
      throw new Violation(
        'a leader has all that is committed',
        `${node.id} t${term} lacks ${index}`,
      )
  }

  /** Entries equal in index and term are equal, and so are those before them. */
  #checkMatching(entry: Entry, prevTerm: Term): void {
    const { index, term } = entry
    let terms = this.#entries[index]
    if (terms === undefined) {
      terms = new Map()
      this.#entries[index] = terms
    }
    const known = terms.get(term)
    if (known === undefined) terms.set(term, { entry, prevTerm })
    else if (known.entry.bytes !== entry.bytes || known.prevTerm !== prevTerm)
      throw new Violation('logs match', `two entries ${index}@t${term}`)
  }
}

/** Neither a term nor a vote in it is ever taken back. */
function checkHardState({ id, disk }: SimulatedNode, { term, votedFor }: HardState): void {
  const before = disk.hardState
  if (term < before.term)
    throw new Violation('a stored term never goes back', `${id} ${before.term} to ${term}`)
  if (term === before.term && before.votedFor !== null && votedFor !== before.votedFor)
    throw new Violation(
      'a stored vote never changes',
      `${id} t${term} ${before.votedFor} to ${votedFor}`,
    )
}

/** In the log of `node` as its core sees it: on disk, or handed to the write under way. */
function entryOf({ disk, pendingWrite }: SimulatedNode, index: Index): Entry {
  const first = pendingWrite?.entries[0]
  const pending = first === undefined ? undefined : pendingWrite?.entries[index - first.index]
  return pending ?? disk.entry(index)
}

function lastIndexOf({ disk, pendingWrite }: SimulatedNode): Index {
  if (pendingWrite === null) return disk.lastIndex
  const { entries, truncateFrom } = pendingWrite
  return entries.at(-1)?.index ?? (truncateFrom === null ? disk.lastIndex : truncateFrom - 1)
}

/** Is the entry on the disks of a majority of these voters? */
function isHeld(
  { index, term }: { index: Index; term: Term },
  members: Membership,
  nodes: ReadonlyMap<NodeId, SimulatedNode>,
): boolean {
  const voters = members.filter(({ role }) => role === 'voter')
  const holders = voters.filter(({ id }) => {
    const disk = nodes.get(id)?.disk
    return disk !== undefined && disk.lastIndex >= index && disk.term(index) === term
  })
  return 2 * holders.length > voters.length
}
