/**
 * lmdb-js, used as its README says for durable writes. `put` resolves when the write is visible,
 * `flushed` when it is on the disk; a caller waits for both. Embedded, so that the program that makes the
 * load opens it itself. Its newest version, whichever the store of ours is on.
 */
import { open } from 'lmdb-peer'
import type { Peer, PeerClient } from './peer.ts'

/** A commit promise of lmdb-js with `separateFlushed`; its types leave the property out. */
type Commit = Promise<boolean> & { readonly flushed: Promise<unknown> }

/**
 * The fastest durable setting we found (random keys among 1 M, 64 and 1,000 callers; ext4): syncing inside
 * the commit, which for small values beats the overlapping sync of the default; no copy through msgpack.
 * `useWritemap` looks faster with few keys and is half as fast with many; `commitDelay` and
 * `eventTurnBatching: false` gain nothing.
 */
const bestSetting = {
  overlappingSync: false,
  separateFlushed: true,
  noMemInit: true,
  encoding: 'binary',
} as const

/** In the program that calls it: there is nothing to start. */
export const lmdbBest: Peer = {
  name: 'lmdb-js, best setting',
  nodes: 1,
  unavailable: () => null,
  start: async (dir) => ({ target: dir, pids: [], stop: async () => undefined }),
}

export async function connect(dir: string): Promise<PeerClient> {
  const database = open<Buffer, string>({ path: dir, ...bestSetting })
  return {
    async put(key, value) {
      const committed = database.put(key, value) as Commit
      await committed
      // Of this commit. `database.flushed` would wait for those begun since.
      await committed.flushed
    },
    get: async (key) => database.get(key),
    close: () => database.close(),
  }
}
