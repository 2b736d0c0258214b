/**
 * The rules of changing members (paper §6, thesis chapter 4), watched over the log that is committed: what may
 * follow what, who must hold it, and that nothing is built on what is not committed yet.
 */
import { decodeConfiguration } from '../../src/raft/membership.ts'
import type { Configuration, Entry, Index, Member, NodeId } from '../../src/raft/types.ts'
import type { LogMirror } from './mirror.ts'
import { Violation } from './violation.ts'

export class Configurations {
  /** As the newest committed entry has it. */
  current: Configuration = { members: [], promotions: [], outgoing: [] }
  readonly counts = {
    /** Changes of voters. */
    joint: 0,
    /** Lives begun in the middle of one. */
    jointStarts: 0,
    /** Logs cut for a snapshot that was taken in the middle of one. */
    jointSnapshots: 0,
  }
  readonly #mirror: (id: NodeId) => LogMirror

  constructor(mirror: (id: NodeId) => LogMirror) {
    this.#mirror = mirror
  }

  /** Everyone who counts somewhere, as what they are there; a voter of before votes still. */
  get members(): readonly Member[] {
    const { members, outgoing } = this.current
    const others = members.filter(({ id }) => outgoing.every((each) => each.id !== id))
    return [...outgoing, ...others].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** The smallest group of which a majority must agree. */
  get fewestVoters(): number {
    return Math.min(...groupsOf(this.current).map(({ length }) => length))
  }

  /** No change of voters is under way, and whoever is there is where it is to be, and votes if it is to. */
  isSettled(there: readonly { readonly id: NodeId; readonly address: string }[]): boolean {
    const { outgoing, promotions, members } = this.current
    if (outgoing.length > 0) return false
    return there.every(({ id, address }) => {
      const isAt = members.find((member) => member.address === address)
      // Where one stands whose directory is gone, nobody can be until that one is removed.
      const isFound =
        isAt?.id === id || (isAt !== undefined && there.every((one) => one.id !== isAt.id))
      return isFound && promotions.every((promotion) => promotion.id !== id)
    })
  }

  /** A server is there again, and has this from its disk. */
  started(known: Configuration | undefined): void {
    if (known !== undefined && known.outgoing.length > 0) this.counts.jointStarts++
  }

  /** Somebody knows, for the first time, that this entry is committed. */
  committed(entry: Entry): void {
    const next = decodeConfiguration(entry.bytes)
    const reason = brokenRule(this.current, next)
    if (reason !== null) throw new Violation(reason, `entry ${entry.index}`)
    if (!this.isHeld(entry, next))
      throw new Violation('members are changed by the majorities that it takes', `${entry.index}`)
    if (!hasRoom(next))
      throw new Violation('no two members are at one address', JSON.stringify(next.members))
    if (next.outgoing.length > 0) this.counts.joint++
    this.current = next
  }

  /** Is the entry on the disks of a majority of these voters, and of those before if they count as well? */
  isHeld(at: Pick<Entry, 'index' | 'term'>, configuration: Configuration): boolean {
    return groupsOf(configuration).every((group) => {
      const holders = group.filter((id) => this.#mirror(id).holds(at))
      return 2 * holders.length > group.length
    })
  }

  /** Entries that a log is about to hold, and its node knows what is committed up to there. */
  appended(id: NodeId, entries: readonly Entry[], commitIndex: Index): void {
    const mirror = this.#mirror(id)
    const first = entries[0]?.index ?? 0
    const isOpen = ({ type, index }: Entry): boolean => type === 'membership' && index > commitIndex
    const open = entries.filter(isOpen)
    if (open.length === 0) return
    for (let index = commitIndex + 1; index < first; index++) {
      const entry = mirror.entry(index)
      if (entry !== undefined && isOpen(entry)) open.push(entry)
    }
    if (open.length > 1)
      throw new Violation('one change of members at a time', `${id}: ${open.map((e) => e.index)}`)
  }
}

function brokenRule(from: Configuration, to: Configuration): string | null {
  const [before, after] = [votersIn(from.members), votersIn(to.members)]
  if (from.members.length === 0) return null
  if (from.outgoing.length > 0) {
    const isLeft = to.outgoing.length === 0 && describe(from.members) === describe(to.members)
    return isLeft ? null : 'a joint configuration is followed by what it leads to'
  }
  if (String(before) === String(after))
    return to.outgoing.length === 0 ? null : 'only changes of voters are joint'
  const isJoint = String(votersIn(to.outgoing)) === String(before)
  return isJoint ? null : 'voters change by a joint configuration'
}

/** Who takes the place of another may be where that one is. */
function hasRoom({ members, promotions }: Configuration): boolean {
  const leaves = (id: NodeId): boolean => promotions.some(({ inPlaceOf }) => inPlaceOf === id)
  const stay = members.filter(({ id }) => !leaves(id))
  return new Set(stay.map(({ address }) => address)).size === stay.length
}

function groupsOf({ members, outgoing }: Configuration): readonly (readonly NodeId[])[] {
  const groups = [votersIn(members), votersIn(outgoing)]
  return outgoing.length === 0 ? groups.slice(0, 1) : groups
}

function votersIn(members: readonly Member[]): readonly NodeId[] {
  return members.filter(({ role }) => role === 'voter').map(({ id }) => id)
}

function describe(members: readonly Member[]): string {
  return members.map(({ id, address, role }) => `${id} ${address} ${role}`).join()
}
