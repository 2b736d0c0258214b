/**
 * What another store must offer to be measured beside ours. The bench starts it and reads what its processes
 * spend; the load comes from a program of its own, which imports the same module and calls `connect`.
 */

export interface Peer {
  /** As in the tables: `etcd, 3 members`. */
  readonly name: string
  readonly nodes: number
  /** Why it cannot be measured here, or `null`. */
  unavailable(): string | null
  start(dir: string): Promise<RunningPeer>
}

export interface RunningPeer {
  /** What a client in another process needs: plain text or JSON. */
  readonly target: string
  /** CPU seconds and RSS of these are read from /proc. */
  readonly pids: readonly number[]
  /** Changes with every election; `null` where nobody is elected. */
  reign?(): Promise<string | null>
  stop(): Promise<void>
}

/** Each module of a peer exports `connect(target: string): Promise<PeerClient>` beside the peer itself. */
export interface PeerClient {
  /** Resolves when the value is durable. */
  put(key: string, value: Buffer): Promise<unknown>
  get(key: string): Promise<Buffer | undefined>
  close(): Promise<void>
}
