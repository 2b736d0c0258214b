/** Which systems are measured beside each other. */
import { lmdbBest } from '../peers/lmdb.ts'
import { onTheLeader, overTheNetwork, whole } from './skiff.ts'
import { moduleAt, peerSystem, type System } from './system.ts'

const lmdb = peerSystem(lmdbBest, moduleAt('../peers/lmdb.js', import.meta.url))

/** One node, and the store that it is made of. */
export const single: readonly System[] = [whole(1), lmdb]

/** Three nodes, and what else is replicated, or durable on one. */
export const triple: readonly System[] = [onTheLeader(), whole(3), overTheNetwork()]
