/** Which systems are measured beside each other. */
import { etcd } from '../peers/etcd.ts'
import { lmdbBest } from '../peers/lmdb.ts'
import type { Peer } from '../peers/peer.ts'
import { redis } from '../peers/redis.ts'
import { skiffRsTriple } from '../peers/skiff-rs.ts'
import { onTheLeader, overTheNetwork, whole } from './skiff.ts'
import { moduleAt, peerSystem, type System } from './system.ts'

/** One node, and the store that it is made of. */
export const single: readonly System[] = [whole(1), peer(lmdbBest, 'lmdb')]

/** Three nodes, and what else is replicated; and Redis, which is not, for it is what people reach for. */
export const triple: readonly System[] = [
  onTheLeader(),
  whole(3),
  overTheNetwork(),
  peer(etcd, 'etcd'),
  peer(redis, 'redis'),
  // Its followers take a pause for the death of their leader.
  peer(skiffRsTriple, 'skiff-rs', false),
]

function peer(which: Peer, module: string, canPause = true): System {
  return peerSystem(which, moduleAt(`../peers/${module}.js`, import.meta.url), canPause)
}
