/** What the load is put on. */
import type { PeerClient } from '../peers/peer.ts'

export interface Client extends PeerClient {
  /** Before each measurement: all is as its row says it is. */
  settle(): Promise<void>
  /** What has happened since, such as an election. */
  notes(): readonly string[]
}

/** How a program opens one: `connect(target)` of the module at this address. */
export interface ClientPlace {
  readonly module: string
  readonly target: string
}

interface ClientModule {
  connect(target: string): Promise<PeerClient | Client>
}

export async function openClient({ module, target }: ClientPlace): Promise<Client> {
  const { connect } = (await import(module)) as ClientModule
  const client = await connect(target)
  return 'settle' in client ? client : quiet(client)
}

/** Of a peer nothing more is known than what it answers. */
function quiet(client: PeerClient): Client {
  return {
    put: (key, value) => client.put(key, value),
    get: (key) => client.get(key),
    close: () => client.close(),
    settle: async () => undefined,
    notes: () => [],
  }
}
