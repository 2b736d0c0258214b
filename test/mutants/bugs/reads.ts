/** Bugs of linearizable reads in the core. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')

export const readBugs: readonly Mutant[] = [
  plant(
    'leader.ts',
    'reads that wait for the next round get the index of the one before',
    '    if (this.#reads.begin(this.#server.commitIndex, self)) {',
    '    if (this.#reads.begin(index, self)) {',
  ),
  plant(
    'leader.ts',
    'an answer about a snapshot confirms the round of reads',
    '        this.#replication.snapshotReply(from, rpc)\n        return this',
    '        this.#replication.snapshotReply(from, rpc)\n        this.#reads.confirm(from, this.#reads.round)\n        return this',
  ),
  plant(
    'reads.ts',
    'a read asks nobody whether we lead',
    'if (!quorum.isQuorum((id) => current.confirmedBy.has(id))) return null',
    '',
  ),
  plant(
    'reads.ts',
    'an old confirmation counts for a new read',
    'if (this.#current !== null && round >= this.round)',
    'if (this.#current !== null)',
  ),
  plant(
    'reads.ts',
    'a newcomer joins the round on its way',
    'this.#waiting.push(read)',
    '(this.#current === null ? this.#waiting : (this.#current.reads as WaitingRead[])).push(read)',
  ),
  plant(
    'leader.ts',
    'a new leader serves reads before it knows what is committed',
    'if (this.isReady && this.#reads.begin',
    'if (this.#reads.begin',
  ),
  plant(
    'leader.ts',
    'a read is served as of the beginning',
    'if (this.isReady && this.#reads.begin(this.#server.commitIndex',
    'if (this.isReady && this.#reads.begin(0',
  ),
  plant(
    'raft.ts',
    'a leader of several believes it leads alone',
    'this.#server.isVoter &&\n      otherVoters.length === 0',
    'this.#server.isVoter',
  ),
  plant(
    'raft.ts',
    'a leader alone serves reads before it knows what is committed',
    'this.#role.isReady &&',
    '',
  ),
  plant(
    'follower.ts',
    'a follower serves reads at its own commit index',
    'readyReads.push({ id: rpc.id, index: rpc.index })',
    'readyReads.push({ id: rpc.id, index: this.#server.commitIndex })',
  ),
]
