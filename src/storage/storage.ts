/**
 * The storage actor: consensus, log and state of one node, in turns.
 *
 *     drain the ports → step the core → send early → ONE durable log transaction → send late
 *     → ONE relaxed state transaction → results and events to main
 *
 * Whatever arrives while a turn writes is the next turn's batch: group commit without a timer. A turn runs
 * to its end without a pause, so what it asserts at its beginning holds.
 *
 * Any error stops the node at once: it neither votes nor acknowledges any more (service.ts).
 */

import type { Port } from '../actor/port.ts'
import { batchCount, batchOwner } from '../codec/command.ts'
import { packEntries, unpackEntries } from '../codec/record.ts'
import { errorToData, SkiffError, type SkiffErrorData } from '../errors.ts'
import type {
  CodecToStorage,
  MembershipChange,
  NetworkToStorage,
  NodeView,
  PeerAddress,
  StorageToCodec,
  StorageToNetwork,
  WireRpc,
} from '../messages.ts'
import { assert, unreachable } from '../raft/assert.ts'
import { decodeMembership } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Entry, Membership, NodeId } from '../raft/types.ts'
import type { BoardWriter } from './board.ts'
import type { Changes, Refusal } from './changes.ts'
import type { DiskSpace } from './disk-space.ts'
import type { LogStore } from './log-store.ts'
import { Outbox } from './outbox.ts'
import type { Proposals, Route } from './proposals.ts'
import type { Reads } from './reads.ts'
import { notSent, readTimeout, writeTimeout } from './refusals.ts'
import type { StateMachine } from './state-machine.ts'
import type { Watchers } from './watchers.ts'

/** What one command may cost in the state beside its own bytes: a page of the tree. */
const commandPageBytes = 4_096

export interface StoragePorts {
  readonly network: Port<StorageToNetwork, NetworkToStorage>
  /** Peers are spread over the codecs by their ids. */
  readonly codecs: readonly Port<StorageToCodec, CodecToStorage>[]
}

export interface StorageParts {
  readonly raft: Raft
  readonly log: LogStore
  readonly state: StateMachine
  readonly proposals: Proposals
  readonly reads: Reads
  readonly changes: Changes
  readonly watchers: Watchers
  readonly board: BoardWriter
  readonly space: DiskSpace
  /** Applied in one transaction; more wait for the next turn. */
  readonly applyEntriesMax: number
  readonly applyBytesMax: number
  /** The members as applied when the node was opened. */
  readonly members: Membership
  /** Calls back soon, but not before what has come meanwhile is in the ports. */
  readonly schedule: (turn: () => void) => void
}

export class Storage {
  readonly #ports: StoragePorts
  readonly #parts: StorageParts
  #members: Membership
  #wasMember: boolean
  readonly #outbox: Outbox
  #shownView = ''
  /** What the view was made of when it was last looked at. */
  #viewSources: readonly unknown[] = []
  #running = false
  /** There is more to do, though nothing new may come in. */
  #again = false
  #turnScheduled = false
  #failed: (error: SkiffErrorData) => void = () => undefined

  constructor(ports: StoragePorts, parts: StorageParts) {
    this.#ports = ports
    this.#parts = parts
    this.#outbox = new Outbox(ports.codecs)
    this.#members = parts.members
    this.#wasMember = parts.members.length > 0
  }

  /** Runs a turn whenever something waits. `failed` is called once, instead of any further turn. */
  start(failed: (error: SkiffErrorData) => void): void {
    this.#running = true
    this.#failed = failed
    this.#ports.network.onWaiting(this.#wake)
    for (const codec of this.#ports.codecs) codec.onWaiting(this.#wake)
    this.#wake()
  }

  stop(): void {
    this.#running = false
  }

  readonly #wake = (): void => {
    if (!this.#running || !this.#parts.board.enter()) return
    try {
      this.#turn()
    } catch (error) {
      this.#running = false
      this.#failed(errorToData(error))
    } finally {
      this.#parts.board.leave()
    }
  }

  #turn(): void {
    const { raft } = this.#parts
    this.#again = false
    for (const codec of this.#ports.codecs)
      for (const { from, rpc } of codec.receive()) this.#step(from, rpc)
    let ticked = false
    for (const message of this.#ports.network.receive()) {
      if (message.type === 'tick') ticked = true
      else this.#serve(message)
    }
    // Last, and at most one: what waited while we were stalled is heard before time is counted.
    if (ticked) this.#tick()
    do this.#runCore()
    while (raft.prepareTurn())
    if (this.#parts.watchers.pump()) this.#again = true
    this.#report()
    if (this.#again) this.#scheduleTurn()
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    this.#parts.schedule(() => {
      this.#turnScheduled = false
      this.#wake()
    })
  }

  /** The turn proper: the order of what follows is what makes a promise a promise. */
  #runCore(): void {
    const { raft, log, proposals, reads, space, applyEntriesMax, applyBytesMax } = this.#parts
    proposals.pump(this.#route())
    reads.pump(raft.status.term, (id) => raft.read(id))
    const refusals = this.#parts.changes.pump((to, id, change) => this.#askChange(to, id, change))
    this.#refuseChanges(refusals)

    const turn = raft.takeTurn()
    this.#publish()
    const block = packEntries(turn.write.entries)
    this.#outbox.send(turn.early)
    space.spend(block.length)
    log.write(turn.write, block)
    const settled = raft.settle()
    // What this write has committed is told to others before it is applied: no read here may miss it.
    this.#publish()
    this.#outbox.send(settled.late)
    for (const read of settled.reads) reads.confirm(read)
    this.#apply(raft.takeCommitted(applyEntriesMax, applyBytesMax))
  }

  #apply(entries: readonly Entry[]): void {
    const { state, log, proposals, watchers, space } = this.#parts
    const last = entries.at(-1)
    if (last === undefined) return
    // Asked of the disk itself: the core may be wrong about it.
    assert(last.index <= log.lastIndex, `apply ${last.index}, the disk ends at ${log.lastIndex}`)
    for (const entry of entries) space.spend(stateBytes(entry))
    const applied = state.apply(entries, watchers.isEmpty ? null : watchers)
    for (const entry of entries)
      if (entry.type === 'membership') this.#follow(decodeMembership(entry.bytes))
    for (const batch of applied) {
      const answer = proposals.applied(batch)
      if (answer !== null)
        this.#ports.network.post({ type: 'applied', ...answer }, [
          answer.revisions.buffer as ArrayBuffer,
        ])
    }
    this.#again ||= this.#parts.raft.hasCommitted
  }

  #follow(members: Membership): void {
    this.#members = members
    this.#wasMember ||= includes(members, this.#parts.raft.id)
  }

  /** Everything main must know by now, as one message. */
  #report(): void {
    const { reads, state, watchers } = this.#parts
    const { network } = this.#ports
    this.#publish()
    this.#showView()
    for (const message of watchers.takeMessages()) network.post(message, buffersOf(message))
    const ids = reads.release(state.appliedIndex)
    if (ids.length > 0) network.post({ type: 'readable', ids })
    network.flush()
  }

  #step(from: NodeId, rpc: WireRpc): void {
    const { raft, changes, space } = this.#parts
    switch (rpc.type) {
      case 'append':
        raft.step(from, { ...rpc, entries: unpackEntries(rpc.entries, rpc.entryCount) })
        return
      case 'forward':
        // Only for our log, and only while we lead: its owner will send it again. Nobody else's to send.
        if (space.trouble === null && batchOwner(rpc.batch).node === from) raft.propose(rpc.batch)
        return
      case 'change':
        this.#outbox.post(from, {
          type: 'changeReply',
          id: rpc.id,
          answer: changes.asked(from, rpc.change),
        })
        return
      case 'changeReply':
        this.#refuseChanges([changes.answered(rpc.id, rpc.answer)])
        return
      default:
        raft.step(from, rpc)
    }
  }

  #serve(message: Exclude<NetworkToStorage, { type: 'tick' }>): void {
    const { raft, proposals, reads, changes, watchers } = this.#parts
    switch (message.type) {
      case 'propose':
        this.#propose(message.batch, message.bytes)
        return
      case 'cancel':
        this.#cancelBatch(message.batch)
        return
      case 'read':
        reads.add(message.id)
        return
      case 'cancelRead':
        this.#cancelRead(message.id)
        return
      case 'watch':
        watchers.add(message.id, message.prefix, message.fromRevision, message.previous)
        return
      case 'unwatch':
        watchers.remove(message.id)
        return
      case 'consumed':
        watchers.consumed(message.id, message.bytes)
        return
      case 'change':
        changes.add(message.id, message.change, message.via)
        return
      case 'cancelChange':
        changes.cancel(message.id)
        return
      case 'peer':
        raft.linkLost(message.id)
        if (message.id === raft.status.leaderId) proposals.resend()
        return
      default:
        unreachable(message)
    }
  }

  #tick(): void {
    const { raft, proposals, reads, changes, space } = this.#parts
    raft.tick()
    proposals.tick(this.#route())
    reads.tick()
    changes.tick()
    space.tick()
  }

  #propose(batch: number, bytes: Uint8Array): void {
    const { proposals, space } = this.#parts
    const { trouble } = space
    if (trouble === null) proposals.add(batch, bytes)
    else this.#refuse(batch, new SkiffError('SKIFF_STORAGE', 'not-applied', trouble))
  }

  #cancelBatch(batch: number): void {
    const { leaderId } = this.#parts.raft.status
    const fate = this.#parts.proposals.cancel(batch)
    if (fate === 'sent') this.#refuse(batch, writeTimeout(leaderId))
    else if (fate === 'dropped') this.#refuse(batch, notSent(leaderId))
  }

  #cancelRead(id: number): void {
    const { leaderId } = this.#parts.raft.status
    const fate = this.#parts.reads.cancel(id)
    if (fate === 'done') return
    const neverAsked = fate === 'waiting' && leaderId === null
    const error = neverAsked ? notSent(null) : readTimeout(leaderId)
    this.#ports.network.post({ type: 'readRefused', id, error: errorToData(error) })
  }

  #refuse(batch: number, error: SkiffError): void {
    this.#ports.network.post({ type: 'refused', batch, error: errorToData(error) })
  }

  #refuseChanges(refusals: readonly (Refusal | null)[]): void {
    for (const refusal of refusals) {
      if (refusal !== null) this.#ports.network.post({ type: 'changeRefused', ...refusal })
    }
  }

  #route(): Route {
    const { raft } = this.#parts
    const { leaderId, term } = raft.status
    if (raft.isLeader)
      return { leaderId, term, isLossy: false, send: (batch) => raft.propose(batch) }
    const forward = (batch: Uint8Array): boolean => {
      if (leaderId !== null) this.#outbox.post(leaderId, { type: 'forward', batch })
      return leaderId !== null
    }
    return { leaderId, term, isLossy: true, send: forward }
  }

  #askChange(to: NodeId, id: number, change: MembershipChange): void {
    this.#outbox.post(to, { type: 'change', id, change })
  }

  #publish(): void {
    const { raft, state, board } = this.#parts
    const { term, commitIndex, lastIndex } = raft.status
    board.write({
      term,
      commitIndex,
      lastIndex,
      appliedIndex: state.appliedIndex,
      revision: state.revision,
      // Applied, too: else a read here would miss what was acknowledged before we were started.
      leadsAlone: raft.leadsAlone && state.appliedIndex === commitIndex ? 1 : 0,
    })
  }

  #showView(): void {
    const { raft, changes, watchers } = this.#parts
    const { role, term, leaderId } = raft.status
    const { members: latest } = raft.membership
    const sources = [
      role,
      term,
      leaderId,
      this.#members,
      latest,
      ...raft.leaving,
      ...changes.contacts,
    ]
    if (sameItems(sources, this.#viewSources)) return
    this.#viewSources = sources
    // While the log still brings us back, as when an old one is applied again, we are not out.
    watchers.follow(
      this.#wasMember && ![this.#members, latest].some((all) => includes(all, raft.id)),
    )
    const view: NodeView = { role, term, leaderId, members: this.#members }
    // Also those whose removal is not committed yet: a leader among them waits for our acknowledgement.
    const members = [...this.#members, ...latest, ...raft.leaving]
    const wanted = [...changes.contacts, ...members]
    const peers = new Map<NodeId, PeerAddress>()
    for (const { id, address } of wanted) if (id !== raft.id) peers.set(id, { id, address })
    const message: StorageToNetwork = { type: 'view', view, peers: [...peers.values()] }
    const shown = JSON.stringify(message)
    if (shown === this.#shownView) return
    this.#shownView = shown
    this.#ports.network.post(message)
  }
}

function stateBytes({ type, bytes }: Entry): number {
  return bytes.length + (type === 'batch' ? batchCount(bytes) * commandPageBytes : 0)
}

function includes(members: Membership, node: NodeId): boolean {
  return members.some(({ id }) => id === node)
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}

function buffersOf(message: StorageToNetwork): ArrayBuffer[] {
  if (message.type !== 'events' && message.type !== 'history') return []
  return [message.events.buffer as ArrayBuffer]
}
