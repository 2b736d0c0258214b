/** What members come to, in the numbers that an operator asks for. */
import type { Forecast } from '../messages.ts'
import { votersOf } from '../raft/membership.ts'
import { majority } from '../raft/quorum.ts'
import type { Membership } from '../raft/types.ts'
import type { MembershipPlan, MembershipSummary } from '../store.ts'

export function planOf({ before, after, refused }: Forecast): MembershipPlan {
  return { before: summaryOf(before), after: summaryOf(after), refused }
}

export function summaryOf(members: Membership): MembershipSummary {
  const voters = votersOf(members).length
  const quorum = majority(voters)
  return { members, voters, quorum, toleratedFailures: Math.max(0, voters - quorum) }
}
