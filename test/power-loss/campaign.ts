/** Records, makes images, has them opened by a few processes, and counts. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Campaign, Opener, type Order, type Report } from './opener.ts'
import { record } from './recording.ts'

export interface CampaignOptions {
  readonly images: number
  readonly seed: number
  /** Recordings of each workload. */
  readonly rounds?: number
  /** The disk lies: then there must be failures. */
  readonly ignoresSyncs?: boolean
  readonly processes?: number
}

export interface Failure {
  readonly n: number
  readonly reason: string
  /** The image as it was, beside the recording it was made of. */
  readonly image: string
}

export interface Result {
  readonly scratch: string
  readonly failure: Failure | null
  /** Images opened, by workload and fate, and by what became of the state. */
  readonly counts: ReadonlyMap<string, number>
  readonly images: number
  readonly whole: number
  readonly entries: number
  readonly cuts: number
}

/** Of this many images one is opened by a whole cluster, too. */
const wholeEvery = 100

export async function runCampaign(options: CampaignOptions): Promise<Result> {
  const { images, seed, rounds = 1, ignoresSyncs = false, processes = 2 } = options
  const scratch = mkdtempSync(join(tmpdir(), 'skiff-power-loss-'))
  const recordings = Array.from({ length: rounds }, (_, n) => [
    { workload: 'cluster' as const, seed: seed + n },
    { workload: 'log' as const, seed: seed + n },
  ]).flat()
  for (const [n, { workload, seed: its }] of recordings.entries()) {
    const folder = join(scratch, `${n}`)
    mkdirSync(folder)
    await record(workload, folder, its)
  }
  const campaign: Campaign = { scratch, seed, images, recordings, ignoresSyncs }
  const tally = new Tally(campaign)
  const orders = Array.from({ length: images }, (_, n) => n)[Symbol.iterator]()
  const openers = Array.from({ length: processes }, (_, n) => work(campaign, n, orders, tally))
  await Promise.all(openers)
  if (tally.failure === null) rmSync(scratch, { recursive: true, force: true })
  return tally
}

class Tally implements Result {
  readonly scratch: string
  failure: Failure | null = null
  readonly counts: Map<string, number> = new Map()
  images = 0
  whole = 0
  entries = 0
  readonly #campaign: Campaign
  readonly #cuts = new Set<string>()

  constructor(campaign: Campaign) {
    this.#campaign = campaign
    this.scratch = campaign.scratch
  }

  get cuts(): number {
    return this.#cuts.size
  }

  add({ image, entries, refusal, broken, n }: Report, { isWhole }: Order): void {
    this.images++
    this.entries += entries
    if (isWhole) this.whole++
    this.#count(`${image.workload}, ${image.fate}`)
    if (image.workload === 'cluster') this.#count(`state ${image.state}`)
    this.#cuts.add(`${image.recording} ${image.cut}`)
    if (broken !== null) this.fail(n, broken)
    // A disk that does what it says leaves nothing that a node may refuse.
    if (refusal !== null) this.fail(n, `refused to open: ${refusal}`)
  }

  /** The first one is kept. */
  fail(n: number, reason: string): void {
    if (this.failure !== null) return
    const image = join(this.scratch, `failed-${n}`)
    const made = new Opener(this.#campaign).make(n, image)
    const { cut, fate, state } = made.image
    const { workload, places } = made.recording
    const where = `image ${n} of ${workload}, cut at line ${cut} of ${places.trace}, '${fate}', state '${state}'`
    this.failure = { n, reason: `${where}: ${reason}`, image }
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}

/** One process after another, until there are no orders left; each dies of at most one image. */
async function work(
  campaign: Campaign,
  worker: number,
  orders: Iterator<number>,
  tally: Tally,
): Promise<void> {
  const child = await startOpener(campaign)
  try {
    for (let next = orders.next(); !next.done && tally.failure === null; next = orders.next()) {
      // Only one of them: whole clusters listen where the recorded one did.
      const isWhole = worker === 0 && next.value % wholeEvery < 2
      const order = { n: next.value, isWhole }
      const report = await ask(child, order)
      if (typeof report === 'string') tally.fail(order.n, report)
      else tally.add(report, order)
    }
  } finally {
    child.kill()
  }
}

async function startOpener(campaign: Campaign): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./opener.js', import.meta.url))
  // Without it LMDB would believe what was not synced, for this machine was not started anew.
  const env = { ...process.env, LMDB_RESTORE: 'safe' }
  const child = fork(script, [JSON.stringify(campaign)], { env })
  const first = await answer(child)
  if (first !== 'ready') throw new Error(`an opener did not start: ${String(first)}`)
  return child
}

/** What became of the image; a string: the process that opened it has died. */
async function ask(child: ChildProcess, order: Order): Promise<Report | string> {
  const answered = answer(child)
  child.send(order)
  return (await answered) as Report | string
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => {
    const done = (message: unknown): void => {
      child.off('exit', died)
      resolve(message)
    }
    const died = (code: number | null, signal: string | null): void => {
      child.off('message', done)
      resolve(`the process died of it: ${signal ?? `exit code ${code}`}`)
    }
    child.once('message', done)
    child.once('exit', died)
  })
}
