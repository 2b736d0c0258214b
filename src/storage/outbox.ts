/** How RPCs reach the peers: by the lane that serves each, encoded once for all on the same. */
import { type Port, pick } from '../actor/port.ts'
import { packEntries } from '../codec/record.ts'
import type { PeersToStorage, StorageToPeers, WireRpc } from '../messages.ts'
import type { Outgoing, Rpc } from '../raft/rpc.ts'
import type { NodeId } from '../raft/types.ts'

type Lane = Port<StorageToPeers, PeersToStorage>

export class Outbox {
  readonly #lanes: readonly Lane[]

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes
  }

  /** Sends these, and whatever was posted before. */
  send(outgoing: readonly Outgoing[]): void {
    for (const { to, rpc } of outgoing) this.#toAll(to, rpc)
    for (const lane of this.#lanes) lane.flush()
  }

  /** Leaves with the next `send`. */
  post(to: NodeId, rpc: WireRpc): void {
    pick(this.#lanes, to).post({ type: 'rpc', to: [to], rpc })
  }

  #toAll(to: readonly NodeId[], rpc: Rpc): void {
    const groups = new Map<Lane, NodeId[]>()
    for (const id of to) {
      const lane = pick(this.#lanes, id)
      groups.set(lane, [...(groups.get(lane) ?? []), id])
    }
    for (const [lane, ids] of groups) {
      if (rpc.type !== 'append') {
        lane.post({ type: 'rpc', to: ids, rpc })
        continue
      }
      const entries = packEntries(rpc.entries)
      const wire = { ...rpc, entryCount: rpc.entries.length, entries }
      lane.post({ type: 'rpc', to: ids, rpc: wire }, [entries.buffer])
    }
  }
}
