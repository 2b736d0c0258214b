/**
 * The way past the codec. A thread more on the way of a frame costs two wake-ups, each as much as coding 50 KiB; so storage
 * codes short frames itself, and only long ones go by the codec, beside everything else. What goes past them must not
 * overtake them: Raft would take it for a loss.
 */
import type { Port } from '../actor/port.ts'
import type {
  CodecToNetwork,
  CodecToStorage,
  NetworkToCodec,
  PeersToStorage,
  StorageToCodec,
  StorageToPeers,
  WireRpc,
} from '../messages.ts'
import { shortFrameBytesMax } from '../options.ts'
import type { NodeId } from '../raft/types.ts'
import { bulkOf, encodeFrame, tryDecodeFrame } from './frame.ts'
import { InOrder, Places } from './places.ts'

/** Storage's end: RPCs, whoever codes them. */
export class StorageLane implements Port<StorageToPeers, PeersToStorage> {
  readonly #codec: Port<StorageToCodec, CodecToStorage>
  readonly #direct: Port<CodecToNetwork, NetworkToCodec>
  readonly #places = new Places()
  readonly #inOrder = new InOrder<WireRpc | null>()

  constructor(
    codec: Port<StorageToCodec, CodecToStorage>,
    direct: Port<CodecToNetwork, NetworkToCodec>,
  ) {
    this.#codec = codec
    this.#direct = direct
  }

  post({ to: peers, rpc }: StorageToPeers, move?: readonly ArrayBuffer[]): void {
    const to = peers.map((peer) => this.#places.next(peer))
    if ((bulkOf(rpc)?.length ?? 0) > shortFrameBytesMax) {
      this.#codec.post({ type: 'rpc', to, rpc }, move)
      return
    }
    const bytes = encodeFrame(rpc)
    this.#direct.post({ type: 'frame', to, bytes }, [bytes.buffer])
  }

  flush(): void {
    this.#direct.flush()
    this.#codec.flush()
  }

  onWaiting(wake: () => void): void {
    this.#direct.onWaiting(wake)
    this.#codec.onWaiting(wake)
  }

  receive(): readonly PeersToStorage[] {
    const messages: PeersToStorage[] = []
    const take = ({ from, rpc }: CodecToStorage): void => {
      for (const each of this.#inOrder.arrived(from, rpc))
        if (each !== null) messages.push({ type: 'rpc', from: from.peer, rpc: each })
    }
    for (const frame of this.#direct.receive()) take(this.#decode(frame))
    for (const message of this.#codec.receive()) take(message)
    return messages
  }

  onClosed(ended: () => void): void {
    this.#codec.onClosed(ended)
  }

  close(): void {
    this.#direct.close()
    this.#codec.close()
  }

  #decode({ from, bytes }: NetworkToCodec): CodecToStorage {
    const rpc = tryDecodeFrame(bytes, (reason) => {
      this.#direct.post({ type: 'malformed', from: from.peer, reason })
      // A turn in which nothing else is sent would not.
      this.#direct.flush()
    })
    return { type: 'rpc', from, rpc }
  }
}

/** Main's end: frames, unread. */
export class NetworkLane {
  readonly #codec: Port<NetworkToCodec, CodecToNetwork>
  readonly #direct: Port<NetworkToCodec, CodecToNetwork>
  readonly #places = new Places()
  readonly #inOrder = new InOrder<Uint8Array>()

  constructor(
    codec: Port<NetworkToCodec, CodecToNetwork>,
    direct: Port<NetworkToCodec, CodecToNetwork>,
  ) {
    this.#codec = codec
    this.#direct = direct
  }

  /** The bytes are moved. */
  post(peer: NodeId, bytes: Uint8Array): void {
    const way = bytes.length > shortFrameBytesMax ? this.#codec : this.#direct
    const from = this.#places.next(peer)
    way.post({ type: 'frame', from, bytes }, [bytes.buffer as ArrayBuffer])
  }

  flush(): void {
    this.#direct.flush()
    this.#codec.flush()
  }

  hear(listener: FrameListener): void {
    for (const port of [this.#direct, this.#codec])
      port.onWaiting(() => {
        // All have their places before any is sent: whatever became of that, none would be missed for ever.
        const due = port.receive().flatMap((message) => this.#take(message, listener))
        for (const { peer, bytes } of due) listener.send(peer, bytes)
      })
  }

  close(): void {
    this.#direct.close()
    this.#codec.close()
  }

  #take(message: CodecToNetwork, { malformed }: FrameListener): readonly Due[] {
    if (message.type === 'malformed') {
      malformed(message.from, message.reason)
      return []
    }
    return message.to.flatMap((place) =>
      this.#inOrder
        .arrived(place, message.bytes)
        .map((bytes): Due => ({ peer: place.peer, bytes })),
    )
  }
}

interface Due {
  readonly peer: NodeId
  readonly bytes: Uint8Array
}

export interface FrameListener {
  send(to: NodeId, bytes: Uint8Array): void
  malformed(from: NodeId, reason: string): void
}
