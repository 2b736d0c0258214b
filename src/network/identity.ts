import type { NodeId } from '../raft/types.ts'

/** What this node says of itself to everyone it meets. */
export interface LocalIdentity {
  readonly nodeId: NodeId
  /** Rises with every start of the node. */
  readonly incarnation: number
  /** `host:port` at which peers reach us. */
  readonly address: string
  /** 32 lower-case hex digits; `null` until the node belongs to a cluster. Set by adoption, or by the owner. */
  clusterId: string | null
}

/** What a peer has said of itself, believed because it knows the secret. */
export interface PeerIdentity {
  readonly nodeId: NodeId
  readonly incarnation: number
  readonly address: string
  readonly clusterId: string | null
}
