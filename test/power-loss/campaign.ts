/** Records, makes images, has them opened by a few processes, and counts. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Lie } from './disk.ts'
import { type Campaign, Opener, type Order, type Report, type Unopened } from './opener.ts'
import { record, type WorkloadName, workloads } from './recording.ts'

/** What was recorded, once for any number of images. */
export type Recorded = Pick<Campaign, 'scratch' | 'seed' | 'recordings'>

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

/** For this many images there is one more, which is opened by a whole cluster, too; at least one of each recording. */
const wholeEvery = 100
/** Processes that open images. */
const openersMax = 2
/** Fewer are not worth another process, which would read the recordings again. */
const imagesEach = 150

/** So many recordings of each workload, in a directory that is the caller's to remove. */
export async function recordWorkloads(seed: number, rounds: number): Promise<Recorded> {
  const scratch = mkdtempSync(join(tmpdir(), 'skiff-power-loss-'))
  const names = Object.keys(workloads) as WorkloadName[]
  const recordings = Array.from({ length: rounds }, (_, round) =>
    names.map((workload) => ({ workload, seed: seed + round })),
  ).flat()
  const recorded = recordings.map(async (one, n) => {
    const folder = join(scratch, `${n}`)
    mkdirSync(folder)
    await record(one.workload, folder, one.seed)
  })
  await Promise.all(recorded)
  return { scratch, seed, recordings }
}

/** A disk that lies must bring failures. */
export async function openImages(
  recorded: Recorded,
  images: number,
  lie: Lie = 'nothing',
): Promise<Result> {
  const campaign: Campaign = { ...recorded, images, lie }
  const tally = new Tally(campaign)
  const wholes =
    lie === 'nothing' ? Math.max(recorded.recordings.length, Math.ceil(images / wholeEvery)) : 0
  const whole = Array.from({ length: wholes }, (_, n) => images + n)
  const orders = Array.from({ length: images }, (_, n): Order => ({ n, isWhole: false })).values()
  const length = Math.min(openersMax, Math.ceil(images / imagesEach))
  // Only one of them: whole clusters listen where the recorded ones did.
  const first = whole.map((n): Order => ({ n, isWhole: true }))
  const openers = Array.from({ length }, (_, at) =>
    work(campaign, inTurn(at === 0 ? first : [], orders), tally),
  )
  await Promise.all(openers)
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

  add({ image, entries, trusted, broken, ...rest }: Report, n: number): void {
    this.images++
    this.entries += entries
    if (rest.wasWhole) {
      this.whole++
      count(this.counts, `${image.workload}, by a whole cluster`)
    }
    count(this.counts, `${image.workload}, ${image.fate}`)
    if (image.workload !== 'log') count(this.counts, `state ${image.state}`)
    if (trusted > 0) count(this.counts, 'state believed')
    if (rest.isWithinSnapshot) count(this.counts, 'within a snapshot')
    this.#cuts.add(`${image.recording} ${image.cut}`)
    if (broken !== null) this.fail(n, broken)
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

function* inTurn(first: Iterable<Order>, rest: Iterable<Order>): Generator<Order> {
  yield* first
  yield* rest
}

/** Until there are no orders left. A process that dies of an image is followed by another. */
async function work(campaign: Campaign, orders: Iterator<Order>, tally: Tally): Promise<void> {
  let child = await startOpener(campaign)
  try {
    for (let next = orders.next(); !next.done; next = orders.next()) {
      const report = await ask(child, next.value)
      if (typeof report !== 'string') {
        tally.add(report, next.value.n)
      } else {
        tally.fail(next.value.n, report)
        child = await startOpener(campaign)
      }
    }
  } finally {
    child.kill()
  }
}

const lastWords = new WeakMap<ChildProcess, string>()

async function startOpener(campaign: Campaign): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./opener-process.js', import.meta.url))
  // Without it LMDB would believe what was not synced, for this machine was not started anew.
  const env = { ...process.env, LMDB_RESTORE: 'safe' }
  const child = fork(script, [JSON.stringify(campaign)], {
    env,
    stdio: ['ignore', 2, 'pipe', 'ipc'],
  })
  // LMDB talks much about an image it does not like; its last words are enough.
  child.stderr?.on('data', (chunk: Buffer) => lastWords.set(child, chunk.toString()))
  const first = await answer(child)
  if (first !== 'ready') throw new Error(`an opener did not start: ${String(first)}`)
  return child
}

/** What became of the image; a string: the process that opened it has died. What fails of ours is no finding. */
async function ask(child: ChildProcess, order: Order): Promise<Report | string> {
  const answered = answer(child)
  child.send(order)
  const report = (await answered) as Report | Unopened | string
  if (typeof report === 'object' && 'failed' in report)
    throw new Error(`image ${order.n} could not be made, or judged: ${report.failed}`)
  return report
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => {
    const done = (message: unknown): void => {
      child.off('exit', died)
      resolve(message)
    }
    const died = (code: number | null, signal: string | null): void => {
      child.off('message', done)
      const said = lastWords.get(child) ?? ''
      resolve(`the process died of it: ${signal ?? `exit code ${code}`}: ${said.trim()}`)
    }
    child.once('message', done)
    child.once('exit', died)
  })
}
