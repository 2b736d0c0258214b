/** How a leader sends its snapshot to those whose entries were cut from its log (paper §7). */
import { assert } from './assert.ts'
import type { Progress } from './progress.ts'
import type { Server } from './server.ts'
import type { NodeId } from './types.ts'

/** What it needs was cut away; then there is a snapshot that stands for it. */
export function beginSnapshot({ snapshots, log }: Server, progress: Progress): void {
  const { newest } = snapshots
  assert(newest !== null, `no snapshot, but the log begins at ${log.firstIndex}`)
  progress.sendSnapshot(newest)
}

export function sendChunks(server: Server, all: ReadonlyMap<NodeId, Progress>): void {
  const { term, snapshots } = server
  for (const [id, progress] of all) {
    const { snapshot, heldBytes: offset } = progress
    if (snapshot === null || !progress.canSendChunk) continue
    const chunk = snapshots.chunk(snapshot, offset)
    server.sendEarly([id], { type: 'snapshot', term, snapshot, offset, chunk })
    progress.chunkSent()
  }
}
