/** Entrance of the thread that keeps the time for the open loop (pacer.ts). */
import { parentPort, workerData } from 'node:worker_threads'
import { clockMs, dueAt, order } from './pacer.ts'

const shared = workerData as SharedArrayBuffer
const orders = new Int32Array(shared, 0, 1)
const due = new Float64Array(shared, dueAt, 1)
/** Never changed, so that waiting for it is sleeping. */
const never = new Int32Array(new SharedArrayBuffer(4))

for (;;) {
  Atomics.wait(orders, 0, order.none)
  if (Atomics.exchange(orders, 0, order.none) === order.end) break
  const sleepMs = (due[0] ?? 0) - clockMs()
  if (sleepMs > 0) Atomics.wait(never, 0, 0, sleepMs)
  parentPort?.postMessage(null)
}
