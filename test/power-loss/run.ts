/**
 * Entrance of `npm run power-loss`.
 *
 *     npm run power-loss -- [--images N] [--seed S]
 *
 * Prints what was opened. At the first image on which a promise is broken: the seed, the cut and the rule;
 * the image is kept; exit code 1.
 */
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { canTrace } from '../support/strace.ts'
import { openImages, type Result, recordWorkloads } from './campaign.ts'

const imagesPerRound = 1_000

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
    },
  })
  const images = toWhole(values.images)
  const seed = toWhole(values.seed)
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
  if (result.failure === null) return 0
  for (const [what, count] of result.failures) console.error(`${count} times: ${what}`)
  console.error(`first: ${result.failure.reason}`)
  console.error(`kept: ${result.failure.image}`)
  console.error(`again: npm run power-loss -- --images ${images} --seed ${seed}`)
  return 1
}

function print({ counts, images, whole, entries, cuts }: Result, seconds: number): void {
  for (const [what, count] of [...counts].sort()) console.log(`${what.padEnd(24)} ${count} images`)
  console.log(
    `${images} images of ${cuts} cuts opened, ${whole} of them by a whole cluster; ${entries} entries checked; ${seconds.toFixed(1)} s`,
  )
}

function toWhole(text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  console.error('usage: npm run power-loss -- [--images N] [--seed S]')
  process.exit(2)
}

process.exitCode = await main()
