/** What can be measured: ours in each of its ways, and the peers. */
import { fileURLToPath } from 'node:url'
import type { ClientPlace } from '../load/client.ts'
import type { Peer, RunningPeer } from '../peers/peer.ts'

export interface System {
  /** As in the tables. */
  readonly name: string
  readonly nodes: number
  /** Its processes can be stopped (SIGSTOP) while others are measured, without an election when they go on. */
  readonly canPause: boolean
  /** Why it cannot be measured here, or `null`. */
  unavailable(): string | null
  start(dir: string): Promise<RunningSystem>
}

export interface RunningSystem {
  readonly place: ClientPlace
  /** Of its processes, without the one that makes the load. */
  readonly pids: readonly number[]
  /** The program that makes the load holds the store, or one of its members: what it spends is the system's. */
  readonly isEmbedded: boolean
  /** Changes with every election; `null` where nobody is elected, or the client tells itself. */
  reign(): Promise<string | null>
  stop(): Promise<void>
}

/** A module of bench/peers, and which of its peers. */
export function peerSystem(peer: Peer, module: string, canPause: boolean): System {
  return {
    name: peer.name,
    nodes: peer.nodes,
    canPause,
    unavailable: () => peer.unavailable(),
    start: async (dir) => {
      const running = await peer.start(dir)
      return {
        place: { module, target: running.target },
        pids: running.pids,
        isEmbedded: running.pids.length === 0,
        reign: reignOf(running),
        stop: () => running.stop(),
      }
    },
  }
}

/** Address of a module beside `from`, which the load's program imports too. */
export function moduleAt(name: string, from: string): string {
  return fileURLToPath(new URL(name, from))
}

function reignOf(running: RunningPeer): RunningSystem['reign'] {
  const { reign } = running
  return reign === undefined ? async () => null : () => reign()
}
