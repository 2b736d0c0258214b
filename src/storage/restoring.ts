/**
 * What takes the place of the state while the node runs: a snapshot from the leader, or one that is made anew
 * because the state was found to be wrong (health.ts). Whoever waits here, reads or watches is told what that
 * means for it.
 */
import type { Port } from '../actor/port.ts'
import type { NetworkToStorage, StorageToNetwork, WireRpc } from '../messages.ts'
import type { ReceivedChunk } from '../raft/snapshot.ts'
import type { NodeId, SnapshotMark } from '../raft/types.ts'
import { Health, type HealthRpc } from './health.ts'
import type { StorageParts } from './parts.ts'
import type { View } from './view.ts'

export interface Surroundings {
  readonly network: Port<StorageToNetwork, NetworkToStorage>
  readonly view: View
  send(to: NodeId, rpc: WireRpc): void
  /** The answer to this batch was lost: what came of it is in no snapshot. */
  lost(batch: number): void
  /** Shows main the numbers of now. */
  publish(): void
}

export class Restoring {
  readonly #parts: StorageParts
  readonly #around: Surroundings
  readonly #health: Health
  #mending = false
  /** It was lost while it was in use, for it was wrong. */
  #wasWrong = false

  constructor(parts: StorageParts, around: Surroundings) {
    this.#parts = parts
    this.#around = around
    this.#health = new Health(parts, {
      send: (to, rpc) => around.send(to, rpc),
      found: (reason) => this.#found(reason),
      stuck: (reason) => this.#say(`SKIFF_STORAGE: the state is lost, and ${reason}`),
      remade: (generation, same) => this.#remade(generation, same),
    })
    if (parts.raft.stateLost) parts.watchers.pause()
  }

  /** Nobody may read the state: it is wrong, or gone. */
  get isStateBad(): boolean {
    return this.#mending || this.#parts.raft.stateLost
  }

  get repairs(): number {
    return this.#health.repairs
  }

  tick(): void {
    this.#health.tick()
  }

  step(from: NodeId, rpc: HealthRpc): void {
    this.#health.step(from, rpc)
  }

  /** After what was to be applied. */
  pump(): void {
    this.#health.pump()
  }

  keepChunk(chunk: ReceivedChunk): void {
    const { raft, snapshots, space } = this.#parts
    space.spend(chunk.chunk.length)
    const held = snapshots.receive(chunk)
    if (held !== null) raft.chunkStored(chunk.from, chunk.snapshot, held)
  }

  /** What was finished aside of the turns: one of our own, or one from the leader. */
  pumpSnapshots(): void {
    const { raft, snapshots } = this.#parts
    snapshots.pump(raft.snapshotsInUse)
    const received = snapshots.takeReceived()
    if (received === null) return
    const { from, snapshot, isWhole } = received
    if (isWhole && !raft.wants(snapshot)) return
    if (!isWhole || !this.#install(snapshot)) raft.chunkStored(from, snapshot, 0)
  }

  /** False: it is damaged. */
  #install(snapshot: SnapshotMark): boolean {
    const { raft, snapshots, watchers } = this.#parts
    const wasLost = raft.stateLost
    const generation = this.#parts.install(snapshot)
    if (generation === null) return false
    snapshots.stateReplaced()
    snapshots.installed(snapshot)
    if (wasLost) watchers.resume()
    if (this.#wasWrong) watchers.endDamaged()
    this.#wasWrong = false
    watchers.restored()
    this.#health.replaced()
    this.#announce(generation)
    return true
  }

  #found(reason: string): void {
    this.#mending = true
    this.#around.publish()
    this.#say(reason)
  }

  #say(reason: string): void {
    this.#around.network.post({ type: 'stateFound', reason })
  }

  #remade(generation: number | null, same: boolean): void {
    const { watchers } = this.#parts
    this.#mending = false
    watchers.pause()
    this.#wasWrong = generation === null
    if (generation === null) return
    watchers.resume()
    if (!same) watchers.endDamaged()
    this.#announce(generation)
  }

  #announce(generation: number): void {
    const { raft, state, proposals, incarnation } = this.#parts
    this.#around.view.applied(state.membership)
    this.#around.network.post({ type: 'stateReplaced', generation })
    for (const batch of proposals.skipTo(state.lastSequence(raft.id, incarnation)))
      this.#around.lost(batch)
  }
}
