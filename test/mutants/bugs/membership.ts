/** Bugs of changes of the membership. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')

export const membershipBugs: readonly Mutant[] = [
  plant(
    'leader.ts',
    'members change before an entry of the term is committed',
    'if (!this.isReady) return notReady',
    '',
  ),
  plant(
    'leader.ts',
    'two changes of members overlap',
    'if (membership.latest.index > commitIndex)\n      return',
    'if (membership.latest.index > commitIndex + 1e9)\n      return',
  ),
  plant('membership.ts', 'two voters change at once', 'if (changed > 1)', 'if (changed > 2)'),
  plant(
    'membership.ts',
    'the last voter may be removed',
    "if (after.size === 0) return 'the cluster would have no voter left'",
    '',
  ),
  plant(
    'membership.ts',
    'new members count only once they are committed',
    'return this.#history.at(-1) ??',
    'return this.#history.at(0) ??',
  ),
  plant(
    'server.ts',
    'members survive the truncation of their entry',
    'this.membership.truncate(from)\n',
    '',
  ),
  plant(
    'membership.ts',
    'learners count as voters',
    "members.filter(({ role }) => role === 'voter').map(({ id }) => id)",
    'members.map(({ id }) => id)',
  ),
  plant(
    'leader.ts',
    'a removed leader goes on leading',
    'return new Follower(this.#server, null)\n  }\n\n  #matchIndex',
    'return this\n  }\n\n  #matchIndex',
  ),
  plant(
    'leader.ts',
    'a removed leader leaves before its removal is committed',
    'if (this.#server.isVoter || membership.latest.index > commitIndex) return this',
    'if (this.#server.isVoter) return this',
  ),
  plant(
    'leader.ts',
    'a learner is promoted before it has caught up',
    'return progress.active && progress.matchIndex + promotionLagMax >= log.lastIndex',
    'return true',
  ),
  plant(
    'leader.ts',
    'a learner is never promoted',
    'if (ready === undefined) return',
    'if (ready !== undefined || ready === undefined) return',
  ),
  plant(
    'membership.ts',
    'a removed server stops before its removal is committed',
    'return this.#history.some(({ members }) => votersOf(members).includes(id))',
    'return this.isVoter(id)',
  ),
  plant(
    'membership.ts',
    'a removed server campaigns forever',
    'if (newest > 0) this.#history.splice(0, newest)',
    '',
  ),
  plant(
    'leader.ts',
    'a removed server is not told',
    'this.#leaving.set(id, { removedAt: log.lastIndex, address, ticksLeft })',
    'this.#progress.delete(id)',
  ),
  plant(
    'follower.ts',
    'a learner campaigns',
    'if (this.#server.mayCampaign) return',
    'if (this.#server.mayCampaign || this.#server.peers.length > 0) return',
  ),
  plant(
    'leader.ts',
    'a learner that holds nothing is made a voter',
    '|| progress.matchIndex === 0) return false',
    ') return false',
  ),
  plant(
    'leader.ts',
    'a removed server that does not listen is told for ever',
    'if (!told && leaving.ticksLeft > 0) continue',
    'if (!told) continue',
  ),
]
