import type { MessagePort } from 'node:worker_threads'
import { openPort } from '../actor/port.ts'
import type { CodecToNetwork, CodecToStorage, NetworkToCodec, StorageToCodec } from '../messages.ts'
import { runCodec } from './codec.ts'

/** What a codec actor is started with. */
export interface CodecInit {
  readonly network: MessagePort
  readonly storage: MessagePort
}

/** Runs the actor; settles when the network closes its port, rejects when the actor fails. */
export function hostCodec(init: CodecInit): Promise<void> {
  return new Promise((resolve, reject) => {
    const network = openPort<CodecToNetwork, NetworkToCodec>(init.network)
    const storage = openPort<CodecToStorage, StorageToCodec>(init.storage)
    runCodec({ network, storage }, reject)
    network.onClosed(() => {
      storage.close()
      resolve()
    })
  })
}
