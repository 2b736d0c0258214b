/** What a simulated node is made of while it lives, and what it may do to the world around it. */
import type {
  NetworkToStorage,
  PeersToStorage,
  StorageToNetwork,
  StorageToPeers,
  WireRpc,
} from '../../src/messages.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { NodeId } from '../../src/raft/types.ts'
import type { BoardReader } from '../../src/storage/board.ts'
import type { Opened } from '../../src/storage/opening.ts'
import type { StateMachine } from '../../src/storage/state-machine.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { SimulatedMain } from './main.ts'
import type { Write } from './memory.ts'
import type { SimulatedNode } from './node.ts'
import type { MemoryPort } from './port.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Sights } from './sights.ts'
import type { Swarm } from './swarm.ts'
import type { Truth } from './truth.ts'

/** What a node does to the world around it; implemented by the cluster. */
export interface NodeWorld {
  readonly schedule: Schedule
  readonly random: Random
  readonly swarm: Swarm
  readonly truth: Truth
  readonly sights: Sights
  readonly nodes: ReadonlyMap<NodeId, SimulatedNode>
  /** False once everything has healed. */
  readonly faulty: boolean
  send(from: NodeId, to: NodeId, rpc: WireRpc, delay: number): void
  onSend(node: SimulatedNode, to: NodeId, rpc: WireRpc): void
  onLogWrite(node: SimulatedNode, writes: readonly Write[]): void
  onTurn(node: SimulatedNode, life: Life): void
  onRead(): void
  onDeath(node: SimulatedNode, how: string): void
  say(line: () => string): void
}

/** From one start to the next death. */
export interface Life {
  readonly opened: Opened
  readonly raft: Raft
  readonly state: StateMachine
  readonly storage: Storage
  readonly network: MemoryPort<StorageToNetwork, NetworkToStorage>
  readonly lanes: readonly MemoryPort<StorageToPeers, PeersToStorage>[]
  readonly board: BoardReader
  readonly main: SimulatedMain
}

export function copyOf(rpc: WireRpc): WireRpc {
  if (rpc.type === 'append') return { ...rpc, entries: Uint8Array.from(rpc.entries) }
  if (rpc.type === 'forward') return { ...rpc, batch: Uint8Array.from(rpc.batch) }
  return rpc
}
