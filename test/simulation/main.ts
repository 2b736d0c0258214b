/**
 * The main thread of a simulated node: callers who write, cancel, read, watch and change the membership,
 * and who hold every answer against the truth.
 */
import { BatchWriter } from '../../src/codec/command.ts'
import type {
  MembershipChange,
  NodeView,
  PeerAddress,
  StorageToNetwork,
} from '../../src/messages.ts'
import { unreachable } from '../../src/raft/assert.ts'
import type { Index, Member, NodeId } from '../../src/raft/types.ts'
import { readKeyRecord } from '../../src/storage/layout.ts'
import type { LogStore } from '../../src/storage/log-store.ts'
import type { SimulatedNode } from './node.ts'
import { sayMessage } from './transcript.ts'
import { markerKey, type Proposal } from './truth.ts'
import { Violation } from './violation.ts'
import { WatchedPrefix } from './watching.ts'
import type { NodeWorld } from './world.ts'

const watchesMax = 6
/** Units of time after which a change of the membership is given up. */
const changeUnitsMax = 1_000
const prefixes = ['', 'a/', 'a/b/', 'c', '~']

interface Question {
  readonly floor: Index
}

export class SimulatedMain {
  /** To whom a link is kept. */
  peers: ReadonlySet<NodeId> = new Set()
  members: readonly Member[] = []
  readonly #node: SimulatedNode
  readonly #world: NodeWorld
  readonly #batches = new Map<number, Proposal>()
  /** Batches, and reads below 0: no caller gives up twice. */
  readonly #cancelled = new Set<number>()
  readonly #reads = new Map<number, Question>()
  readonly #watches = new Map<number, WatchedPrefix>()
  readonly #changes = new Map<number, { change: MembershipChange; isOwn: boolean }>()
  /** Since this start. */
  #hasHadWrongState = false
  #batchIds = 0
  #ids = 0

  constructor(node: SimulatedNode, world: NodeWorld) {
    this.#node = node
    this.#world = world
  }

  /** Of what must be answered once all is healed. */
  get unanswered(): number {
    const watches = [...this.#watches.values()].filter(({ isComplete }) => !isComplete)
    return this.#batches.size + this.#reads.size + watches.length
  }

  get watches(): Iterable<WatchedPrefix> {
    return this.#watches.values()
  }

  // ── what callers do ───────────────────────────────────────────────────────────────────────────

  act(): void {
    const { random, swarm } = this.#world
    if (random.chance(swarm.reads)) this.read()
    else if (random.chance(swarm.cancels)) this.#cancel()
    else if (random.chance(swarm.watches)) this.#changeWatches()
    else if (this.#batches.size < swarm.window) this.write()
    this.consume()
  }

  write(): void {
    const { random, swarm, truth } = this.#world
    const writer = new BatchWriter({ valueBytesMax: 2 ** 16 })
    const proposal = truth.propose()
    const commands = random.between(1, swarm.commandsMax)
    const marked = random.below(commands)
    for (let n = 0; n < commands; n++) {
      const key = n === marked ? markerKey(proposal.id) : this.#drawKey()
      // A delete of a marker finds nothing: a batch may change nothing at all.
      if (random.chance(0.3)) writer.delete(key)
      else writer.put(key, 'x'.repeat(random.between(0, swarm.paddingMax)) + proposal.id)
    }
    this.#batchIds++
    this.#batches.set(this.#batchIds, proposal)
    this.#node.post({ type: 'propose', batch: this.#batchIds, bytes: writer.finish() })
  }

  /** By a question to the leader, or at once where none is needed. */
  read(): void {
    const { truth, random } = this.#world
    const floor = truth.toldIndex
    if (this.#node.life?.board.leadsAlone && random.chance(0.8)) {
      this.#look(floor)
      return
    }
    this.#ids++
    this.#reads.set(this.#ids, { floor })
    this.#node.post({ type: 'read', id: this.#ids })
  }

  change(change: MembershipChange, via: PeerAddress | null): void {
    this.#ids++
    const id = this.#ids
    // Who wants to enter asks until it is in, or refused.
    const isOwn = via !== null
    this.#changes.set(id, { change, isOwn })
    this.#node.post({ type: 'change', id, change, via })
    if (!isOwn) this.#world.schedule.after(changeUnitsMax, () => this.#endChange(id))
  }

  /** What was asked for is not asked any more. */
  giveUpChanges(): void {
    for (const [id, { isOwn }] of [...this.#changes]) if (!isOwn) this.#endChange(id)
  }

  #cancel(): void {
    const { random } = this.#world
    const batches = [...this.#batches.keys()].filter((batch) => !this.#cancelled.has(batch))
    const reads = [...this.#reads.keys()].filter((id) => !this.#cancelled.has(-id))
    if (batches.length > 0) {
      const batch = random.pick(batches)
      this.#cancelled.add(batch)
      this.#node.post({ type: 'cancel', batch })
    }
    if (reads.length > 0) {
      const id = random.pick(reads)
      this.#cancelled.add(-id)
      this.#node.post({ type: 'cancelRead', id })
    }
  }

  /** Its state is damaged: what they are told from now on may be wrong. */
  forgetWatches(): void {
    for (const id of this.#watches.keys()) this.#node.post({ type: 'unwatch', id })
    this.#watches.clear()
  }

  #changeWatches(): void {
    if (this.#node.isDamaged) return
    const { random } = this.#world
    const ids = [...this.#watches.keys()]
    if (ids.length < watchesMax && random.chance(0.7)) {
      const revision = this.#node.life?.state.revision ?? 0
      this.#watch(
        random.pick(prefixes),
        random.chance(0.5) ? null : random.between(1, revision + 1),
      )
    } else if (ids.length > 0) {
      const id = random.pick(ids)
      this.#watches.delete(id)
      this.#node.post({ type: 'unwatch', id })
    }
  }

  #watch(prefix: string, fromRevision: number | null): void {
    const { random, truth } = this.#world
    this.#ids++
    const id = this.#ids
    const previous = random.chance(0.3)
    const name = `${this.#node.id} watch ${id}`
    const patience = random.chance(0.2) ? 0 : random.next()
    const watch = new WatchedPrefix({ name, prefix, fromRevision, previous, patience, truth })
    this.#watches.set(id, watch)
    this.#world.say(() => `${name} '${prefix}' from ${fromRevision}`)
    this.#node.post({ type: 'watch', id, prefix, fromRevision, previous })
  }

  /** Watchers take what they were sent; some are slow, some never do. */
  consume(): void {
    const { random, faulty } = this.#world
    for (const [id, watch] of this.#watches) {
      const takes = random.chance(faulty ? watch.patience : 1)
      if (watch.unreadBytes === 0 || !takes) continue
      this.#node.post({ type: 'consumed', id, bytes: watch.unreadBytes })
      watch.unreadBytes = 0
    }
  }

  #drawKey(): string {
    const { random, swarm } = this.#world
    const n = random.below(swarm.keys)
    return `${['a/', 'a/b/', 'c', 'ä/'][n % 4]}${n}`
  }

  // ── what they hear ────────────────────────────────────────────────────────────────────────────

  hear(message: StorageToNetwork): void {
    this.#world.say(() => `${this.#node.id} hears ${sayMessage(message)}`)
    switch (message.type) {
      case 'applied':
        this.#applied(message.batch, message.revisions)
        return
      case 'refused':
        this.#refused(message.batch, message.error.outcome)
        return
      case 'readable':
        for (const id of message.ids) this.#readable(id)
        return
      case 'readRefused':
        if (!this.#reads.delete(message.id)) this.#broken('a read is answered once', message.id)
        return
      case 'watching':
        this.#watches.get(message.id)?.watching(message.revision)
        return
      case 'history':
        this.#watches.get(message.id)?.history(message.events)
        return
      case 'events':
        for (const watch of this.#watches.values()) watch.live(message.events)
        this.consume()
        return
      case 'watchEnded':
        this.#watchEnded(message.id, message.error.code, message.error.revision ?? null)
        return
      case 'changeRefused':
        this.#changes.delete(message.id)
        return
      case 'view':
        this.#view(message.view, message.peers)
        return
      case 'stateFound':
        if (this.#world.swarm.damageEvery === 0)
          this.#broken('a state is found wrong for a reason', message.reason)
        this.#hasHadWrongState = true
        return
      case 'failed':
      // Nobody here plans.
      case 'changePlanned':
        return
      case 'stateReplaced':
        // Reads here look at the state itself.
        this.#node.disks.installedIndex = this.#log?.snapshots[0]?.index ?? 0
        this.#node.life?.board.reads(message.generation)
        return
      default:
        unreachable(message)
    }
  }

  #applied(batch: number, revisions: Float64Array): void {
    const proposal = this.#take(batch)
    const known = proposal.revisions
    if (this.#node.isDamaged && known !== null) return
    if (known === null || known.join() !== revisions.join())
      this.#broken('an acknowledgement is true', `batch ${proposal.id}: ${revisions}, is ${known}`)
    this.#world.truth.acknowledged++
    this.#world.truth.told(proposal.index)
  }

  #refused(batch: number, outcome: string): void {
    const proposal = this.#take(batch)
    if (outcome !== 'not-applied') return
    if (proposal.revisions !== null)
      this.#broken('what was refused is not applied', `batch ${proposal.id} is`)
    proposal.refused = true
  }

  #take(batch: number): Proposal {
    const proposal = this.#batches.get(batch)
    if (proposal === undefined) throw this.#broken('a batch is answered once', batch)
    this.#batches.delete(batch)
    return proposal
  }

  #readable(id: number): void {
    const question = this.#reads.get(id)
    if (question === undefined) throw this.#broken('a read is answered once', id)
    this.#reads.delete(id)
    this.#look(question.floor)
  }

  /** A key of the local state, which must be no older than `floor`. */
  #look(floor: Index): void {
    const { truth } = this.#world
    const state = this.#node.life?.state
    if (state === undefined || this.#node.isDying || this.#node.isDamaged) return
    const { appliedIndex } = state
    if (appliedIndex < floor)
      this.#broken('a read sees what was told before', `at ${appliedIndex}, known was ${floor}`)
    const key = this.#drawKey()
    const bytes = state.tables.kv.getBinaryFast(Buffer.from(key))
    const found = bytes === undefined ? null : readKeyRecord(bytes)
    const due = truth.at(key, appliedIndex)
    const same =
      found?.modRevision === due?.modRevision &&
      found?.version === due?.version &&
      found?.createRevision === due?.createRevision &&
      (found === null || due?.value?.equals(found.value) === true)
    if (!same)
      this.#broken('a read is true', `${key} at ${appliedIndex}: ${say(found)}, is ${say(due)}`)
    truth.told(truth.changedIndex(appliedIndex))
    this.#world.onRead()
  }

  /** Goes on where it was ended. */
  #watchEnded(id: number, code: string, revision: number | null): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    this.#watches.delete(id)
    const isRemoved = code === 'SKIFF_MEMBERSHIP' && !(this.#isMember && watch.hasBegun)
    if (revision !== null && (code === 'SKIFF_SLOW_WATCHER' || isRemoved)) watch.ended(revision)
    else if (revision === null || !this.#mayBegin(code, revision))
      throw this.#broken('a watch ends for a reason', `${id}: ${code} ${revision}`)
    if (!isRemoved || this.#isMember) this.#watch(watch.prefix, revision)
  }

  get #isMember(): boolean {
    return this.members.some(({ id }) => id === this.#node.id)
  }

  /** Nothing before it can be told, or what was may be wrong. */
  #mayBegin(code: string, revision: number): boolean {
    return code === 'SKIFF_STORAGE' ? this.#hasHadWrongState : this.#isGone(revision - 1)
  }

  /** The entry that made this revision was cut from the log here, or there, from where the state has come. */
  #isGone(revision: number): boolean {
    const { truth } = this.#world
    const gone = Math.max(this.#log?.base.index ?? 0, this.#node.disks.installedIndex)
    return revision > 0 && revision <= truth.revisionAt(gone)
  }

  get #log(): LogStore | undefined {
    return this.#node.life?.opened.log
  }

  #view(view: NodeView, peers: readonly PeerAddress[]): void {
    const { members } = view
    this.peers = new Set(peers.map(({ id }) => id))
    this.members = members
    if (members.some(({ id }) => id === this.#node.id)) this.#node.joins = null
    for (const [id, { change }] of [...this.#changes]) if (isDone(view, change)) this.#endChange(id)
  }

  #endChange(id: number): void {
    if (this.#changes.delete(id)) this.#node.post({ type: 'cancelChange', id })
  }

  #broken(rule: string, details: unknown): never {
    throw new Violation(rule, `${this.#node.id}: ${details}`)
  }
}

/** What is left to do is done without being asked for. */
function isDone({ members, leaderId }: NodeView, change: MembershipChange): boolean {
  const known = members.find(({ id }) => id === change.member)
  switch (change.type) {
    case 'move':
      return known?.address === change.address
    case 'add':
      return known !== undefined && (change.role === 'voter' || known.role === 'learner')
    case 'remove':
      return known === undefined
    case 'replace':
      return known !== undefined
    case 'transfer':
      return leaderId === change.member
    case 'relieve':
      return leaderId !== null && leaderId !== change.member
  }
}

function say(record: { modRevision: number; value: Uint8Array | null } | null): string {
  return record === null ? 'none' : `@${record.modRevision} ${record.value?.length} bytes`
}
