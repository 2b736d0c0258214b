/** Bugs on the way between callers and the log: batches, questions, watchers. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/storage')

export const callerBugs: readonly Mutant[] = [
  plant(
    'proposals.ts',
    'a batch sent again gets a new number',
    'if (pending.sequence === 0) this.#seal(pending)',
    'this.#seal(pending)',
  ),
  plant(
    'proposals.ts',
    'a batch on its way is reported as never sent',
    'if (pending.sequence > 0) {',
    'if (pending.sequence > 1e9) {',
  ),
  plant(
    'proposals.ts',
    'a batch is not sent again to a new leader',
    'this.#patienceTicks = this.#resendTicks\n      this.resend()\n    }\n    if (route.leaderId === null) return',
    'this.#patienceTicks = this.#resendTicks\n    }\n    if (route.leaderId === null) return',
  ),
  plant(
    'proposals.ts',
    'a lost batch is never sent again',
    'if (this.#ticksWithoutProgress < this.#patienceTicks) return',
    'if (this.#ticksWithoutProgress < 1e9 * this.#patienceTicks) return',
  ),
  plant(
    'reads.ts',
    'a read is served before its index is applied',
    'const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex)',
    'const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex + 1)',
  ),
  plant(
    'reads.ts',
    'questions are numbered from the same number at every start',
    'this.#questions = firstQuestion',
    'this.#questions = 0 * firstQuestion',
  ),
  plant(
    'reads.ts',
    'any answer confirms the question on its way',
    'if (this.#asked?.id !== id) return',
    'if (this.#asked === null || id < 0) return',
  ),
  plant(
    'reads.ts',
    'a question that got lost is not asked again',
    'if (this.#asked.ticks >= this.#retryTicks) this.#askAgain()',
    '',
  ),
  plant(
    'watchers.ts',
    'a watcher that goes live gets one event twice',
    'if (watcher.nextRevision <= this.#state.revision) return false',
    'if (watcher.nextRevision < this.#state.revision) return false',
  ),
  plant(
    'watchers.ts',
    'a slow watcher loses its last event without a word',
    'if (watcher.unreadBytes <= this.#unreadBytesMax) return true',
    'if (watcher.unreadBytes <= this.#unreadBytesMax) return true\n    if (revision % 2 === 0) return false',
  ),
  plant(
    'watchers.ts',
    'deletes of nothing shift the revisions of the past',
    'if (isIdle(n)) continue',
    '',
  ),
  plant(
    'changes.ts',
    'a node without leadership accepts a change',
    "if (!this.#raft.isLeader) return { type: 'redirected', leader: this.#leader() }",
    "if (!this.#raft.isLeader) return { type: 'accepted' }",
  ),
  plant(
    'storage.ts',
    'a batch that was dropped is not answered',
    'this.#refuse(batch, notSent(leaderId))',
    'notSent(leaderId)',
  ),
]
