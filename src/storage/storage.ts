/**
 * The storage actor: consensus, log and state of one node, in turns.
 *
 *     drain the ports → step the core → send early → ONE durable log transaction → send late
 *     → relaxed state transactions, each with its results to main → events to main
 *
 * Whatever arrives while a turn writes is the next turn's batch: group commit without a timer. A turn runs
 * to its end without a pause, so what it asserts at its beginning holds.
 *
 * Any error stops the node at once: it neither votes nor acknowledges any more (service.ts).
 */

import type { Port } from '../actor/port.ts'
import { batchOwner } from '../codec/command.ts'
import { packEntries, recordBytes, unpackEntries } from '../codec/record.ts'
import { errorToData, SkiffError, type SkiffErrorData } from '../errors.ts'
import type {
  NetworkToStorage,
  PeersToStorage,
  StorageToNetwork,
  StorageToPeers,
  WireRpc,
} from '../messages.ts'
import { assert, unreachable } from '../raft/assert.ts'
import { decodeConfiguration } from '../raft/membership.ts'
import type { Entry, NodeId, SnapshotMark } from '../raft/types.ts'
import type { ChangeResult } from './changes.ts'
import { stateBytes } from './disk-space.ts'
import { isHealthRpc } from './health.ts'
import { Outbox } from './outbox.ts'
import type { StorageParts } from './parts.ts'
import type { Route } from './proposals.ts'
import { answerLost, notSent, readTimeout, writeTimeout } from './refusals.ts'
import { Restoring } from './restoring.ts'
import { slicesOf } from './slices.ts'
import type { AppliedBatch } from './state-machine.ts'
import { View } from './view.ts'
import { buffersOf } from './watchers.ts'

export interface StoragePorts {
  readonly network: Port<StorageToNetwork, NetworkToStorage>
  /** Peers are spread over them by their ids. */
  readonly lanes: readonly Port<StorageToPeers, PeersToStorage>[]
}

export class Storage {
  readonly #ports: StoragePorts
  readonly #parts: StorageParts
  readonly #outbox: Outbox
  readonly #view: View
  readonly #restoring: Restoring
  #running = false
  /** There is more to do, though nothing new may come in. */
  #again = false
  #turnScheduled = false
  #failed: (error: SkiffErrorData) => void = () => undefined

  constructor(ports: StoragePorts, parts: StorageParts) {
    this.#ports = ports
    this.#parts = parts
    this.#outbox = new Outbox(ports.lanes)
    this.#view = new View(parts)
    this.#restoring = new Restoring(parts, {
      network: ports.network,
      view: this.#view,
      send: (to, rpc) => this.#outbox.post(to, rpc),
      lost: (batch) => this.#refuse(batch, answerLost()),
      publish: () => this.#publish(),
    })
  }

  /** Runs a turn whenever something waits. `failed` is called once, instead of any further turn. */
  start(failed: (error: SkiffErrorData) => void): void {
    this.#running = true
    this.#failed = failed
    this.#ports.network.onWaiting(this.#wake)
    for (const lane of this.#ports.lanes) lane.onWaiting(this.#wake)
    this.#wake()
  }

  stop(): void {
    this.#running = false
    this.#parts.snapshots.close()
  }

  /** Takes a snapshot now; tells what came of it. */
  snapshot(done: (outcome: SnapshotMark | Error) => void): void {
    this.#parts.snapshots.ask(done)
    this.poke()
  }

  /** Before this node closes: `done` once another leads, or nobody else can. */
  handOver(done: () => void): void {
    this.#parts.succession.leave(done)
    this.poke()
  }

  /** Something was finished aside of the turns. */
  poke(): void {
    if (this.#running) this.#scheduleTurn()
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
    this.#restoring.pumpSnapshots()
    for (const lane of this.#ports.lanes)
      for (const { from, rpc } of lane.receive()) this.#step(from, rpc)
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
    this.#parts.succession.pump((to, reason) => {
      this.#outbox.post(to, { type: 'forwardRefused', reason })
    })
    proposals.pump(this.#route())
    reads.pump(raft.status.term, (id) => raft.read(id))
    this.#tellChanges(this.#parts.changes.pump((to, request) => this.#outbox.post(to, request)))

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
    for (const chunk of turn.chunks) this.#restoring.keepChunk(chunk)
    if (!this.#restoring.isStateBad) this.#apply(raft.takeCommitted(applyEntriesMax, applyBytesMax))
    this.#restoring.pump()
  }

  /** In slices: callers hear of each, and may ask for more, while the next is applied. */
  #apply(entries: readonly Entry[]): void {
    for (const slice of slicesOf(entries)) {
      this.#applySlice(slice)
      // An answer may be followed by a read here.
      this.#publish()
      this.#ports.network.flush()
    }
    this.#again ||= this.#parts.raft.hasCommitted
  }

  #applySlice(entries: readonly Entry[]): void {
    const { log, proposals, space, snapshots } = this.#parts
    const last = entries.at(-1)?.index ?? 0
    // Asked of the disk itself: the core may be wrong about it.
    assert(last <= log.lastIndex, `apply ${last}, the disk ends at ${log.lastIndex}`)
    for (const entry of entries) {
      space.spend(stateBytes(entry))
      snapshots.applied(recordBytes(entry))
      if (entry.type === 'membership') this.#view.applied(decodeConfiguration(entry.bytes))
    }
    for (const batch of this.#applyAll(entries)) {
      const answer = proposals.applied(batch)
      if (answer !== null)
        this.#ports.network.post({ type: 'applied', ...answer }, [
          answer.revisions.buffer as ArrayBuffer,
        ])
    }
  }

  #applyAll(entries: readonly Entry[]): readonly AppliedBatch[] {
    const { state, watchers, log, distrust } = this.#parts
    try {
      return state.apply(entries, watchers.isEmpty ? null : watchers, log.base.index + 1)
    } catch (error) {
      // Whatever the state does not take, it may be the state: started again on it, the node would stop again.
      distrust()
      throw error
    }
  }

  /** Everything main must know by now, as one message. */
  #report(): void {
    const { reads, state, watchers } = this.#parts
    const { network } = this.#ports
    this.#publish()
    const view = this.#view.take()
    if (view !== null) network.post(view)
    for (const message of watchers.takeMessages()) network.post(message, buffersOf(message))
    const ids = this.#restoring.isStateBad ? [] : reads.release(state.appliedIndex)
    if (ids.length > 0) network.post({ type: 'readable', ids })
    network.flush()
  }

  #step(from: NodeId, rpc: WireRpc): void {
    const { raft, changes, proposals, succession } = this.#parts
    switch (rpc.type) {
      case 'append':
        raft.step(from, { ...rpc, entries: unpackEntries(rpc.entries, rpc.entryCount) })
        return
      case 'forward':
        // Nobody else's to send.
        if (batchOwner(rpc.batch).node === from) succession.forward(from, rpc.batch)
        return
      case 'forwardRefused':
        if (from !== raft.status.leaderId) return
        for (const { batch, outcome } of proposals.refuse(rpc.reason))
          this.#refuse(batch, new SkiffError('SKIFF_STORAGE', outcome, rpc.reason))
        return
      case 'change': {
        const answer = changes.asked(from, rpc.change)
        this.#outbox.post(from, { type: 'changeReply', id: rpc.id, answer })
        return
      }
      case 'plan': {
        const answer = changes.forecast(rpc.change)
        this.#outbox.post(from, { type: 'changeReply', id: rpc.id, answer })
        return
      }
      case 'changeReply':
        this.#tellChanges([changes.answered(rpc.id, rpc.answer)])
        return
      default:
        if (isHealthRpc(rpc)) this.#restoring.step(from, rpc)
        else raft.step(from, rpc)
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
      case 'plan':
        changes.plan(message.id, message.change)
        return
      case 'cancelChange':
        changes.cancel(message.id)
        return
      case 'peer':
        raft.linkLost(message.id)
        if (message.id !== raft.status.leaderId) return
        proposals.resend()
        reads.askAgain()
        return
      default:
        unreachable(message)
    }
  }

  #tick(): void {
    const { raft, proposals, reads, changes, space, succession } = this.#parts
    raft.tick()
    this.#parts.snapshots.tick()
    this.#restoring.tick()
    proposals.tick(this.#route())
    reads.tick()
    changes.tick()
    space.tick()
    succession.tick()
  }

  #propose(batch: number, bytes: Uint8Array): void {
    const { proposals, space } = this.#parts
    const reason = space.trouble ?? proposals.refusal
    if (reason === null) proposals.add(batch, bytes)
    else this.#refuse(batch, new SkiffError('SKIFF_STORAGE', 'not-applied', reason))
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

  #tellChanges(results: readonly (ChangeResult | null)[]): void {
    for (const result of results) if (result !== null) this.#ports.network.post(result)
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

  #publish(): void {
    const { raft, state, log, board, snapshots, stateGeneration } = this.#parts
    const { term, commitIndex, lastIndex } = raft.status
    board.write({
      term,
      commitIndex,
      lastIndex,
      appliedIndex: state.appliedIndex,
      revision: state.revision,
      firstIndex: log.base.index + 1,
      snapshotIndex: snapshots.newest?.index ?? 0,
      // Applied, too: else a read here would miss what was acknowledged before we were started.
      repairs: this.#restoring.repairs,
      stateGeneration: stateGeneration(),
      stateBad: this.#restoring.isStateBad ? 1 : 0,
      leadsAlone: raft.leadsAlone && state.appliedIndex === commitIndex ? 1 : 0,
    })
  }
}
