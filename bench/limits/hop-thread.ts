/** Entrance of the thread of hop.ts: sends back what it gets. */
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', (block: Uint8Array<ArrayBuffer>) => {
  parentPort?.postMessage(block, [block.buffer])
})
