/**
 * Entrance of `npm run power-loss`.
 *
 *     npm run power-loss -- [--images N] [--seed S]
 *
 * Prints what was opened. At the first image on which a promise is broken: the seed, the cut and the rule;
 * the image is kept; exit code 1.
 */
import { rmSync } from 'node:fs'
import { renderFacts } from '../../src/cli/report.ts'
import { readArguments, wholeFrom } from '../support/arguments.ts'
import { canTrace } from '../support/strace.ts'
import { openImages, type Result, recordWorkloads } from './campaign.ts'

const imagesPerRound = 1_000

const usage = `usage: npm run power-loss -- [--images N] [--seed S]
         --images N   opened at least; default 2000
         --seed S     draws the cuts; default 1
exit code 0: all promises kept, 1: one was broken, 2: wrong arguments`

async function main(): Promise<number> {
  const { values } = readArguments(usage, {
    images: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
  })
  const images = wholeFrom(values.images, usage)
  const seed = wholeFrom(values.seed, usage)
  if (!canTrace()) {
    console.error('strace cannot run here: nothing was proven')
    return 1
  }
  console.log(`seed ${seed}`)
  const started = performance.now()
  const recorded = await recordWorkloads(seed, Math.ceil(images / imagesPerRound))
  const result = await openImages(recorded, images)
  print(result, (performance.now() - started) / 1_000)
  if (result.failure === null) rmSync(recorded.scratch, { recursive: true, force: true })
  if (result.failure === null) {
    console.log('all promises kept')
    return 0
  }
  for (const [what, count] of result.failures) console.error(`${count} times: ${what}`)
  console.error(`first: ${result.failure.reason}`)
  console.error(`kept: ${result.failure.image}`)
  console.error(`again: npm run power-loss -- --images ${images} --seed ${seed}`)
  return 1
}

function print({ counts, images, whole, entries, cuts }: Result, seconds: number): void {
  const facts = [...counts].sort().map(([what, count]) => [what, `${count} images`] as const)
  console.log(renderFacts(facts))
  console.log(
    `${images} images of ${cuts} cuts opened, ${whole} of them by a whole cluster; ${entries} entries checked; ${seconds.toFixed(1)} s`,
  )
}

process.exitCode = await main()
