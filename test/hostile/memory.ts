/** What the process holds, once all that nobody holds is gone. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of the heap and of buffers outside of it, after a full collection. */
export function heldBytes(): number {
  collect()
  // Buffers that the first has found are given back aside; the second waits for that.
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
