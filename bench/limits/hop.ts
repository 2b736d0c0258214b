/** A message to another thread and back, its bytes moved both ways, as the actors send theirs. */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Timing, timeForAsync } from './timing.ts'

export async function hopOf(bytes: number, ms: number): Promise<Timing> {
  const worker = new Worker(join(import.meta.dirname, 'hop-thread.js'))
  await once(worker, 'online')
  let block = new Uint8Array(bytes)
  let wake: (block: Uint8Array<ArrayBuffer>) => void = () => undefined
  worker.on('message', (answer: Uint8Array<ArrayBuffer>) => wake(answer))
  try {
    return await timeForAsync(ms, async () => {
      block = await new Promise((resolve) => {
        wake = resolve
        worker.postMessage(block, [block.buffer])
      })
    })
  } finally {
    await worker.terminate()
  }
}
