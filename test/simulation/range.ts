/** Many seeds, on all cores: a seed fixes its run, whichever thread it runs on. */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Report } from './cluster.ts'

export interface Range {
  readonly from: number
  readonly seeds: number
  /** Each seed runs twice, and must do the same both times. */
  readonly twice: boolean
}

/** A thread is told a few seeds at once, and then to come back for more. */
const portionSeeds = 4
const entrance = fileURLToPath(new URL('./range-thread.js', import.meta.url))

/** Reports as they come, which is nearly in order. `heard` returns false to end it early. */
export async function runRange(range: Range, heard: (report: Report) => boolean): Promise<void> {
  const portions = portionsOf(range)
  let goesOn = true
  const work = async (): Promise<void> => {
    const thread = new Worker(entrance)
    try {
      for (let next = portions.next(); goesOn && !next.done; next = portions.next()) {
        thread.postMessage(next.value)
        const [reports] = (await once(thread, 'message')) as [Report[]]
        for (const report of reports) goesOn = heard(report) && goesOn
      }
    } finally {
      await thread.terminate()
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
}

function* portionsOf({ from, seeds, twice }: Range): Generator<Range, void> {
  for (let at = from; at < from + seeds; at += portionSeeds)
    yield { from: at, seeds: Math.min(portionSeeds, from + seeds - at), twice }
}
