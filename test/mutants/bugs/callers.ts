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
    'this.#refusal = null\n      this.resend()\n    }\n    if (route.leaderId === null) return',
    'this.#refusal = null\n    }\n    if (route.leaderId === null) return',
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
    'if (this.#asked.ticks >= this.#retryTicks) this.askAgain()',
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
  plant(
    'proposals.ts',
    'the window stays full after a resend',
    'this.#sent = 0\n    this.#sentBytes = 0\n',
    'this.#sent = 0\n',
  ),
  plant('proposals.ts', 'what is applied stays among what is on its way', 'this.#sent--\n', ''),
  plant(
    'proposals.ts',
    'a new leader pays for the silence of the old one',
    'this.#patienceTicks = this.#resendTicks\n      this.#refusal = null\n      this.resend()',
    'this.#refusal = null\n      this.resend()',
  ),
  plant(
    'storage.ts',
    'a link to the leader that is made anew sends nothing again',
    'if (message.id !== raft.status.leaderId) return\n        proposals.resend()',
    'if (message.id !== raft.status.leaderId) return',
  ),
  plant(
    'storage.ts',
    'a read that a broken link has lost waits for a timeout',
    'proposals.resend()\n        reads.askAgain()',
    'proposals.resend()',
  ),
  plant(
    'storage.ts',
    'a read that was asked times out as if no leader had been known',
    "fate === 'waiting' && leaderId === null",
    'leaderId === null',
  ),
  plant('reads.ts', 'the time of a question is not counted', 'this.#asked.ticks++\n', ''),
  plant(
    'reads.ts',
    'a question of an older term is waited for',
    'this.#asked !== null && this.#asked.term !== term',
    'this.#asked !== null && term < 0',
  ),
  plant(
    'watchers.ts',
    'old values count for nothing against a watcher',
    'previous?.length ?? 0,',
    'previous === null ? 0 : 0,',
  ),
  plant(
    'watchers.ts',
    'whatever is taken makes all the room',
    'watcher.unreadBytes -= bytes',
    'watcher.unreadBytes = 0 * bytes',
  ),
  plant(
    'watchers.ts',
    'a watcher that ends with its node goes on one too late',
    'Math.max(nextRevision, this.#state.revision + 1)',
    'Math.max(nextRevision, this.#state.revision + 2)',
  ),
  plant(
    'watchers.ts',
    'a removed node takes new watchers',
    'if (this.#removed) this.#endRemoved(watcher)\n    else if',
    'if',
  ),
  plant(
    'view.ts',
    'a removed node leaves its watchers in silence',
    'watchers.follow(this.#wasMember && !',
    'watchers.follow(!this.#wasMember && !',
  ),
  plant(
    'view.ts',
    'watches end where an old log is applied again',
    '![applied, latest].some',
    '![applied].some',
  ),
  plant(
    'changes.ts',
    'an applicant is never forgotten',
    'if (applicant.ticksLeft <= 0) this.#applicants.delete(applicant.id)',
    '',
  ),
  {
    name: 'a node about to close asks for what nobody wants any more',
    edits: [
      {
        file: 'src/client/questions.ts',
        find: '    this.#drafts.clear()\n',
        replace: '',
      },
    ],
  },
  {
    name: 'a change that is over is asked for again and again',
    edits: [
      {
        file: 'src/client/changes.ts',
        find: "      this.#post({ type: 'cancelChange', id })\n",
        replace: '',
      },
    ],
  },
]
