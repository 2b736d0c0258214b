/** What a change of the membership comes to, given the members there are. Pure; whether it may be is the core's. */
import type { MemberChange, Move } from '../messages.ts'
import { membersMax } from '../options.ts'
import { promote, sortMembers, type Target, target } from '../raft/membership.ts'
import type { Configuration, Member, MemberRole, NodeId } from '../raft/types.ts'

export interface Wish {
  /** What is to be asked of the core now; the rest follows by itself. */
  readonly first: Target
  /** What it leads to. */
  readonly after: Target
}

/** `null`: it is so already, or on its way. A text: why it cannot be. */
export function judge(from: Configuration, change: MemberChange | Move): Wish | string | null {
  switch (change.type) {
    case 'add':
      return add(from, change)
    case 'remove':
      return remove(from, change.member)
    case 'replace':
      return replace(from, change)
    case 'move':
      return move(from, change)
  }
}

type Add = Extract<MemberChange, { type: 'add' }>
type Replace = Extract<MemberChange, { type: 'replace' }>

function add(from: Configuration, { member, address, role }: Add): Wish | string | null {
  const known = memberOf(from, member)
  if (known === undefined) return enter(from, { member, address, role, inPlaceOf: null })
  if (known.address !== address) return move(from, { type: 'move', member, address })
  return role === 'voter' ? raise(from, known) : lower(from, known)
}

function remove(from: Configuration, member: NodeId): Wish | null {
  if (memberOf(from, member) === undefined) return null
  const others = from.members.filter(({ id }) => id !== member)
  // Whoever was to take its place still comes, and nobody goes for it: not even the same server, if it is added again.
  const promotions = from.promotions.map(({ id, inPlaceOf }) => {
    return { id, inPlaceOf: inPlaceOf === member ? null : inPlaceOf }
  })
  return atOnce(target(others, promotions))
}

/** The newcomer gets the role of the one it replaces; a voter is swapped once the newcomer has caught up. */
function replace(from: Configuration, { member, address, old }: Replace): Wish | string | null {
  const leaves = memberOf(from, old)
  const known = memberOf(from, member)
  if (member === old) return `${old} cannot take its own place`
  if (leaves === undefined)
    return known?.address === address ? null : `${old} is no member, so nobody can take its place`
  const other = from.promotions.find(({ id, inPlaceOf }) => inPlaceOf === old && id !== member)
  if (other !== undefined) return `${old} is being replaced by ${other.id}; remove that one first`
  if (known === undefined)
    return enter(from, { member, address, role: leaves.role, inPlaceOf: old })
  const promotion = from.promotions.find(({ id }) => id === member)
  if (promotion?.inPlaceOf === old) return null
  return `${member} is a member already; remove ${old} instead`
}

/** A stranger: always as a learner first, so that no majority has to wait for it (thesis §4.2.1). */
function enter(
  from: Configuration,
  { member, address, role, inPlaceOf }: Omit<Add, 'type'> & { readonly inPlaceOf: NodeId | null },
): Wish | string {
  const atAddress = from.members.find((each) => each.address === address)
  if (atAddress !== undefined && atAddress.id !== inPlaceOf) return taken(atAddress, member)
  const leaving = inPlaceOf === null ? 0 : 1
  if (from.members.length - leaving >= membersMax)
    return `a cluster has at most ${membersMax} members`
  const promotion = { id: member, inPlaceOf }
  const newcomer: Member = { id: member, address, role: 'learner' }
  if (role === 'learner') {
    const others = from.members.filter(({ id }) => id !== inPlaceOf)
    return atOnce(target(sortMembers([...others, newcomer]), from.promotions))
  }
  const first = target(sortMembers([...from.members, newcomer]), [...from.promotions, promotion])
  return { first, after: promote(first, promotion) }
}

/** The same member, elsewhere. Nobody becomes one by it. */
function move(from: Configuration, { member, address }: Move): Wish | string | null {
  const known = memberOf(from, member)
  if (known === undefined) return `${member} is no member`
  if (known.address === address) return null
  const atAddress = from.members.find((each) => each.address === address)
  if (atAddress !== undefined) return taken(atAddress, member)
  const moved = from.members.map((each) => (each === known ? { ...known, address } : each))
  return atOnce(target(moved, from.promotions))
}

/** An empty directory makes another node, also where a member was. */
function taken({ id, address }: Member, member: NodeId): string {
  return `${address} is the address of member ${id}, and this is node ${member}, of another directory. If that one's is gone, call removeServer('${id}') on another member first, then let this one join again`
}

/** A learner that stayed one is to vote. */
function raise(from: Configuration, { id, role }: Member): Wish | null {
  if (role === 'voter' || from.promotions.some((promotion) => promotion.id === id)) return null
  const promotion = { id, inPlaceOf: null }
  const first = target(from.members, [...from.promotions, promotion])
  return { first, after: promote(first, promotion) }
}

/** A voter is to be a learner, or a learner to stay one. */
function lower(from: Configuration, known: Member): Wish | null {
  const promotions = from.promotions.filter(({ id }) => id !== known.id)
  if (known.role === 'learner' && promotions.length === from.promotions.length) return null
  const members = from.members.map((member) => (member === known ? learner(known) : member))
  return atOnce(target(members, promotions))
}

function learner(member: Member): Member {
  return { ...member, role: 'learner' satisfies MemberRole }
}

function atOnce(to: Target): Wish {
  return { first: to, after: to }
}

function memberOf({ members }: Configuration, id: NodeId): Member | undefined {
  return members.find((member) => member.id === id)
}
