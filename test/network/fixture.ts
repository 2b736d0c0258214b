/** Nodes of nothing but a network, that keep what they hear. */
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { PeerAddress } from '../../src/messages.ts'
import { type Hello, nonceBytes } from '../../src/network/hello.ts'
import { type LocalIdentity, Network } from '../../src/network/network.ts'
import type { Transport } from '../../src/options.ts'
import { lineageMax } from '../../src/raft/lineage.ts'
import { until } from '../support/until.ts'

export const clusterA: string = 'a'.repeat(32)
export const clusterB: string = 'b'.repeat(32)
export const transports: readonly Transport[] = ['uws', 'ws']

export interface Heard {
  readonly frames: { readonly from: string; readonly bytes: Uint8Array }[]
  readonly peers: { readonly id: string; readonly up: boolean }[]
  readonly adopted: string[]
  /** Who was let in, as it was stored. */
  readonly met: Map<string, number>
  /** What was heard of being a copy. */
  readonly disowned: string[]
}

export interface TestNode extends Heard {
  readonly id: string
  readonly network: Network
  readonly identity: LocalIdentity
  readonly peer: PeerAddress
  /** Is the link to this node up? */
  linked(to: TestNode): boolean
}

export interface NodeOptions {
  readonly transport: Transport
  readonly id?: string
  readonly incarnation?: number
  /** By default all that a number can come after. */
  readonly ancestors?: readonly number[]
  readonly met?: ReadonlyMap<string, number>
  readonly clusterId?: string | null
  readonly secret?: string
  readonly port?: number
  readonly adoptable?: boolean
  readonly adopt?: (clusterId: string) => Promise<void>
}

/** Closed at the end of the test, like everything it is linked to. */
export async function openNode(test: TestContext, options: NodeOptions): Promise<TestNode> {
  const { transport, id = nodeId(), incarnation = 1, clusterId = clusterA } = options
  const { secret = 'open sesame', port = 0, adoptable = false } = options
  const { ancestors = before(incarnation), met = new Map() } = options
  const network = await Network.listen({ host: '127.0.0.1', port, secret, transport })
  test.after(() => network.close())
  const identity: LocalIdentity = {
    nodeId: id,
    incarnation,
    ancestors,
    clusterId,
    address: `127.0.0.1:${network.port}`,
  }
  const heard: Heard = { frames: [], peers: [], adopted: [], met: new Map(met), disowned: [] }
  const events = {
    frame: (from: string, bytes: Uint8Array) => heard.frames.push({ from, bytes }),
    peer: (id: string, up: boolean) => heard.peers.push({ id, up }),
    adopt: async (id: string) => {
      await options.adopt?.(id)
      heard.adopted.push(id)
    },
    meet: async (id: string, incarnation: number) => void heard.met.set(id, incarnation),
    disowned: ({ message }: Error) => heard.disowned.push(message),
  }
  network.start(identity, events, { adoptable, met })
  const peer = { id, address: identity.address }
  const linked = (to: TestNode) => network.links().some((link) => link.id === to.id && link.up)
  return { ...heard, id, network, identity, peer, linked }
}

export function nodeId(): string {
  return randomBytes(8).toString('hex')
}

export async function link(from: TestNode, to: TestNode): Promise<void> {
  from.network.setPeers([to.peer])
  await until(() => from.linked(to), `link ${from.id} → ${to.id}`)
}

/** What the one link of this node has to say about its failure. */
export function failureOf(node: TestNode): string {
  return node.network.links()[0]?.reason ?? ''
}

/** Started from one directory, again and again: 1, 2, 3 … */
function before(incarnation: number): number[] {
  const first = Math.max(1, incarnation - lineageMax + 1)
  return Array.from({ length: incarnation - first }, (_, n) => first + n)
}

/** A hello of a node that exists only on paper. */
export function helloOf(fields: Partial<Hello> = {}): Hello {
  return {
    purpose: 'link',
    nodeId: '1111111111111111',
    incarnation: 1,
    ancestors: before(fields.incarnation ?? 1),
    address: '127.0.0.1:1',
    clusterId: clusterA,
    expectedId: null,
    nonce: randomBytes(nonceBytes),
    ...fields,
  }
}
