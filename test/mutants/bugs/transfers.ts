/** Bugs of handing over leadership (thesis §3.10): by the core, and by what uses it. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')
const plantStorage = mutantsOf('src/storage')

export const transferBugs: readonly Mutant[] = [
  plant(
    'transfer.ts',
    'a successor that is behind is told to campaign',
    'if (matchIndex !== lastIndex || this.#toldIndex === lastIndex) return',
    'if (matchIndex === undefined || this.#toldIndex === lastIndex) return',
  ),
  plant(
    'transfer.ts',
    'a learner is asked to succeed',
    'if (!this.#others.includes(id) || progress === undefined) {',
    'if (progress === undefined) {',
  ),
  plant(
    'transfer.ts',
    'somebody who does not answer is asked to succeed',
    'if (progress.ticksSilent >= limits.electionTicksMin)',
    'if (progress.ticksSilent < 0)',
  ),
  plant(
    'transfer.ts',
    'the voter that is most behind succeeds',
    'held(b) - held(a) ||',
    'held(a) - held(b) ||',
  ),
  plant(
    'transfer.ts',
    'a leader that is not replaced never takes up work again',
    'if (this.#ticksLeft <= 0) this.#failed(this.#successor, false)',
    '',
  ),
  plant(
    'transfer.ts',
    'a successor that was lost is waited for',
    'if (peer === this.#successor) this.#failed(peer, false)',
    '',
  ),
  plant(
    'transfer.ts',
    'a successor is told only once',
    'if (this.#ticksToTell <= 0) this.#toldIndex = null',
    '',
  ),
  plant(
    'transfer.ts',
    'whoever failed is asked again at once',
    'this.#failures.set(id, {',
    'new Map<NodeId, Failure>().set(id, {',
  ),
  plant(
    'leader.ts',
    'proposals are taken during a transfer, and move the end of the log',
    'if (this.isTransferring) return false\n',
    '',
  ),
  plant(
    'reconfiguration.ts',
    'members change during a transfer',
    "if (this.#leader.isTransferring()) return { type: 'busy', reason: 'the leader hands over' }\n",
    '',
  ),
  plant(
    'reconfiguration.ts',
    'a change goes on during a transfer, and moves the end of the log',
    'if (this.#leader.isTransferring()) return\n',
    '',
  ),
  plant('follower.ts', 'a learner obeys timeoutNow', 'if (isVoter && hasRoom) {', 'if (hasRoom) {'),
  plant('follower.ts', 'who has no room takes over', 'if (isVoter && hasRoom) {', 'if (isVoter) {'),
  plant(
    'follower.ts',
    'a wish of before the leader went on is obeyed',
    'log.lastIndex === lastIndex ?',
    'log.lastIndex >= lastIndex ?',
  ),
  plant(
    'follower.ts',
    'a successor asks for promises first, and nobody gives them',
    'Candidate.start(this.#server, true) : this',
    'PreCandidate.start(this.#server) : this',
  ),
  plant(
    'follower.ts',
    'a successor does not say that it is asked for',
    'Candidate.start(this.#server, true) : this',
    'Candidate.start(this.#server) : this',
  ),
  plant(
    'raft.ts',
    'a wish of an earlier term is obeyed',
    'else if (rpc.term < this.#server.term) this.#answerStale(from, rpc)',
    "else if (rpc.term < this.#server.term && rpc.type !== 'timeoutNow') this.#answerStale(from, rpc)",
  ),
  plant(
    'candidate.ts',
    'every campaign claims that the leader has asked for it',
    'isTransfer: boolean = false)',
    'isTransfer: boolean = true)',
  ),
  plant(
    'raft.ts',
    'the wish of the leader does not count where it is heard',
    "rpc.type === 'vote' && !rpc.isTransfer &&",
    "rpc.type === 'vote' &&",
  ),
  plantStorage(
    'succession.ts',
    'what others forward during a transfer is forgotten',
    'this.#held.push({ from, batch })',
    '',
  ),
  plantStorage(
    'succession.ts',
    'what waited for a transfer in vain overtakes',
    'const mustWait = this.#held.length > 0 || this.#raft.isTransferring',
    'const mustWait = this.#raft.isTransferring',
  ),
  plantStorage(
    'succession.ts',
    'a leader with a low disk keeps its office',
    'const mustGo = !hasRoom || this',
    'const mustGo = this',
  ),
  plantStorage(
    'succession.ts',
    'a node that closes waits for ever for a successor',
    'if (this.#leaving !== null) this.#leaving.ticksLeft--',
    '',
  ),
  plantStorage(
    'proposals.ts',
    'what the leader refuses is taken for not applied',
    "outcome: sequence > 0 ? 'unknown' : 'not-applied'",
    "outcome: 'not-applied'",
  ),
  plantStorage(
    'proposals.ts',
    'what the leader refuses is not sent on',
    'this.#pending = this.#pending.filter(({ sequence }) => sequence > 0)',
    'this.#pending = []',
  ),
  plantStorage(
    'proposals.ts',
    'a refusal is for ever',
    'this.#gapAnswered = false\n    this.#refusal = null',
    'this.#gapAnswered = false',
  ),
]
