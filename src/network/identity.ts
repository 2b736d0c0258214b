import type { Descent } from '../raft/lineage.ts'
import type { NodeId } from '../raft/types.ts'

/** What this node says of itself to everyone it meets. */
export interface LocalIdentity extends Descent {
  readonly nodeId: NodeId
  /** `host:port` at which peers reach us. */
  readonly address: string
  /** 32 lower-case hex digits; `null` until the node belongs to a cluster. Set by adoption, or by the owner. */
  clusterId: string | null
}

/** What a peer has said of itself, believed because it knows the secret. */
export interface PeerIdentity extends Descent {
  readonly nodeId: NodeId
  readonly address: string
  readonly clusterId: string | null
}
