/** Bugs of changes of the membership. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')

export const membershipBugs: readonly Mutant[] = [
  plant(
    'reconfiguration.ts',
    'members change before an entry of the term is committed',
    'if (!this.#leader.isReady())\n      return',
    'if (!this.#leader.isReady() && members.length === 0)\n      return',
  ),
  plant(
    'reconfiguration.ts',
    'two changes of members overlap',
    'if (!this.#isCommitted || isJoint(this.#latest))',
    'if (isJoint(this.#latest) && !this.#isCommitted)',
  ),
  plant(
    'membership.ts',
    'the last voter may be removed',
    "if (votersOf(members).length === 0) return 'the cluster would have no voter left'",
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
    'return new Follower(this.#server, null)\n  }\n\n  #releaseReads',
    'return this\n  }\n\n  #releaseReads',
  ),
  plant(
    'leader.ts',
    'a removed leader leaves before its removal is committed',
    'if (this.#server.isVoter || membership.latest.index > commitIndex) return this',
    'if (this.#server.isVoter) return this',
  ),
  plant(
    'reconfiguration.ts',
    'a learner is promoted before it has caught up',
    'return active && heldIndex + promotionLagMax >= server.log.lastIndex',
    'return true',
  ),
  plant('reconfiguration.ts', 'a learner is never promoted', 'else this.#promoteLearner()', ''),
  plant(
    'membership.ts',
    'a removed server stops before its removal is committed',
    'return this.#history.some((configuration) => quorumOf(configuration).has(id))',
    'return this.isVoter(id)',
  ),
  plant(
    'membership.ts',
    'a removed server campaigns forever',
    'if (newest > 0) this.#history.splice(0, newest)',
    '',
  ),
  plant(
    'reconfiguration.ts',
    'a removed server is not told',
    'this.#leaving.set(id, { removedAt: log.lastIndex, address, ticksLeft })',
    'progress.delete(id)',
  ),
  plant(
    'follower.ts',
    'a learner campaigns',
    'if (this.#server.mayCampaign) return',
    'if (this.#server.mayCampaign || this.#server.peers.length > 0) return',
  ),
  plant(
    'reconfiguration.ts',
    'a learner that holds nothing is made a voter',
    'if (heldIndex === 0) return false',
    '',
  ),
  plant(
    'reconfiguration.ts',
    'a removed server that does not listen is told for ever',
    'if (!told && leaving.ticksLeft > 0) continue',
    'if (!told) continue',
  ),
]
