/** Bugs of who a node is: copies of directories, and where a member can be reached. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plantInCore = mutantsOf('src/raft')
const plantInNetwork = mutantsOf('src/network')
const plantInStorage = mutantsOf('src/storage')

export const identityBugs: readonly Mutant[] = [
  plantInCore(
    'lineage.ts',
    'a newer start is let in, whatever it comes from',
    'return isCut && seen < Math.min(incarnation, ...ancestors)',
    'return seen < incarnation',
  ),
  plantInCore(
    'lineage.ts',
    'after many starts a node is taken for a copy of itself',
    'return isCut && seen < Math.min(incarnation, ...ancestors)',
    'return isCut && false',
  ),
  plantInCore(
    'lineage.ts',
    'only the start just before counts as an ancestor',
    'ancestors.includes(seen)',
    'ancestors.at(-1) === seen',
  ),
  plantInStorage(
    'opening.ts',
    'a start is not remembered by its directory',
    'lineage: withStart(identity.lineage, incarnation)',
    'lineage: [incarnation]',
  ),
  plantInStorage(
    'opening.ts',
    'a directory that was disowned starts again',
    'if (reason === null) return\n',
    'if (reason !== undefined) return\n',
  ),
  plantInStorage(
    'log-store.ts',
    'of those let in only the last is remembered',
    '[...others.slice(1 - metMax), [node, incarnation]]',
    '[[node, incarnation]]',
  ),
  plantInStorage(
    'log-store.ts',
    'those let in are remembered without end',
    '...others.slice(1 - metMax)',
    '...others',
  ),
  plantInNetwork(
    'admission.ts',
    'who was let in before a restart is not known any more',
    'this.#met = new Map(met)',
    'this.#met = new Map()',
  ),
  plantInNetwork(
    'admission.ts',
    'a link is let in before that is durable',
    'await this.#meetings.get(nodeId)',
    '',
  ),
  plantInNetwork(
    'admission.ts',
    'a probe is remembered like a link',
    "this.judge(dialer) === null && dialer.purpose === 'link') await",
    'this.judge(dialer) === null) await',
  ),
  plantInNetwork(
    'admission.ts',
    'who meets a copy takes itself for one',
    'return verdict ?? (copied === null ? null : membership(copied))',
    "return verdict ?? (copied === null ? null : refusal('copied', copied))",
  ),
  plantInNetwork(
    'reception.ts',
    'a newcomer throws out the living process of its node',
    'if (await known.incoming.lives()) return occupied',
    'await known.incoming.lives()',
  ),
  plantInNetwork(
    'reception.ts',
    'a dead link keeps its node out',
    'if (await known.incoming.lives()) return occupied',
    'await known.incoming.lives()\n    if (occupied !== null) return occupied',
  ),
  plantInNetwork(
    'incoming.ts',
    'a link that is closed keeps those waiting who ask whether it lives',
    'for (const tell of this.#asking) tell(false)',
    '',
  ),
  plantInNetwork(
    'network.ts',
    'a node is not told that it is a copy',
    "if (failure.refusal?.kind === 'copied') this.#disowned(failure.error)",
    '',
  ),
  plantInNetwork(
    'network.ts',
    'a peer that has moved is looked for only where it was',
    'const at = attempts++ % 2 === 0 ? place : address',
    "const at = attempts++ % 2 === 0 && place === '' ? place : address",
  ),
  plantInNetwork(
    'link.ts',
    'a node that starts again waits as long as one that is none of ours',
    "['unavailable', 'occupied']",
    "['unavailable']",
  ),
  plantInCore(
    'progress.ts',
    'what a server has forgotten counts for a majority',
    'return this.hasForgotten ? 0 : this.matchIndex',
    'return this.matchIndex',
  ),
  plantInCore(
    'progress.ts',
    'a server that has forgotten is asked without end',
    'this.#forgottenRefusals++\n    return false',
    'this.#forgottenRefusals++\n    return true',
  ),
  plantInStorage(
    'wishes.ts',
    'two members are at one address',
    'if (atAddress !== undefined) return taken(atAddress, member)',
    '',
  ),
  plantInStorage(
    'wishes.ts',
    'who moves is made a member',
    'if (known === undefined) return `',
    "if (known === undefined) return enter(from, { member, address, role: 'voter', inPlaceOf: null }) ?? `",
  ),
  plantInStorage(
    'changes.ts',
    'a member that is elsewhere says nothing',
    'if (known === undefined || this.#address === null || known.address === this.#address) return',
    'if (known !== undefined || this.#address === null) return',
  ),
  plantInStorage(
    'changes.ts',
    'a leader that is elsewhere says nothing',
    'if (isLeader) this.#decide(change)\n    else if (status',
    'if (!isLeader && status',
  ),
  plantInStorage(
    'changes.ts',
    'a member says only once that it is elsewhere',
    'this.#ticksToMove = this.#askTicks',
    'this.#ticksToMove = 1e9',
  ),
]
