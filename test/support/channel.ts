/** The client side of a node without its storage: what is asked can be looked at, and answered by hand. */
import type { TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { openPort, type Port } from '../../src/actor/port.ts'
import type { NetworkToStorage, StorageToNetwork } from '../../src/messages.ts'
import { defer } from './cleanup.ts'

export interface Channel {
  readonly port: Port<NetworkToStorage, StorageToNetwork>
  /** The other end. */
  readonly storage: Port<StorageToNetwork, NetworkToStorage>
}

export function openChannel(t: TestContext): Channel {
  const { port1, port2 } = new MessageChannel()
  const port = openPort<NetworkToStorage, StorageToNetwork>(port1)
  const storage = openPort<StorageToNetwork, NetworkToStorage>(port2)
  defer(t, () => port.close())
  return { port, storage }
}

/** When what was called in this turn of the event loop has been asked. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
