/**
 * A campaign: a cluster under load, faults from a seed one after another, sometimes two at once, and the
 * cluster must serve again after each. In the end everything that was promised is checked (ending.ts).
 * The seed decides kinds, order, targets as far as they are not "the leader", and durations; when what
 * happens meanwhile is up to the machine.
 */

import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { formatHistory } from '../linearizability/history.ts'
import { Random } from '../simulation/random.ts'
import { BrokenPromise, type Complaint, Complaints, kept } from './complaints.ts'
import { type Card, shuffleDeck } from './deck.ts'
import { checkEnding, checkRemains } from './ending.ts'
import { diskKinds, type FaultKind, faults } from './faults.ts'
import { Fleet, type Slot } from './fleet.ts'
import { type Counts, Load } from './load.ts'
import type { Stage } from './stage.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly nodes: number
  /** Until so much time has passed and each kind has come up. */
  readonly ms: number
  readonly kinds: readonly FaultKind[]
  readonly say: (line: string) => void
}

export interface Tally {
  installed: number
  skipped: number
}

export interface CampaignReport {
  readonly broken: readonly Complaint[]
  readonly faults: ReadonlyMap<FaultKind, Tally>
  readonly counts: Counts
  readonly terms: number
  readonly longestGapMs: number
  readonly watchesResumed: number
  /** See `Stage.lost`. */
  readonly lost: number
  /** Where history and logs are, if a promise was broken. */
  readonly kept: string | null
}

const restMsMax = 800
/** Nine clients at three members, ten at five. */
const clientsMax = 10

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-chaos-'))
  const complaints = new Complaints()
  const fleet = await Fleet.open(options.nodes, folder, complaints)
  const sweep = (): void => rmSync(folder, { recursive: true, force: true })
  process.on('exit', sweep)
  const campaign = new Campaign(options, fleet, folder, complaints)
  try {
    await campaign.run()
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error
    complaints.add(error.rule, error.message)
  } finally {
    await fleet.destroy()
    await campaign.load.stop()
  }
  await checkRemains(folder, fleet, complaints)
  await rm(folder, { recursive: true, force: true })
  process.off('exit', sweep)
  return campaign.report(await keep(campaign, complaints))
}

/** The members' directories are large and of little use. */
async function keep({ load }: Campaign, { found }: Complaints): Promise<string | null> {
  if (found.length === 0) return null
  const shelf = await mkdtemp(join(tmpdir(), 'skiff-chaos-kept-'))
  await writeFile(join(shelf, 'history.jsonl'), formatHistory(load.recorder.history()))
  const text = found.map(({ rule, details }) => `${rule}\n${details}\n`).join('\n')
  await writeFile(join(shelf, 'complaints.txt'), text)
  return shelf
}

class Campaign {
  readonly load: Load
  readonly #options: CampaignOptions
  readonly #stage: Stage
  readonly #complaints: Complaints
  readonly #random: Random
  readonly #tallies: Map<FaultKind, Tally>
  #deck: Card[] = []
  #decks = 0
  #firstTerm = 0
  #lastTerm = 0
  readonly #startedAt = performance.now()

  constructor(options: CampaignOptions, fleet: Fleet, folder: string, complaints: Complaints) {
    this.#options = options
    this.#complaints = complaints
    this.#random = new Random(options.seed)
    this.#tallies = new Map(options.kinds.map((kind) => [kind, { installed: 0, skipped: 0 }]))
    const clients = Math.floor(clientsMax / options.nodes)
    this.load = new Load(fleet, clients, this.#random.fork(), complaints)
    this.#stage = { fleet, load: this.load, folder, say: (words) => this.#say(words), lost: 0 }
  }

  async run(): Promise<void> {
    await this.#heal()
    this.#firstTerm = this.#lastTerm
    while (!this.#isOver()) {
      await this.#strike()
      await this.#heal()
      await pause(this.#random.below(restMsMax))
    }
    await kept('every call is answered', this.load.stop())
    if (this.#complaints.found.length > 0) return
    this.#say('the faults are over; checking')
    await checkEnding(this.#stage, this.#random)
  }

  report(kept: string | null): CampaignReport {
    const { counts, longestGapMs, watches } = this.load
    return {
      broken: this.#complaints.found,
      faults: this.#tallies,
      counts,
      terms: this.#lastTerm - this.#firstTerm,
      longestGapMs,
      watchesResumed: watches.reduce((sum, { resumed }) => sum + resumed, 0),
      lost: this.#stage.lost,
      kept,
    }
  }

  #isOver(): boolean {
    if (this.#complaints.found.length > 0) return true
    const isFirstDeck = this.#decks === 0 || (this.#decks === 1 && this.#deck.length > 0)
    return !isFirstDeck && performance.now() - this.#startedAt >= this.#options.ms
  }

  /** One fault, or two at different members. */
  async #strike(): Promise<void> {
    const card = this.#draw()
    const target = await this.#aim(card, null)
    if (target === null) throw new RangeError('no members')
    const strikes = [this.#inject(card, target)]
    const next = this.#deck.at(-1)
    const mayOverlap = card.kind !== 'kill all' && next !== undefined && next.kind !== 'kill all'
    const other = mayOverlap && next.overlaps ? await this.#aim(next, target) : null
    if (other !== null) {
      const second = this.#draw()
      await pause(second.afterMs)
      strikes.push(this.#inject(second, other))
    }
    // Both to their ends: neither may start a process once the campaign is over.
    const ends = await Promise.allSettled(strikes)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async #inject({ kind, random }: Card, target: Slot): Promise<void> {
    this.#say(`${kind} at member ${target.n}`)
    const skipped = await faults[kind](this.#stage, target, random)
    const tally = this.#tallies.get(kind)
    if (tally === undefined) return
    if (skipped === null) tally.installed++
    else {
      tally.skipped++
      this.#say(`${kind} skipped: ${skipped}`)
    }
  }

  /** Each kind once before any comes again. */
  #draw(): Card {
    if (this.#deck.length === 0) {
      this.#deck = shuffleDeck(this.#options.kinds, this.#random)
      this.#decks++
    }
    const card = this.#deck.pop()
    if (card === undefined) throw new RangeError('no kinds of faults')
    return card
  }

  /** `null`: only `except` would do. */
  async #aim({ kind, place, atLeader }: Card, except: Slot | null): Promise<Slot | null> {
    const { slots } = this.#stage.fleet
    const needsDisk = diskKinds.has(kind) && slots.some(({ disk }) => disk !== null)
    const fit = slots.filter((slot) => slot !== except && (!needsDisk || slot.disk !== null))
    const leader = atLeader ? await this.#stage.fleet.leader() : null
    if (leader !== null && fit.includes(leader)) return leader
    return fit[Math.floor(place * fit.length)] ?? null
  }

  async #heal(): Promise<void> {
    const { slots } = this.#stage.fleet
    await Promise.race([
      Promise.all(slots.map((slot) => this.load.touch(slot))),
      this.#complaints.any,
    ])
    const statuses = await Promise.all(slots.map((slot) => slot.glance()))
    const terms = statuses.map((status) => status?.term ?? 0)
    this.#lastTerm = Math.max(this.#lastTerm, ...terms)
  }

  #say(words: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(6)
    const { ok, notApplied, unknown } = this.load.counts
    this.#options.say(
      `${seconds} s  term ${this.#lastTerm}, ${ok} ok, ${notApplied} not applied, ${unknown} unknown  ${words}`,
    )
  }
}
