/**
 * The state environment: what the log adds up to. Applies batches exactly once, in the order of the log,
 * in relaxed transactions, each of which also moves the applied index, the session table and the hash of
 * what is there (state-hash.ts): after a crash all of it is there, or none.
 *
 * A batch is known by its owner (node, incarnation) and sequence. Only the next sequence is applied: an
 * earlier one is a repetition, a later one overtook a batch that was lost, and its owner sends both again
 * (storage/proposals.ts).
 */
import { type BatchOwner, batchOwner, type Command, readCommands } from '../codec/command.ts'
import { assert } from '../raft/assert.ts'
import { decodeConfiguration } from '../raft/membership.ts'
import type { Entry, Index, MembershipAt, NodeId } from '../raft/types.ts'
import { type Environment, numberKey, type Table } from './environment.ts'
import { onDisk } from './failure.ts'
import { byName, type KeyState, statesOf } from './key-state.ts'
import {
  keyRecordHeaderBytes,
  membershipKey,
  namespaceKey,
  namespaceLength,
  openStateTables,
  type Position,
  positionKey,
  readKeyRecord,
  readMembership,
  readPosition,
  readRevisionRecord,
  revisionRecord,
  type StateTables,
  writeKeyRecord,
  writeMembership,
  writePosition,
} from './layout.ts'
import { Scrub } from './scrub.ts'
import { digestOf, type Lanes, RecentDigests, StateHash } from './state-hash.ts'

export interface AppliedBatch {
  readonly owner: BatchOwner
  /** Per command the revision it made, 0 if it changed nothing; `null`: the batch was not applied. */
  readonly revisions: Float64Array | null
  /** Not applied because an earlier batch of the same owner is missing. */
  readonly gap: boolean
}

/** Told of each change, in order of the revisions, from within the transaction. */
export interface ChangeListener {
  readonly wantsPrevious: boolean
  changed(revision: number, command: Command, previous: Uint8Array | null): void
}

/** Rows of revisions whose entries are gone that one transaction removes on the way, beside as many as it adds. */
const trimmedRowsMin = 64
/** Rows looked up in one go when all are removed. */
const removedAtOnce = 10_000

export class StateMachine {
  #environment: Environment
  #tables: StateTables
  #position: Position
  #membership: MembershipAt
  /** Of the rows as they were written, whatever a disk has made of them. */
  #hash: StateHash
  #recent = new RecentDigests()
  /** Revisions made by entries before this one are gone from here, too. */
  #trimmedTo: Index = 1
  #scratch = Buffer.allocUnsafe(64 * 1024)

  constructor(environment: Environment) {
    this.#environment = environment
    this.#tables = openStateTables(this.#environment)
    this.#position = readPosition(this.#tables.meta.get(positionKey))
    this.#hash = new StateHash(this.#position.hash)
    this.#membership = readMembership(this.#tables.meta.get(membershipKey))
  }

  /** Another environment, made of a snapshot, takes the place of this one, which can be closed. */
  replace(environment: Environment): Environment {
    const before = this.#environment
    this.#environment = environment
    this.#tables = openStateTables(environment)
    this.#position = readPosition(this.#tables.meta.get(positionKey))
    this.#hash = new StateHash(this.#position.hash)
    const { keptIndex } = this.#recent
    this.#recent = new RecentDigests()
    this.keepDigest(keptIndex)
    this.#membership = readMembership(this.#tables.meta.get(membershipKey))
    this.#trimmedTo = 1
    return before
  }

  get tables(): StateTables {
    return this.#tables
  }

  get appliedIndex(): Index {
    return this.#position.appliedIndex
  }

  get revision(): number {
    return this.#position.revision
  }

  /** As it should be: the sum over what was written. */
  get hash(): Lanes {
    return this.#hash.lanes
  }

  /** Of the state as of this entry; `null`: not applied yet, or long ago. */
  digestAt(index: Index): number | null {
    if (index === this.appliedIndex) return digestOf(this.#hash, this.revision)
    return this.#recent.at(index)
  }

  /** The same; and that of this entry is kept, once it is applied, until another is to be. */
  keepDigest(index: Index): number | null {
    const digest = this.digestAt(index)
    this.#recent.keep(index, digest)
    return digest
  }

  /** Whether the rows are still those that were written: goes through them while they change. */
  beginScrub(): Scrub {
    const scrub = new Scrub(this.#tables)
    this.#hash.observer = scrub
    return scrub
  }

  /** The newest members applied. */
  get membership(): MembershipAt {
    return this.#membership
  }

  /** For snapshots, which copy it. */
  get environment(): Environment {
    return this.#environment
  }

  /** The newest batch of this incarnation that was applied; 0: none. */
  lastSequence(node: NodeId, incarnation: number): number {
    const stored = this.#tables.sessions.get(Buffer.from(node, 'hex'))
    if (stored === undefined || stored.readDoubleBE(0) !== incarnation) return 0
    return stored.readDoubleBE(8)
  }

  /**
   * One transaction. The entries follow the applied index; `logBegins` is the first that is still in the log,
   * whose revisions can still be looked up.
   */
  apply(
    entries: readonly Entry[],
    listener: ChangeListener | null,
    logBegins: Index = 1,
  ): readonly AppliedBatch[] {
    const last = entries.at(-1)
    if (last === undefined) return []
    const before = {
      position: this.#position,
      membership: this.#membership,
      hash: this.#hash.lanes,
    }
    try {
      return onDisk('applying the log', () =>
        this.#environment.transactionSync(() => {
          const applied = this.#applyAll(entries, listener)
          this.#trim(logBegins, entries.length + trimmedRowsMin)
          return applied
        }),
      )
    } catch (error) {
      this.#position = before.position
      this.#hash = new StateHash(before.hash)
      this.#membership = before.membership
      throw error
    }
  }

  /**
   * Forgets the cluster it comes from, for another goes on with it: who was a member, whose batches were applied,
   * and where in the log changes are found. Revisions go on behind a gap, so that none is given out twice.
   */
  beginAnew(revisionGap: number): void {
    const { sessions, revisions, meta } = this.#tables
    const revision = this.#position.revision + revisionGap
    this.#environment.transactionSync(() => {
      for (const { key, value } of sessions.getRange({ start: Buffer.from([0]) }))
        this.#hash.remove('sessions', Buffer.from(key), Buffer.from(value))
      for (const table of [sessions, revisions]) removeAll(table)
      meta.removeSync(membershipKey)
      this.#position = { ...this.#position, revision, hash: this.#hash.lanes }
      meta.putSync(positionKey, writePosition(this.#position))
    })
    this.#membership = readMembership(undefined)
  }

  async close(): Promise<void> {
    await this.#environment.close()
  }

  #applyAll(entries: readonly Entry[], listener: ChangeListener | null): AppliedBatch[] {
    const applied: AppliedBatch[] = []
    for (const entry of entries) {
      assert(
        entry.index === this.appliedIndex + 1,
        `applying ${entry.index} after ${this.appliedIndex}`,
      )
      if (entry.type === 'batch') applied.push(this.#applyBatch(entry, listener))
      if (entry.type === 'membership') this.#applyMembership(entry)
      this.#position = { ...this.#position, appliedIndex: entry.index }
      this.#recent.record(entry.index, digestOf(this.#hash, this.revision))
    }
    this.#position = { ...this.#position, hash: this.#hash.lanes }
    this.#tables.meta.putSync(positionKey, writePosition(this.#position))
    return applied
  }

  #applyMembership({ index, bytes }: Entry): void {
    this.#membership = { index, ...decodeConfiguration(bytes) }
    this.#tables.meta.putSync(membershipKey, writeMembership(this.#membership))
  }

  /** Where a watch of the past finds its entries must not grow forever. */
  #trim(logBegins: Index, rowsMax: number): void {
    if (this.#trimmedTo >= logBegins) return
    const { revisions } = this.#tables
    const gone: Buffer[] = []
    for (const { key, value } of revisions.getRange({ start: numberKey(0), limit: rowsMax })) {
      if (readRevisionRecord(value).index >= logBegins) break
      gone.push(Buffer.from(key))
    }
    for (const key of gone) revisions.removeSync(key)
    if (gone.length < rowsMax) this.#trimmedTo = logBegins
  }

  #applyBatch(entry: Entry, listener: ChangeListener | null): AppliedBatch {
    const owner = batchOwner(entry.bytes)
    const turn = this.#sessionTurn(owner)
    if (turn !== 'next') return { owner, revisions: null, gap: turn === 'gap' }
    const commands = readCommands(entry.bytes)
    const touched = statesOf(commands)
    const states = [...new Set(touched)].sort(byName)
    for (const state of states) this.#read(state, listener?.wantsPrevious ?? false)
    const revisions = this.#run(commands, touched, entry.index, listener)
    this.#store(states)
    return { owner, revisions, gap: false }
  }

  /** Is this the batch its owner's session waits for? If so, the session moves on. */
  #sessionTurn({ node, incarnation, sequence }: BatchOwner): 'next' | 'repeated' | 'gap' {
    const key = Buffer.from(node, 'hex')
    const stored = this.#tables.sessions.get(key)
    assert(stored === undefined || stored.length === 16, `a session of ${stored?.length} bytes`)
    const known = stored?.readDoubleBE(0) ?? 0
    if (incarnation < known) return 'repeated'
    const last = stored === undefined || incarnation > known ? 0 : stored.readDoubleBE(8)
    if (sequence <= last) return 'repeated'
    if (sequence > last + 1) return 'gap'
    const session = Buffer.allocUnsafe(16)
    session.writeDoubleBE(incarnation, 0)
    session.writeDoubleBE(sequence, 8)
    if (stored !== undefined) this.#hash.remove('sessions', key, stored)
    this.#hash.add('sessions', key, session)
    this.#tables.sessions.putSync(key, session)
    return 'next'
  }

  #read(state: KeyState, wantsPrevious: boolean): void {
    const bytes = this.#tables.kv.getBinaryFast(state.key)
    if (bytes === undefined) return
    // It will be written anew, or removed: a command on a key that is there changes it.
    this.#hash.remove('kv', state.key, bytes)
    const record = readKeyRecord(bytes)
    state.load(record)
    // The bytes are lmdb's, and only until the next get.
    if (wantsPrevious) state.current = Uint8Array.from(record.value)
  }

  /** In the order of the commands: gives out revisions and tells the listener. */
  #run(
    commands: readonly Command[],
    touched: readonly KeyState[],
    index: Index,
    listener: ChangeListener | null,
  ): Float64Array {
    const revisions = new Float64Array(commands.length)
    const idle: number[] = []
    let revision = this.#position.revision
    for (const [n, command] of commands.entries()) {
      const state = touched[n]
      assert(state !== undefined, 'a command without its key')
      if (command.value === null && !state.exists) {
        idle.push(n)
        continue
      }
      revision++
      revisions[n] = revision
      listener?.changed(revision, command, state.current)
      if (command.value === null) state.delete()
      else state.put(command.value, revision)
    }
    if (revision > this.#position.revision) {
      const key = numberKey(this.#position.revision + 1)
      assert(
        this.#tables.revisions.appendSync(key, revisionRecord(index, idle)),
        `revision ${revision} is not the newest`,
      )
    }
    this.#position = { ...this.#position, revision }
    return revisions
  }

  /** Writes every key once, and the namespaces that gained or lost keys. */
  #store(states: readonly KeyState[]): void {
    const gained = new Map<string, number>()
    for (const state of states) {
      if (state.value !== null) this.#put(state, state.value)
      else if (state.existed && !state.exists) this.#tables.kv.removeSync(state.key)
      if (state.existed === state.exists) continue
      const namespace = state.name.slice(0, namespaceLength(state.key))
      gained.set(namespace, (gained.get(namespace) ?? 0) + (state.exists ? 1 : -1))
    }
    for (const [namespace, keys] of gained) this.#countKeys(Buffer.from(namespace, 'latin1'), keys)
  }

  #put(state: KeyState, value: Uint8Array): void {
    const length = keyRecordHeaderBytes + value.length
    if (length > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(2 * length)
    writeKeyRecord(this.#scratch, state, value)
    const row = this.#scratch.subarray(0, length)
    this.#hash.add('kv', state.key, row)
    this.#tables.kv.putSync(state.key, row)
  }

  /** A namespace disappears with its last key. */
  #countKeys(namespace: Buffer, gained: number): void {
    if (gained === 0) return
    const key = namespaceKey(namespace)
    const stored = this.#tables.prefixes.get(key)
    if (stored !== undefined) this.#hash.remove('prefixes', key, stored)
    const count = (stored?.readDoubleBE(0) ?? 0) + gained
    assert(count >= 0, `namespace ${namespace} holds ${count} keys`)
    if (count === 0) {
      this.#tables.prefixes.removeSync(key)
      return
    }
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleBE(count, 0)
    this.#hash.add('prefixes', key, bytes)
    this.#tables.prefixes.putSync(key, bytes)
  }
}

function removeAll(table: Table): void {
  // Without a start lmdb leaves out the lowest.
  const range = { start: Buffer.from([0]), limit: removedAtOnce }
  for (;;) {
    const keys = [...table.getKeys(range)].map((key) => Buffer.from(key))
    for (const key of keys) table.removeSync(key)
    if (keys.length < removedAtOnce) return
  }
}
