/** Bugs of changes of voters by joint consensus, and of what is judged before one. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/raft')
const plantStorage = mutantsOf('src/storage')
const plantCodec = mutantsOf('src/codec')
const plantClient = mutantsOf('src/client')

export const jointBugs: readonly Mutant[] = [
  plant(
    'membership.ts',
    'voters change without a joint configuration',
    'outgoing: isPlain ? [] : voters',
    'outgoing: []',
  ),
  plant(
    'quorum.ts',
    'while joint only the new majority counts',
    'outgoing.length === 0 ? [voters] : [voters, outgoing]',
    '[voters]',
  ),
  plant(
    'quorum.ts',
    'while joint only the old majority counts',
    'outgoing.length === 0 ? [voters] : [voters, outgoing]',
    'outgoing.length === 0 ? [voters] : [outgoing]',
  ),
  plant(
    'quorum.ts',
    'while joint one of the two majorities is enough',
    'return this.#groups.every((group) => count',
    'return this.#groups.some((group) => count',
  ),
  plant(
    'quorum.ts',
    'while joint it is committed what one majority holds',
    'return Math.min(...this.#groups',
    'return Math.max(...this.#groups',
  ),
  plant(
    'quorum.ts',
    'while joint a vote goes on though one majority is lost',
    'return this.#groups.some(\n',
    'return this.#groups.every(\n',
  ),
  {
    name: 'votes are counted by the new voters only',
    edits: [
      {
        file: 'src/raft/candidate.ts',
        find: 'new Tally(server.membership.quorum)',
        replace: 'new Tally(new Quorum(votersOf(server.membership.members), []))',
      },
      {
        file: 'src/raft/candidate.ts',
        find: "import { Leader } from './leader.ts'",
        replace:
          "import { Leader } from './leader.ts'\nimport { votersOf } from './membership.ts'\nimport { Quorum } from './quorum.ts'",
      },
    ],
  },
  {
    name: 'a leader stays while only the new voters answer',
    edits: [
      {
        file: 'src/raft/leader.ts',
        find: 'const follows = membership.quorum.isQuorum(',
        replace: 'const follows = new Quorum(votersOf(membership.members), []).isQuorum(',
      },
      {
        file: 'src/raft/leader.ts',
        find: "import { ReadRounds } from './reads.ts'",
        replace:
          "import { ReadRounds } from './reads.ts'\nimport { votersOf } from './membership.ts'\nimport { Quorum } from './quorum.ts'",
      },
    ],
  },
  {
    name: 'a joint configuration is left before it is committed',
    edits: [
      {
        file: 'src/raft/reconfiguration.ts',
        find: '!this.#leader.isReady() || !this.#isCommitted) return',
        replace: '!this.#leader.isReady() || !(this.#isCommitted || isJoint(this.#latest))) return',
      },
      {
        file: 'src/raft/reconfiguration.ts',
        find: 'assert(before.index <= commitIndex,',
        replace: 'assert(before.index <= commitIndex || true,',
      },
    ],
  },
  plant(
    'reconfiguration.ts',
    'a joint configuration is never left',
    'if (isJoint(this.#latest)) this.#leaveJoint()\n    else',
    'if (!isJoint(this.#latest))',
  ),
  {
    name: 'a new leader does not leave the joint configuration that it finds',
    edits: [
      {
        file: 'src/raft/reconfiguration.ts',
        find: '  #ticksLed = 0\n',
        replace: '  #ticksLed = 0\n  #foundIndex = 0\n',
      },
      {
        file: 'src/raft/reconfiguration.ts',
        find: '    this.#leader = leader\n',
        replace:
          '    this.#leader = leader\n    this.#foundIndex = server.membership.latest.index\n',
      },
      {
        file: 'src/raft/reconfiguration.ts',
        find: '    this.#append(lastStep(this.#latest))',
        replace:
          '    if (this.#latest.index > this.#foundIndex) this.#append(lastStep(this.#latest))',
      },
    ],
  },
  plant(
    'membership.ts',
    'nobody sends anything to voters on their way out',
    'if (outgoing.length === 0) return members',
    'if (outgoing.length >= 0) return members',
  ),
  plant(
    'membership.ts',
    'a truncation brings the members back, but not their majority',
    'this.#become(this.#history.filter(({ index }) => index < from))',
    'this.#history = this.#history.filter(({ index }) => index < from)',
  ),
  plant(
    'membership.ts',
    'a snapshot brings its members, but not their majority',
    'this.#become([at])',
    'this.#history = [at]',
  ),
  plant(
    'membership.ts',
    'a learner that is to stay one is promoted',
    "role !== 'learner' || future === stays",
    "role !== 'learner'",
  ),
  plant(
    'membership.ts',
    'whose place is taken stays',
    '.filter((member) => member.id !== inPlaceOf)',
    '',
  ),
  plant(
    'reconfiguration.ts',
    'a change is begun that costs the quorum',
    'if (lost.length === 0 ||',
    'if (lost.length >= 0 ||',
  ),
  plant(
    'reconfiguration.ts',
    'a silent voter may not be removed',
    'if (lost.length === 0 ||',
    'if (',
  ),
  plant(
    'progress.ts',
    'a new leader takes everyone for present',
    'ticksSilent: number = Number.POSITIVE_INFINITY',
    'ticksSilent = 0',
  ),
  plant(
    'reconfiguration.ts',
    'a new leader takes those that it has not heard for absent',
    "type: isNew ? 'busy' : 'refused'",
    "type: 'refused'",
  ),
  plantStorage(
    'layout.ts',
    'a snapshot forgets that its configuration is joint',
    'encodeConfiguration(configuration)',
    'encodeConfiguration({ ...configuration, outgoing: [] })',
  ),
  plantCodec(
    'frame.ts',
    'a snapshot on the wire forgets that its configuration is joint',
    '{ index: membershipIndex, ...configuration }',
    '{ index: membershipIndex, ...configuration, outgoing: [] }',
  ),
  plantStorage(
    'changes.ts',
    'a plan changes the members',
    'const outcome = this.#raft.considerMembers(members)',
    'const outcome = this.#raft.changeMembership({ members, promotions: [] })',
  ),
  plantStorage(
    'wishes.ts',
    'who was to take the place of one that is gone removes it when it is back',
    'inPlaceOf: inPlaceOf === member ? null : inPlaceOf',
    'inPlaceOf',
  ),
  plantStorage(
    'wishes.ts',
    'a newcomer votes at once',
    "{ id: member, address, role: 'learner' }",
    "{ id: member, address, role: 'voter' }",
  ),
  plantClient(
    'changes.ts',
    'a change is taken for done while it is joint',
    'if (isJoint) return false',
    '',
  ),
]
