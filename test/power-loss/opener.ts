/**
 * Makes images, opens them and says how that went, one at a time. Everything follows from the recordings, the
 * seed and the number of the image, so it can be made again.
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readCommands } from '../../src/codec/command.ts'
import { unpackValue } from '../../src/codec/value.ts'
import { type Cluster, createCluster } from '../../src/index.ts'
import type { Entry } from '../../src/raft/types.ts'
import { Random } from '../simulation/random.ts'
import type { Lie } from './disk.ts'
import { fates, hasCleanState, type Image, isWithinSnapshot, makeImage } from './image.ts'
import { Broken, judge, modelOf } from './judge.ts'
import { contentAt } from './judge-snapshots.ts'
import { type Recording, readRecording, type WorkloadName, workloads } from './recording.ts'
import { type Recovered, recoverNodes } from './recover.ts'
import { dataName, markAsOfAnotherStart } from './workload.ts'

/** What an opener is started with. */
export interface Campaign {
  /** Recordings are in its folders `0`, `1`, …; images are made in others. */
  readonly scratch: string
  readonly seed: number
  readonly images: number
  readonly recordings: readonly { readonly workload: WorkloadName; readonly seed: number }[]
  readonly lie: Lie
}

export interface Order {
  readonly n: number
  /** Start a whole cluster on it, too. */
  readonly isWhole: boolean
}

export interface Report {
  readonly image: Image & { readonly recording: number; readonly workload: WorkloadName }
  readonly entries: number
  /** Nodes whose state was believed, or restored. */
  readonly trusted: number
  /** A whole cluster was started on it, too. */
  readonly wasWhole: boolean
  /** A snapshot was being taken somewhere, or was coming in. */
  readonly isWithinSnapshot: boolean
  /** The promise that was broken; a disk that does what it says leaves nothing that a node may refuse. */
  readonly broken: string | null
}

/** It could not be opened, for a reason that is not in it. */
export interface Unopened {
  readonly failed: string
}

export class Opener {
  readonly #campaign: Campaign
  /** Read when they are first needed: one takes seconds. */
  readonly #recordings = new Map<number, Recording>()
  readonly #finals: Recovered[][] = []
  /** Cuts at which a state is closed, or a snapshot under way. */
  readonly #closed = new Map<Recording, readonly number[]>()

  constructor(campaign: Campaign) {
    this.#campaign = campaign
  }

  async open({ n, isWhole }: Order): Promise<Report> {
    const target = join(this.#campaign.scratch, `image-${n}`)
    const { recording, at, image, random } = this.make(n, target)
    const report = {
      image: { ...image, recording: at, workload: recording.workload },
      isWithinSnapshot: isWithinSnapshot(recording, image.cut),
    }
    const nodes = workloads[recording.workload]
    const final = await this.#finalOf(recording, at)
    try {
      const found = await recoverNodes(join(target, dataName), nodes, random)
      const committed = judge(recording, final, image.cut, found)
      const wasWhole = isWhole && found.every(({ identity }) => identity.clusterId !== null)
      if (wasWhole) {
        rmSync(target, { recursive: true })
        this.make(n, target)
        const dir = join(target, dataName)
        if (recording.workload === 'snapshots') await openAgain(dir, found.length, recording)
        else await openWhole(dir, found, committed)
      }
      const entries = found.reduce((sum, node) => sum + node.entries.length, 0)
      const trusted = found.filter(({ trustedIndex }) => trustedIndex > 0).length
      return { ...report, entries, trusted, wasWhole, broken: null }
    } catch (error) {
      const { message } = error as Error
      const broken = error instanceof Broken ? message : `refused to open: ${message}`
      return { ...report, entries: 0, trusted: 0, wasWhole: false, broken }
    } finally {
      rmSync(target, { recursive: true, force: true })
    }
  }

  /** Cuts are spread over all places of all recordings, each with each fate. */
  make(
    n: number,
    target: string,
  ): { recording: Recording; at: number; image: Image; random: Random } {
    const { seed, recordings } = this.#campaign
    const random = new Random((seed + Math.imul(n + 1, 0x9e3779b1)) >>> 0)
    const at = n % recordings.length
    const recording = this.#recording(at)
    const round = Math.floor(n / recordings.length)
    const fate = fates[round % fates.length] ?? 'all'
    const step = Math.floor(round / fates.length)
    const cuts = this.#cutsOf(recording, step)
    const isExtra = n >= this.#campaign.images
    const place = isExtra ? random.next() : (step + random.next()) / stepsOf(this.#campaign)
    const cut = cuts[Math.min(cuts.length - 1, Math.floor(place * cuts.length))] ?? 0
    return { recording, at, image: makeImage(recording, { cut, fate }, target, random), random }
  }

  #recording(at: number): Recording {
    const known = this.#recordings.get(at)
    if (known !== undefined) return known
    const { scratch, recordings, lie } = this.#campaign
    const asked = recordings[at]
    if (asked === undefined) throw new Error(`no recording ${at}`)
    const recording = readRecording(asked.workload, join(scratch, `${at}`), asked.seed, lie)
    this.#recordings.set(at, recording)
    return recording
  }

  /** Half of them anywhere, the others where there is something special about it. */
  #cutsOf(recording: Recording, step: number): readonly number[] {
    const { cuts, turns } = recording
    if (step % 4 === 1) return turns
    if (step % 4 !== 3) return cuts
    const closed = this.#closed.get(recording) ?? cuts.filter((cut) => isSpecial(recording, cut))
    this.#closed.set(recording, closed)
    return closed.length > 0 ? closed : turns
  }

  /** What the recorded process left, when it had ended. */
  async #finalOf(recording: Recording, at: number): Promise<Recovered[]> {
    const known = this.#finals[at]
    if (known !== undefined) return known
    const target = join(this.#campaign.scratch, `final-${process.pid}-${at}`)
    const random = new Random(0)
    // As they were written: where the disk lies no state is ever safe, and each would be ruined.
    const whole = { cut: Number.POSITIVE_INFINITY, fate: 'all', state: 'written' } as const
    makeImage(recording, whole, target, random)
    const nodes = workloads[recording.workload]
    demandSameFiles(target, recording)
    const final = await recoverNodes(join(target, dataName), nodes, random)
    rmSync(target, { recursive: true, force: true })
    this.#finals[at] = final
    return final
  }
}

/** Images of one recording with one fate. */
function stepsOf({ images, recordings }: Campaign): number {
  return Math.ceil(images / recordings.length / fates.length)
}

/** Where logs are cut there is enough of closed states elsewhere. */
function isSpecial(recording: Recording, cut: number): boolean {
  return recording.workload === 'snapshots'
    ? isWithinSnapshot(recording, cut)
    : hasCleanState(recording, cut)
}

/** What the trace adds up to must be what is on the disk; else something was written that it does not show. */
function demandSameFiles(image: string, { places, disk }: Recording): void {
  const isSeen = (file: string): boolean => disk.find(join(places.root, file))?.isMapped !== true
  const filesIn = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isSeen).sort()
  const files = filesIn(places.root)
  deepStrictEqual(filesIn(image), files, 'the trace does not explain which files there are')
  for (const file of files) {
    if (disk.find(join(places.root, file))?.isDirectory === true) continue
    const isSame = readFileSync(join(image, file)).equals(readFileSync(join(places.root, file)))
    ok(isSame, `the trace does not explain ${file}`)
  }
}

/** As a program would: with its threads. It must serve what was recovered, and go on. */
async function openWhole(
  dir: string,
  found: readonly Recovered[],
  committed: readonly Entry[],
): Promise<void> {
  for (const n of found.keys()) await markAsOfAnotherStart(join(dir, `node-${n + 1}`))
  const cluster: Cluster = await createCluster({ dir, nodes: found.length })
  try {
    const open = found.flatMap(({ entries }) => entries.slice(committed.length))
    const mayChange = new Set(changedKeys(open))
    for (const [key, { value }] of modelOf(committed))
      if (!mayChange.has(key) && (await cluster.get(key)) !== unpackValue(value))
        throw new Broken(`a cluster started on it has another value of ${key}`)
    await cluster.put('after the power cut', 1)
  } finally {
    await cluster.close()
  }
}

/** As a program would; its members agree, and have what the keys had become. */
async function openAgain(dir: string, nodes: number, { history }: Recording): Promise<void> {
  for (let n = 1; n <= nodes; n++) await markAsOfAnotherStart(join(dir, `node-${n}`))
  const cluster: Cluster = await createCluster({ dir, nodes })
  try {
    await cluster.waitForLeader()
    await cluster.get('any')
    for (const node of cluster.nodes) {
      const { revision } = node.status()
      await node.get('any')
      for (const [key, { text }] of contentAt(history, revision))
        if ((await node.entry(key))?.value !== text && node.status().revision === revision)
          throw new Broken(`a cluster started on it has another value of ${key}`)
    }
    await cluster.put('after the power cut', 1)
  } finally {
    await cluster.close()
  }
}

function changedKeys(entries: readonly Entry[]): string[] {
  return entries
    .filter(({ type }) => type === 'batch')
    .flatMap(({ bytes }) => readCommands(bytes).map(({ key }) => key.toString()))
}
