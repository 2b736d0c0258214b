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
  /** Which image, where it was cut and what was wrong. */
  readonly reason: string
  /** The image as it was, beside the recording it was made of. */
  readonly image: string
}

export interface Result {
  /** The first one is kept. */
  readonly failure: Failure | null
  /** How often each promise was broken. */
  readonly failures: ReadonlyMap<string, number>
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
  const recorded = recordings.map(async (one, n) => {
    const folder = join(scratch, `${n}`)
    mkdirSync(folder)
    await record(one.workload, folder, one.seed)
  })
  await Promise.all(recorded)
  const campaign: Campaign = { scratch, seed, images, recordings, ignoresSyncs }
  const tally = new Tally(campaign)
  const orders = Array.from({ length: images }, (_, n) => n)[Symbol.iterator]()
  const openers = Array.from({ length: processes }, (_, n) => work(campaign, n, orders, tally))
  await Promise.all(openers)
  if (tally.failure === null) rmSync(scratch, { recursive: true, force: true })
  return tally
}

class Tally implements Result {
  failure: Failure | null = null
  readonly failures: Map<string, number> = new Map()
  readonly counts: Map<string, number> = new Map()
  images = 0
  whole = 0
  entries = 0
  readonly #campaign: Campaign
  readonly #cuts = new Set<string>()

  constructor(campaign: Campaign) {
    this.#campaign = campaign
  }

  get cuts(): number {
    return this.#cuts.size
  }

  add({ image, entries, refusal, broken, n }: Report, { isWhole }: Order): void {
    this.images++
    this.entries += entries
    if (isWhole) this.whole++
    count(this.counts, `${image.workload}, ${image.fate}`)
    if (image.workload === 'cluster') count(this.counts, `state ${image.state}`)
    this.#cuts.add(`${image.recording} ${image.cut}`)
    if (broken !== null) this.fail(n, broken)
    // A disk that does what it says leaves nothing that a node may refuse.
    if (refusal !== null) this.fail(n, `refused to open: ${refusal}`)
  }

  fail(n: number, reason: string): void {
    count(this.failures, reason.replace(/\/\S+/g, '…').replace(/\d+|x{2,}/g, '#'))
    if (this.failure !== null) return
    const image = join(this.#campaign.scratch, `failed-${n}`)
    const made = new Opener(this.#campaign).make(n, image)
    const { cut, fate, state } = made.image
    const { workload, places } = made.recording
    const where = `image ${n} of ${workload}, cut at line ${cut} of ${places.trace}, '${fate}', state '${state}'`
    this.failure = { reason: `${where}: ${reason}`, image }
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

/** Until there are no orders left. A process that dies of an image is followed by another. */
async function work(
  campaign: Campaign,
  worker: number,
  orders: Iterator<number>,
  tally: Tally,
): Promise<void> {
  let child = await startOpener(campaign)
  try {
    for (let next = orders.next(); !next.done; next = orders.next()) {
      // Only one of them: whole clusters listen where the recorded one did.
      const isWhole = worker === 0 && next.value % wholeEvery < 2
      const order = { n: next.value, isWhole }
      const report = await ask(child, order)
      if (typeof report !== 'string') {
        tally.add(report, order)
      } else {
        tally.fail(order.n, report)
        child = await startOpener(campaign)
      }
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
