/** A thread of `runRange` (range.ts). */
import { parentPort } from 'node:worker_threads'
import { type Report, simulate } from './cluster.ts'
import type { Range } from './range.ts'

parentPort?.on('message', ({ from, seeds, twice }: Range) => {
  const run = twice ? runTwice : simulate
  parentPort?.postMessage(Array.from({ length: seeds }, (_, n) => run(from + n)))
})

function runTwice(seed: number): Report {
  const report = simulate(seed)
  const { hash } = simulate(seed)
  if (report.broken !== null || report.hash === hash) return report
  const message = `its trace has the hash ${report.hash}, and then ${hash}`
  return { ...report, broken: { rule: 'the same seed gives the same run', message } }
}
