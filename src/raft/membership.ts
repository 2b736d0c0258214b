/**
 * Who belongs to the cluster. The members are an entry of the log and count from the moment they are
 * appended, committed or not (thesis §4.1); a truncation brings the former ones back.
 *
 * Voters change one at a time: then any majority of the old members and any of the new ones share a
 * voter. Joint consensus comes with a later release; its place is `checkChange`.
 */
import { assert } from './assert.ts'
import type { Index, Member, Membership, MembershipAt, NodeId } from './types.ts'

export type { MembershipAt } from './types.ts'

/** The memberships in the log, oldest first; the last one counts. */
export class MembershipLog {
  #history: MembershipAt[]

  constructor(history: readonly MembershipAt[]) {
    this.#history = [...history]
  }

  get latest(): MembershipAt {
    return this.#history.at(-1) ?? { index: 0, members: [] }
  }

  get members(): Membership {
    return this.latest.members
  }

  get voters(): readonly NodeId[] {
    return votersOf(this.members)
  }

  isVoter(id: NodeId): boolean {
    return this.members.some((member) => member.id === id && member.role === 'voter')
  }

  /**
   * Does `id` vote now, or did it in a membership that may yet come back? Until its removal is committed a
   * removed server may hold the longest log, and so be the only one that can win (thesis §4.2.2).
   */
  mayCampaign(id: NodeId): boolean {
    return this.#history.some(({ members }) => votersOf(members).includes(id))
  }

  append(at: MembershipAt): void {
    assert(at.index > this.latest.index, `membership ${at.index} after ${this.latest.index}`)
    this.#history.push(at)
  }

  truncate(from: Index): void {
    this.#history = this.#history.filter(({ index }) => index < from)
  }

  /** A snapshot stands for everything that was here. */
  restore(at: MembershipAt): void {
    this.#history = [at]
  }

  /** Forgets what can no longer come back: all but the newest committed one and those after it. */
  committed(commitIndex: Index): void {
    const newest = this.#history.findLastIndex(({ index }) => index <= commitIndex)
    if (newest > 0) this.#history.splice(0, newest)
  }
}

export function votersOf(members: Membership): readonly NodeId[] {
  return members.filter(({ role }) => role === 'voter').map(({ id }) => id)
}

export function sortMembers(members: readonly Member[]): Membership {
  return [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Why these members may not follow those; `null` if they may. */
export function checkChange(from: Membership, to: Membership): string | null {
  const before = new Set(votersOf(from))
  const after = new Set(votersOf(to))
  const changed =
    [...before].filter((id) => !after.has(id)).length +
    [...after].filter((id) => !before.has(id)).length
  if (new Set(to.map(({ id }) => id)).size < to.length) return 'a server would be a member twice'
  if (after.size === 0) return 'the cluster would have no voter left'
  if (changed > 1) return `${changed} voters would change at once`
  return null
}

/** Rare and small, so readable on the disk: JSON. */
export function encodeMembership(members: Membership): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify(members.map(({ id, address, role }) => [id, address, role])),
  )
}

export function decodeMembership(bytes: Uint8Array): Membership {
  const rows: unknown = JSON.parse(new TextDecoder().decode(bytes))
  assert(Array.isArray(rows), 'a membership entry is not a list')
  return sortMembers(rows.map(decodeMember))
}

function decodeMember(row: unknown): Member {
  assert(Array.isArray(row) && row.length === 3, `no member: ${JSON.stringify(row)}`)
  const [id, address, role] = row as unknown[]
  assert(typeof id === 'string' && typeof address === 'string', `no member: ${JSON.stringify(row)}`)
  assert(role === 'voter' || role === 'learner', `no role: ${JSON.stringify(row)}`)
  return { id, address, role }
}
