/**
 * Who belongs to the cluster. A configuration is an entry of the log and counts from the moment it is
 * appended, committed or not (thesis §4.1); a truncation brings the former one back.
 *
 * Voters change by joint consensus (paper §6, thesis §4.3): a joint entry, under which the majorities of
 * before and after both count, and once that is committed the entry that leaves it. One way for every change
 * of voters, whether it is one that comes or seven that are swapped. Whatever leaves the voters as they are
 * is one plain entry.
 */
import { assert } from './assert.ts'
import { Quorum } from './quorum.ts'
import type {
  Configuration,
  Index,
  Member,
  Membership,
  MembershipAt,
  NodeId,
  Promotion,
  SnapshotMark,
} from './types.ts'

export type { Configuration, MembershipAt } from './types.ts'

/** What a change is to lead to. */
export type Target = Omit<Configuration, 'outgoing'>

/** Of a node that belongs to no cluster yet. */
export const noMembership: MembershipAt = { index: 0, members: [], promotions: [], outgoing: [] }

/** The configurations in the log, oldest first; the last one counts. */
export class MembershipLog {
  #history: MembershipAt[]
  #quorum: Quorum

  constructor(history: readonly MembershipAt[]) {
    this.#history = [...history]
    this.#quorum = quorumOf(this.latest)
  }

  get latest(): MembershipAt {
    return this.#history.at(-1) ?? noMembership
  }

  get members(): Membership {
    return this.latest.members
  }

  /** By whom is decided now. */
  get quorum(): Quorum {
    return this.#quorum
  }

  isVoter(id: NodeId): boolean {
    return this.#quorum.has(id)
  }

  /**
   * Does `id` vote now, or did it in a configuration that may yet come back? Until its removal is committed a
   * removed server may hold the longest log, and so be the only one that can win (thesis §4.2.2).
   */
  mayCampaign(id: NodeId): boolean {
    return this.#history.some((configuration) => quorumOf(configuration).has(id))
  }

  append(at: MembershipAt): void {
    assert(at.index > this.latest.index, `membership ${at.index} after ${this.latest.index}`)
    this.#become([...this.#history, at])
  }

  truncate(from: Index): void {
    this.#become(this.#history.filter(({ index }) => index < from))
  }

  /** A snapshot stands for everything that was here. */
  restore(at: MembershipAt): void {
    this.#become([at])
  }

  /** Forgets what can no longer come back: all but the newest committed one and those after it. */
  committed(commitIndex: Index): void {
    const newest = this.#history.findLastIndex(({ index }) => index <= commitIndex)
    if (newest > 0) this.#history.splice(0, newest)
  }

  #become(history: MembershipAt[]): void {
    this.#history = history
    this.#quorum = quorumOf(this.latest)
  }
}

export function votersOf(members: Membership): readonly NodeId[] {
  return members.filter(({ role }) => role === 'voter').map(({ id }) => id)
}

export function sortMembers(members: readonly Member[]): Membership {
  return [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** By whom is decided under it. */
export function quorumOf({ members, outgoing }: Configuration): Quorum {
  return new Quorum(votersOf(members), votersOf(outgoing))
}

/** Of members among whom nothing is under way: each learner is one that is to vote. */
export function configurationOf(members: Membership): Configuration {
  const learners = members.filter(({ role }) => role === 'learner')
  return { members, promotions: learners.map(({ id }) => ({ id, inPlaceOf: null })), outgoing: [] }
}

export function isJoint({ outgoing }: Configuration): boolean {
  return outgoing.length > 0
}

/** What the snapshot knows of the members stands for the entries that are gone; newer ones are in the log. */
export function withSnapshot(
  memberships: readonly MembershipAt[],
  snapshot: Pick<SnapshotMark, 'membership'> | null,
): readonly MembershipAt[] {
  if (snapshot === null) return memberships
  const { membership } = snapshot
  return [membership, ...memberships.filter(({ index }) => index > membership.index)]
}

/** Whom all that happens concerns: the members, and in a joint configuration also who is on its way out. */
export function everyone({ members, outgoing }: Configuration): Membership {
  if (outgoing.length === 0) return members
  const leaving = new Set(outgoing.map(({ id }) => id))
  // Who still counts is a voter, whatever comes next.
  return sortMembers([...outgoing, ...members.filter(({ id }) => !leaving.has(id))])
}

// ── changes ─────────────────────────────────────────────────────────────────────────────────────

/** Why these cannot be members; `null` if they can. */
export function checkMembers(members: Membership): string | null {
  if (new Set(members.map(({ id }) => id)).size < members.length)
    return 'a server would be a member twice'
  if (votersOf(members).length === 0) return 'the cluster would have no voter left'
  return null
}

/** What is appended for a change: joint, if it changes the voters. */
export function firstStep({ members: before }: Configuration, to: Target): Configuration {
  const voters = before.filter(({ role }) => role === 'voter')
  const isPlain = sameIds(votersOf(voters), votersOf(to.members))
  return { ...to, outgoing: isPlain ? [] : voters }
}

/** What is appended once a joint configuration is committed. */
export function lastStep({ members, promotions }: Configuration): Configuration {
  return { members, promotions, outgoing: [] }
}

/** Why no leader may append `to` behind `from`; `null` if it may. */
export function checkStep(from: Configuration, to: Configuration): string | null {
  const reason = checkMembers(to.members)
  if (reason !== null) return reason
  const due = isJoint(from) ? lastStep(from) : firstStep(from, to)
  return textOf(due) === textOf(to) ? null : 'the voters would change without a joint configuration'
}

/** The members, and promotions of those of them that are learners still. */
export function target(members: Membership, promotions: readonly Promotion[]): Target {
  const isLearner = (id: NodeId): boolean =>
    members.some((member) => member.id === id && member.role === 'learner')
  return { members, promotions: promotions.filter(({ id }) => isLearner(id)) }
}

/** After it: the learner votes, and whose place it takes is gone. */
export function promote(from: Target, { id, inPlaceOf }: Promotion): Target {
  const members = from.members
    .filter((member) => member.id !== inPlaceOf)
    .map((member): Member => (member.id === id ? { ...member, role: 'voter' } : member))
  return target(members, from.promotions)
}

function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}

// ── as bytes ────────────────────────────────────────────────────────────────────────────────────

/**
 * Rare and small, so readable on the disk: JSON. A list of members, and in a joint configuration two lists.
 * A learner that is to stay one says so; one that takes a place says whose.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  return new TextEncoder().encode(textOf(configuration))
}

function textOf({ members, promotions, outgoing }: Configuration): string {
  const rows = members.map((member) => encodeMember(member, promotions))
  return JSON.stringify(
    outgoing.length === 0 ? rows : { members: rows, outgoing: outgoing.map(rowOf) },
  )
}

const stays = 'stays'

function encodeMember(member: Member, promotions: readonly Promotion[]): readonly string[] {
  if (member.role === 'voter') return rowOf(member)
  const promotion = promotions.find(({ id }) => id === member.id)
  if (promotion === undefined) return [...rowOf(member), stays]
  const { inPlaceOf } = promotion
  return inPlaceOf === null ? rowOf(member) : [...rowOf(member), inPlaceOf]
}

function rowOf({ id, address, role }: Member): readonly string[] {
  return [id, address, role]
}

export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (Array.isArray(json)) return { ...decodeMembers(json), outgoing: [] }
  assert(typeof json === 'object' && json !== null, 'a membership entry is not a list')
  const { members, outgoing } = json as { members?: unknown; outgoing?: unknown }
  assert(Array.isArray(members) && Array.isArray(outgoing), 'a membership entry is not two lists')
  const before = decodeMembers(outgoing).members
  const onlyVoters = before.length > 0 && before.every(({ role }) => role === 'voter')
  assert(onlyVoters, 'outgoing members are voters')
  return { ...decodeMembers(members), outgoing: before }
}

function decodeMembers(rows: readonly unknown[]): Target {
  const members = sortMembers(rows.map(decodeMember))
  const promotions = rows.flatMap(decodePromotion)
  return { members, promotions: promotions.sort((a, b) => (a.id < b.id ? -1 : 1)) }
}

function decodeMember(row: unknown): Member {
  const isRow = Array.isArray(row) && (row.length === 3 || row.length === 4)
  assert(isRow, `no member: ${JSON.stringify(row)}`)
  const [id, address, role, future] = row as unknown[]
  assert(typeof id === 'string' && typeof address === 'string', `no member: ${JSON.stringify(row)}`)
  assert(role === 'voter' || role === 'learner', `no role: ${JSON.stringify(row)}`)
  const hasFuture = row.length === 4
  assert(
    !hasFuture || (role === 'learner' && typeof future === 'string'),
    `no member: ${JSON.stringify(row)}`,
  )
  return { id, address, role }
}

function decodePromotion(row: unknown): Promotion[] {
  const [id, , role, future] = row as readonly (string | undefined)[]
  if (id === undefined || role !== 'learner' || future === stays) return []
  return [{ id, inPlaceOf: future ?? null }]
}
