/**
 * The codec actor: frames from the network become RPCs for storage, RPCs from storage become frames. It
 * keeps nothing between two messages, so a node may run several. What a peer gets wrong ends that peer's
 * link; any other error is ours, and ends the actor.
 */
import type { Port } from '../actor/port.ts'
import type { CodecToNetwork, CodecToStorage, NetworkToCodec, StorageToCodec } from '../messages.ts'
import { exact } from './bytes.ts'
import { bulkOf, encodeFrame, tryDecodeFrame } from './frame.ts'

export interface CodecPorts {
  readonly network: Port<CodecToNetwork, NetworkToCodec>
  readonly storage: Port<CodecToStorage, StorageToCodec>
}

/** Runs until its ports are closed. `failed` hears of an error that is ours. */
export function runCodec({ network, storage }: CodecPorts, failed: (error: unknown) => void): void {
  listen(network, () => {
    for (const frame of network.receive()) decode(frame)
    storage.flush()
    network.flush()
  })

  listen(storage, () => {
    for (const { to, rpc } of storage.receive()) {
      const bytes = encodeFrame(rpc)
      network.post({ type: 'frame', to, bytes }, [bytes.buffer])
    }
    network.flush()
  })

  function listen(port: { onWaiting(wake: () => void): void }, turn: () => void): void {
    port.onWaiting(() => {
      try {
        turn()
      } catch (error) {
        failed(error)
      }
    })
  }

  function decode({ from, bytes }: NetworkToCodec): void {
    // Cloning a view would clone all of the memory it looks at; what shares its memory is copied once.
    const frame = exact(bytes)
    const rpc = tryDecodeFrame(frame, (reason) => {
      network.post({ type: 'malformed', from: from.peer, reason })
    })
    const isCarrier = rpc !== null && bulkOf(rpc) !== null
    storage.post({ type: 'rpc', from, rpc }, isCarrier ? [frame.buffer] : [])
  }
}
