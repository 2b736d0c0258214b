/** Entrance of a child of memory.ts: does one task, sends samples of its own memory. */
import { setTimeout as sleep } from 'node:timers/promises'
import { randomIntegers } from './load/random.ts'
import type { GrowthSample, MemoryTask } from './memory.ts'

/** For what runs after the start to come to rest. */
const idleMs = 2_000
const growthCallers = 1_000
const growthSamples = 10
const valueBytes = 100
const keys = 10_000

const task = JSON.parse(process.argv[2] ?? '') as MemoryTask
if (task.type === 'bare') await rest()
else await withNode(task)

async function rest(): Promise<void> {
  await sleep(idleMs)
  send(0)
}

async function withNode(task: Exclude<MemoryTask, { type: 'bare' }>): Promise<void> {
  // Here, not above: the bare child must not load the library.
  const { createCluster } = await import('../src/index.ts')
  await using node = await createCluster({ dir: task.dir, workers: 2 })
  await node.waitForLeader()
  await rest()
  if (task.type === 'idle') return
  const random = randomIntegers(1)
  const value = Buffer.alloc(valueBytes, 7)
  for (let sample = 1; sample <= growthSamples; sample++) {
    let left = Math.round(task.puts / growthSamples)
    const call = async () => {
      while (left-- > 0) await node.put(`bench/${random(keys)}`, value)
    }
    await Promise.all(Array.from({ length: growthCallers }, call))
    send(Math.round((task.puts * sample) / growthSamples))
  }
}

function send(puts: number): void {
  if (globalThis.gc === undefined || process.send === undefined) {
    throw new Error('to be forked by memory.ts, with --expose-gc')
  }
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  const sample: GrowthSample = {
    puts,
    rssMiB: rss / 2 ** 20,
    heapMiB: heapUsed / 2 ** 20,
    externalMiB: external / 2 ** 20,
  }
  process.send(sample)
}
