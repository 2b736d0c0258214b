/**
 * A campaign: a cluster under load, faults from a seed one after another, sometimes two at once, and the
 * cluster must serve again after each. In the end everything that was promised is checked (ending.ts).
 * The seed decides kinds, order, targets as far as they are not "the leader", and durations; when what
 * happens meanwhile is up to the machine.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatHistory } from '../linearizability/history.ts'
import { Random } from '../simulation/random.ts'
import { BrokenPromise, type Complaint, Complaints, kept, pause } from './complaints.ts'
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

const overlapChance = 0.25
const aimAtLeaderChance = 0.6
const restMsMax = 800
/** Nine clients at three members, ten at five. */
const clientsMax = 10

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-chaos-'))
  const complaints = new Complaints()
  const fleet = await Fleet.open(options.nodes, folder, complaints)
  const abandon = (): void => fleet.abandon()
  process.on('exit', abandon)
  const campaign = new Campaign(options, fleet, folder, complaints)
  try {
    await campaign.run()
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error
    complaints.add(error.rule, error.message)
  } finally {
    await fleet.destroy()
    await campaign.load.stop()
    process.off('exit', abandon)
  }
  await checkRemains(folder, fleet, complaints)
  return campaign.report(await keep(folder, campaign, complaints))
}

/** The members' directories are large and of little use. */
async function keep(
  folder: string,
  { load }: Campaign,
  { found }: Complaints,
): Promise<string | null> {
  if (found.length > 0) {
    const shelf = await mkdtemp(join(tmpdir(), 'skiff-chaos-kept-'))
    await writeFile(join(shelf, 'history.jsonl'), formatHistory(load.recorder.history()))
    const text = found.map(({ rule, details }) => `${rule}\n${details}\n`).join('\n')
    await writeFile(join(shelf, 'complaints.txt'), text)
    await rm(folder, { recursive: true, force: true })
    return shelf
  }
  await rm(folder, { recursive: true, force: true })
  return null
}

class Campaign {
  readonly load: Load
  readonly #options: CampaignOptions
  readonly #stage: Stage
  readonly #complaints: Complaints
  readonly #random: Random
  readonly #tallies: Map<FaultKind, Tally>
  #deck: FaultKind[] = []
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
    const kind = this.#draw()
    const target = await this.#aim(kind, null)
    const strikes = [this.#inject(kind, target)]
    const next = this.#deck.at(-1)
    const mayOverlap = kind !== 'kill all' && next !== undefined && next !== 'kill all'
    if (this.#random.chance(overlapChance) && mayOverlap) {
      await pause(this.#random.below(restMsMax))
      const second = this.#draw()
      const other = await this.#aim(second, target)
      if (other !== target) strikes.push(this.#inject(second, other))
      else this.#deck.push(second)
    }
    // Both to their ends: neither may start a process once the campaign is over.
    const ends = await Promise.allSettled(strikes)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async #inject(kind: FaultKind, target: Slot): Promise<void> {
    this.#say(`${kind} at member ${target.n}`)
    const random = this.#random.fork()
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
  #draw(): FaultKind {
    if (this.#deck.length === 0) {
      this.#deck = shuffled(this.#options.kinds, this.#random)
      this.#decks++
    }
    const kind = this.#deck.pop()
    if (kind === undefined) throw new RangeError('no kinds of faults')
    return kind
  }

  async #aim(kind: FaultKind, except: Slot | null): Promise<Slot> {
    const { slots } = this.#stage.fleet
    const hasDisk = slots.some(({ disk }) => disk !== null)
    const fit = slots.filter(
      (slot) => slot !== except && (!diskKinds.has(kind) || !hasDisk || slot.disk !== null),
    )
    const drawn = fit.length > 0 ? this.#random.pick(fit) : except
    if (drawn === null) throw new RangeError('no members')
    if (!this.#random.chance(aimAtLeaderChance)) return drawn
    const leader = await this.#stage.fleet.leader()
    return leader !== null && fit.includes(leader) ? leader : drawn
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

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const deck = [...items]
  for (let n = deck.length - 1; n > 0; n--) {
    const other = random.below(n + 1)
    const [one, two] = [deck[n], deck[other]]
    if (one === undefined || two === undefined) continue
    deck[n] = two
    deck[other] = one
  }
  return deck
}
