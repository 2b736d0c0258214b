/**
 * The watchers of one node. Events of the present come from the state machine as it applies; events of the
 * past are read back from the log, a slice per turn, until a watcher has caught up. Both are packed here,
 * off the main thread.
 *
 * Every byte on its way to a watcher counts against it until the watcher has taken it. A live watcher that
 * lets too much pile up is ended, with the revision to go on from, never waited for: what a watcher costs the
 * node is a comparison per change, and the packing of what it gets.
 */
import { type Command, readCommands } from '../codec/command.ts'
import { EventWriter, eventBytes } from '../codec/event.ts'
import { errorToData, SkiffError } from '../errors.ts'
import type { StorageToNetwork } from '../messages.ts'
import { assert } from '../raft/assert.ts'
import type { LogReader } from '../raft/log.ts'
import type { Entry } from '../raft/types.ts'
import { keyNumber, numberKey } from './environment.ts'
import { type RevisionRecord, readRevisionRecord } from './layout.ts'
import type { ChangeListener, StateMachine } from './state-machine.ts'

interface Subscription {
  readonly id: number
  readonly prefix: Buffer
  readonly previous: boolean
  /** The first revision it has not been sent. */
  nextRevision: number
  unreadBytes: number
  /** Caught up: gets events as they are applied. Before, it reads the past. */
  live: boolean
}

/** A batch of the past: the first revision it made, and where it is. */
interface HistoryRow extends RevisionRecord {
  readonly firstRevision: number
}

/** Read back from the log in one turn, for all watchers together, whether or not they want it. */
const historyEntriesMax = 64
const historyBytesMax = 4 * 2 ** 20

/** What is left of that. */
interface Budget {
  entries: number
  bytes: number
}

export class Watchers implements ChangeListener {
  readonly #state: StateMachine
  readonly #log: LogReader
  readonly #unreadBytesMax: number
  readonly #watchers = new Map<number, Subscription>()
  /** Those that still read the past; each in its turn. */
  readonly #behind: Subscription[] = []
  /** There is no state to go on from. */
  #paused = false
  /** This node was removed from its cluster. */
  #removed = false
  #live = new EventWriter()
  #messages: StorageToNetwork[] = []

  constructor(state: StateMachine, log: LogReader, unreadBytesMax: number) {
    this.#state = state
    this.#log = log
    this.#unreadBytesMax = unreadBytesMax
  }

  get isEmpty(): boolean {
    return this.#watchers.size === 0
  }

  get wantsPrevious(): boolean {
    for (const { previous } of this.#watchers.values()) if (previous) return true
    return false
  }

  add(id: number, prefix: string, fromRevision: number | null, previous: boolean): void {
    // 0: from the revision on that the state will have.
    const nextRevision = fromRevision ?? (this.#paused ? 0 : this.#state.revision + 1)
    const watcher: Subscription = {
      id,
      prefix: Buffer.from(prefix),
      previous,
      nextRevision,
      unreadBytes: 0,
      live: false,
    }
    this.#watchers.set(id, watcher)
    if (this.#removed) this.#endRemoved(watcher)
    else if (this.#paused || !this.#goLive(watcher)) this.#behind.push(watcher)
  }

  remove(id: number): void {
    this.#watchers.delete(id)
  }

  /** A node that was removed hears of no more changes: rather an end than silence. */
  follow(removed: boolean): void {
    this.#removed = removed
    if (removed) for (const watcher of this.#watchers.values()) this.#endRemoved(watcher)
  }

  consumed(id: number, bytes: number): void {
    const watcher = this.#watchers.get(id)
    if (watcher !== undefined) watcher.unreadBytes -= bytes
  }

  /** From within the state transaction: one change, after all before it. */
  changed(revision: number, command: Command, previous: Uint8Array | null): void {
    let wanted = false
    for (const watcher of this.#watchers.values()) {
      if (
        !watcher.live ||
        revision < watcher.nextRevision ||
        !beginsWith(command.key, watcher.prefix)
      )
        continue
      wanted = this.#charge(watcher, revision, command, previous) || wanted
    }
    if (wanted) write(this.#live, revision, command, previous)
  }

  /**
   * Carries on those that read the past, one after another, as far as a turn allows. True: there is more to
   * do without anything new coming in.
   */
  pump(): boolean {
    if (this.#paused) return false
    const budget: Budget = { entries: historyEntriesMax, bytes: historyBytesMax }
    for (let n = this.#behind.length; n > 0 && hasLeft(budget); n--) {
      const watcher = this.#behind.shift()
      assert(watcher !== undefined, 'fewer watchers than counted')
      if (!this.#watchers.has(watcher.id)) continue
      if (this.#hasRoom(watcher)) this.#readHistory(watcher, budget)
      if (this.#watchers.has(watcher.id) && !this.#goLive(watcher)) this.#behind.push(watcher)
    }
    return this.#behind.some((watcher) => this.#hasRoom(watcher))
  }

  /** The state is lost: nobody is told anything until there is another. */
  pause(): void {
    this.#paused = true
  }

  /** There is, as far as the old one was, or further. */
  resume(): void {
    this.#paused = false
    for (const watcher of this.#behind)
      if (watcher.nextRevision === 0) watcher.nextRevision = this.#state.revision + 1
  }

  /** What they were told may be wrong: the state was, and counted its revisions otherwise. */
  endDamaged(): void {
    const reason = 'the state of this node was wrong, and was made anew; read all, and watch again'
    const revision = this.#state.revision + 1
    for (const watcher of [...this.#watchers.values()])
      this.#end(watcher, new SkiffError('SKIFF_STORAGE', 'not-applied', reason, { revision }))
  }

  /** A snapshot took the place of the state: who goes on behind it has missed what it stands for. Others read on. */
  restored(): void {
    for (const watcher of [...this.#watchers.values()])
      if (watcher.live && watcher.nextRevision <= this.#state.revision) this.#endCompacted(watcher)
  }

  /** What main must hear, in order. */
  takeMessages(): readonly StorageToNetwork[] {
    this.#queueLive()
    const messages = this.#messages
    this.#messages = []
    return messages
  }

  #queueLive(): void {
    if (this.#live.count === 0) return
    this.#messages.push({ type: 'events', events: this.#live.finish() })
    this.#live = new EventWriter()
  }

  /** Once nothing of the past is missing, events come as they are applied. */
  #goLive(watcher: Subscription): boolean {
    if (watcher.nextRevision <= this.#state.revision) return false
    watcher.live = true
    this.#messages.push({ type: 'watching', id: watcher.id, revision: this.#state.revision })
    return true
  }

  #hasRoom(watcher: Subscription): boolean {
    return watcher.unreadBytes < this.#unreadBytesMax / 2
  }

  /** A slice of the log, from the entry that made `nextRevision` on. */
  #readHistory(watcher: Subscription, budget: Budget): void {
    const events = new EventWriter()
    const rows = this.#revisionsFrom(watcher.nextRevision, budget.entries)
    if (rows.length === 0) this.#endCompacted(watcher)
    for (const { firstRevision, index, isIdle } of rows) {
      if (!this.#hasRoom(watcher) || !hasLeft(budget)) break
      const [entry] = this.#log.entries(index, 1, Number.MAX_SAFE_INTEGER)
      assert(entry !== undefined, `no entry ${index}`)
      budget.entries--
      budget.bytes -= entry.bytes.length
      this.#replay(watcher, entry, firstRevision, isIdle, events)
    }
    if (events.count > 0) {
      this.#messages.push({ type: 'history', id: watcher.id, events: events.finish() })
    }
  }

  #replay(
    watcher: Subscription,
    entry: Entry,
    firstRevision: number,
    isIdle: (command: number) => boolean,
    events: EventWriter,
  ): void {
    let revision = firstRevision - 1
    for (const [n, command] of readCommands(entry.bytes).entries()) {
      if (isIdle(n)) continue
      revision++
      if (revision < watcher.nextRevision || !beginsWith(command.key, watcher.prefix)) continue
      watcher.unreadBytes += eventBytes(command.key.length, command.value?.length ?? 0, 0)
      write(events, revision, command, null)
    }
    watcher.nextRevision = revision + 1
  }

  /** The batch that made this revision, and some behind it; none if it is gone. */
  #revisionsFrom(revision: number, limit: number): HistoryRow[] {
    const { revisions } = this.#state.tables
    const down = { start: numberKey(revision), end: numberKey(0), reverse: true, limit: 1 }
    const [start] = revisions.getKeys({ ...down, inclusiveEnd: true })
    if (start === undefined) return []
    const up = { start, end: numberKey(2 ** 53 - 1), limit }
    const rows: HistoryRow[] = []
    for (const { key, value } of revisions.getRange(up)) {
      rows.push({ firstRevision: keyNumber(key), ...readRevisionRecord(Buffer.from(value)) })
    }
    return (rows[0]?.index ?? 0) <= this.#log.base.index ? [] : rows
  }

  #endCompacted(watcher: Subscription): void {
    const revision = this.#oldestRevision()
    this.#end(
      watcher,
      new SkiffError(
        'SKIFF_COMPACTED',
        'not-applied',
        `revision ${watcher.nextRevision} is gone, the oldest is ${revision}`,
        { revision },
      ),
    )
  }

  /** The first whose entry is still in the log; the next one, where there is none. */
  #oldestRevision(): number {
    const all = { start: numberKey(0), end: numberKey(2 ** 53 - 1) }
    for (const { key, value } of this.#state.tables.revisions.getRange(all))
      if (readRevisionRecord(value).index > this.#log.base.index) return keyNumber(key)
    return this.#state.revision + 1
  }

  /** False: this change was one too many. */
  #charge(
    watcher: Subscription,
    revision: number,
    command: Command,
    previous: Uint8Array | null,
  ): boolean {
    watcher.unreadBytes += eventBytes(
      command.key.length,
      command.value?.length ?? 0,
      previous?.length ?? 0,
    )
    watcher.nextRevision = revision + 1
    if (watcher.unreadBytes <= this.#unreadBytesMax) return true
    const reason = `the watcher left more than ${this.#unreadBytesMax} bytes of events unread; go on with fromRevision: ${revision}`
    this.#end(watcher, new SkiffError('SKIFF_SLOW_WATCHER', 'not-applied', reason, { revision }))
    return false
  }

  #endRemoved(watcher: Subscription): void {
    const { live, nextRevision } = watcher
    const revision = live ? Math.max(nextRevision, this.#state.revision + 1) : nextRevision
    const reason = `this node was removed from its cluster; go on at a member with fromRevision: ${revision}`
    this.#end(watcher, new SkiffError('SKIFF_MEMBERSHIP', 'not-applied', reason, { revision }))
  }

  #end(watcher: Subscription, error: SkiffError): void {
    this.#watchers.delete(watcher.id)
    // The end comes behind the events before it, and before those that it does not cover.
    this.#queueLive()
    this.#messages.push({ type: 'watchEnded', id: watcher.id, error: errorToData(error) })
  }
}

function write(
  events: EventWriter,
  revision: number,
  { type, key, value }: Command,
  previous: Uint8Array | null,
): void {
  if (value === null) {
    assert(type === 'delete', 'a put without a value')
    events.delete(revision, key, previous)
  } else {
    events.put(revision, key, value, previous)
  }
}

function hasLeft({ entries, bytes }: Budget): boolean {
  return entries > 0 && bytes > 0
}

function beginsWith(key: Buffer, prefix: Buffer): boolean {
  return (
    key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  )
}

/** What moves with a message to main. */
export function buffersOf(message: StorageToNetwork): ArrayBuffer[] {
  if (message.type !== 'events' && message.type !== 'history') return []
  return [message.events.buffer as ArrayBuffer]
}
