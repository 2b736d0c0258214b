/**
 * Suite `memory`: what one idle node takes above Node itself, and whether memory grows over a million
 * puts. Each figure comes from a child of its own (memory-child.ts), so that nothing else is counted.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface MemorySample {
  readonly rssMiB: number
  readonly heapMiB: number
  /** Buffers and what else is outside the heap. */
  readonly externalMiB: number
}

/** Memory of the child after so many puts, garbage collected. */
export interface GrowthSample extends MemorySample {
  readonly puts: number
}

export interface MemoryReport {
  /** Node.js alone. */
  readonly bare: MemorySample
  /** The library imported and one node, with two workers, running idle. */
  readonly idle: MemorySample
  readonly growth: readonly GrowthSample[]
}

export type MemoryTask =
  | { readonly type: 'bare' }
  | { readonly type: 'idle'; readonly dir: string }
  | { readonly type: 'growth'; readonly dir: string; readonly puts: number }

export async function runMemorySuite(scratch: string, puts: number): Promise<MemoryReport> {
  const dir = (name: string) => join(scratch, name)
  return {
    bare: firstOf(await runChild({ type: 'bare' })),
    idle: firstOf(await runChild({ type: 'idle', dir: dir('idle') })),
    growth: await runChild({ type: 'growth', dir: dir('growth'), puts }),
  }
}

function firstOf(samples: readonly GrowthSample[]): MemorySample {
  const [first] = samples
  if (first === undefined) throw new Error('the child measured nothing')
  return first
}

async function runChild(task: MemoryTask): Promise<GrowthSample[]> {
  const child = fork(join(import.meta.dirname, 'memory-child.js'), [JSON.stringify(task)], {
    execArgv: ['--expose-gc'],
  })
  const samples: GrowthSample[] = []
  child.on('message', (sample: GrowthSample) => samples.push(sample))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`memory-child ${task.type} ended with ${code}`)
  return samples
}
