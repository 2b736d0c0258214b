/** How RPCs reach the codecs: to the one that serves the peer, encoded once for all on the same. */
import { type Port, pick } from '../actor/port.ts'
import { packEntries } from '../codec/record.ts'
import type { PeersToStorage, StorageToPeers, WireRpc } from '../messages.ts'
import type { Outgoing, Rpc } from '../raft/rpc.ts'
import type { NodeId } from '../raft/types.ts'

type CodecPort = Port<StorageToPeers, PeersToStorage>

export class Outbox {
  readonly #codecs: readonly CodecPort[]

  constructor(codecs: readonly CodecPort[]) {
    this.#codecs = codecs
  }

  /** Sends these, and whatever was posted before. */
  send(outgoing: readonly Outgoing[]): void {
    for (const { to, rpc } of outgoing) this.#toAll(to, rpc)
    for (const codec of this.#codecs) codec.flush()
  }

  /** Leaves with the next `send`. */
  post(to: NodeId, rpc: WireRpc): void {
    pick(this.#codecs, to).post({ type: 'rpc', to: [to], rpc })
  }

  #toAll(to: readonly NodeId[], rpc: Rpc): void {
    const groups = new Map<CodecPort, NodeId[]>()
    for (const id of to) {
      const codec = pick(this.#codecs, id)
      groups.set(codec, [...(groups.get(codec) ?? []), id])
    }
    for (const [codec, ids] of groups) {
      if (rpc.type !== 'append') {
        codec.post({ type: 'rpc', to: ids, rpc })
        continue
      }
      const entries = packEntries(rpc.entries)
      const wire = { ...rpc, entryCount: rpc.entries.length, entries }
      codec.post({ type: 'rpc', to: ids, rpc: wire }, [entries.buffer])
    }
  }
}
