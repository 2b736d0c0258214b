/**
 * One soak: members as processes under constant load, one of which is stopped for a while (or, where there
 * is only one, killed and started again), and in the end all that was acknowledged must be everywhere.
 */

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ChildEnded } from '../../bench/child.ts'
import { offencesIn } from '../../bench/ledger.ts'
import type { Contents } from '../../bench/member.ts'
import type { Mark } from '../../bench/plot.ts'
import { type Occupancy, occupancy, stateGeneration } from './files.ts'
import { progressOf } from './report.ts'
import { largest, type Phase, type Sample } from './samples.ts'
import { Slot } from './slot.ts'

export interface SoakOptions {
  readonly seed: number
  readonly nodes: number
  readonly ms: number
  /** How long the member is away; longer, until the log that it needs is gone. */
  readonly stopMs: number
  /** Of all members together. */
  readonly keys: number
  /** Of each member. */
  readonly callers: number
  readonly snapshotLogBytes: number
  readonly scratch: string
  readonly say: (line: string) => void
}

export interface SoakReport {
  readonly samples: readonly Sample[]
  readonly phases: readonly Phase[]
  readonly marks: readonly Mark[]
  readonly stopped: number
  readonly broken: readonly string[]
  readonly failures: readonly string[]
  readonly contents: Contents | null
  /** Of log and state of each member, closed. */
  readonly occupancies: readonly { readonly log: Occupancy; readonly state: Occupancy }[]
}

const secondMs = 1_000
const progressMs = 5_000
/** After the returned member has caught up, what its callers do to the others belongs to its return. */
const settlingMs = 5_000
/** For what must come within it, however slow the machine. */
const patienceMs = 120_000
const offencesMax = 10

export class Soak {
  readonly #options: SoakOptions
  readonly #slots: readonly Slot[]
  readonly #samples: Sample[] = []
  readonly #phases: Phase[] = []
  readonly #marks: Mark[] = []
  readonly #broken: string[] = []
  readonly #occupancies: { log: Occupancy; state: Occupancy }[] = []
  #stopped = 0
  #startedAtMs = 0
  #saidAtMs = 0
  #contents: Contents | null = null

  constructor(options: SoakOptions) {
    this.#options = options
    const { nodes, keys, scratch, snapshotLogBytes } = options
    this.#slots = Array.from({ length: nodes }, (_, n) => {
      const workload = { writer: n, keys: Math.ceil(keys / nodes), values: 'mixed' } as const
      return new Slot(n, scratch, workload, { snapshotLogBytes })
    })
  }

  async run(): Promise<SoakReport> {
    try {
      await this.#course()
      await this.#checkEnding()
    } catch (error) {
      if (!(error instanceof ChildEnded)) throw error
      this.#broken.push(error.message)
    } finally {
      await Promise.all(this.#slots.map((slot) => slot.destroy()))
    }
    return {
      samples: this.#samples,
      phases: this.#phases,
      marks: this.#marks,
      stopped: this.#stopped,
      broken: this.#broken,
      failures: this.#slots.flatMap(({ failures }) => failures),
      contents: this.#contents,
      occupancies: this.#occupancies,
    }
  }

  // ── course ────────────────────────────────────────────────────────────────────────────────────

  async #course(): Promise<void> {
    await this.#begin()
    const { ms } = this.#options
    await this.#untilMs(ms / 6)
    const fromMs = this.#nowMs
    await this.#untilMs(ms / 3)
    this.#phase('before', fromMs)
    if (this.#slots.length === 1) await this.#beginAnew()
    else await this.#awayAndBack()
    const afterMs = this.#nowMs
    await this.#untilMs(ms)
    this.#phase('after', afterMs)
  }

  async #begin(): Promise<void> {
    const [first] = this.#slots
    for (const slot of this.#slots) await slot.open(slot === first ? [] : [first?.address ?? ''])
    const { callers, seed } = this.#options
    this.#startedAtMs = performance.now()
    for (const slot of this.#slots) await slot.begin(callers, seed)
  }

  /** The only one: killed, looked into, and loaded again. */
  async #beginAnew(): Promise<void> {
    await this.#untilMs(this.#options.ms / 2)
    const [slot] = this.#slots
    if (slot === undefined) throw new Error('no member')
    const fromMs = this.#nowMs
    this.#mark('killed')
    await slot.kill()
    await slot.open()
    this.#checkContents(await slot.member.call('contents', [slot.workload]))
    await slot.begin(this.#options.callers, this.#options.seed + 1)
    this.#mark('back')
    this.#phase('away', fromMs)
  }

  async #awayAndBack(): Promise<void> {
    const slot = this.#aFollower()
    const { generation } = slot
    this.#stopped = slot.n
    const awayMs = this.#nowMs
    this.#mark(`member ${slot.n + 1} stopped`)
    const knownIndex = this.#newest(slot.n)?.status.lastIndex ?? 0
    await slot.kill()
    await this.#untilMs(awayMs + this.#options.stopMs)
    const isCut = () => this.#others(slot).every(({ status }) => status.firstIndex > knownIndex + 1)
    await this.#until('the log that the stopped member needs is cut', isCut)
    this.#phase('away', awayMs)
    await this.#comeBack(slot, generation)
  }

  async #comeBack(slot: Slot, generation: number): Promise<void> {
    const fromMs = this.#nowMs
    this.#mark(`member ${slot.n + 1} started`)
    let isOpen = false
    const opening = slot.open().then(() => {
      isOpen = true
    })
    await Promise.race([opening, this.#until('it opens', () => isOpen)])
    await opening
    const targets = (): number[] => this.#others(slot).map(({ status }) => status.commitIndex)
    let target = largest(targets())
    await this.#until('the member that was stopped has caught up', () => {
      const isThere = (this.#newest(slot.n)?.status.appliedIndex ?? 0) >= target
      target = largest(targets())
      return isThere
    })
    this.#mark('caught up')
    if (slot.generation <= generation) this.#broken.push('it came back without a snapshot')
    await slot.begin(this.#options.callers, this.#options.seed + 1)
    await this.#untilMs(this.#nowMs + settlingMs)
    this.#phase('returning', fromMs)
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────

  async #checkEnding(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.end()))
    this.#options.say('the load has ended; comparing')
    const [digest] = await this.#compare()
    await Promise.all(this.#slots.map((slot) => slot.close()))
    for (const { folder } of this.#slots) {
      const state = join(folder, `state-${stateGeneration(folder)}`)
      const log = join(folder, 'log')
      this.#occupancies.push({ log: await occupancy(log), state: await occupancy(state) })
    }
    this.#options.say('closed; opening once more')
    await Promise.all(this.#slots.map((slot) => slot.open()))
    const [again] = await this.#compare()
    if (again !== digest) this.#broken.push('after another start the contents differ')
    await Promise.all(this.#slots.map((slot) => slot.close()))
  }

  /** All members hold the same, and what was acknowledged. Returns their digests. */
  async #compare(): Promise<string[]> {
    const deadlineMs = this.#nowMs + patienceMs
    for (;;) {
      const statuses = await Promise.all(this.#slots.map(({ member }) => member.call('status')))
      const last = largest(statuses.map(({ lastIndex }) => lastIndex))
      const isSettled = statuses.every(
        ({ leaderId, appliedIndex }) => leaderId !== null && appliedIndex === last,
      )
      if (isSettled) break
      if (this.#nowMs > deadlineMs) {
        this.#broken.push('all members apply all')
        break
      }
      await pause(secondMs / 10)
    }
    const workloads = this.#slots.map(({ workload }) => workload)
    const all: Contents[] = []
    for (const { member } of this.#slots) all.push(await member.call('contents', workloads))
    for (const contents of all) this.#checkContents(contents)
    const digests = all.map(({ digest }) => digest)
    if (new Set(digests).size > 1) this.#broken.push(`members differ: ${digests.join(', ')}`)
    return digests
  }

  #checkContents(contents: Contents): void {
    this.#contents = contents
    for (const key of contents.strange) this.#broken.push(`nobody has written what is in ${key}`)
    for (const { n, workload, ledger } of this.#slots) {
      const offences = offencesIn(workload, ledger, contents.found[n] ?? new Uint32Array(0))
      this.#broken.push(...offences.slice(0, offencesMax))
      if (offences.length > offencesMax)
        this.#broken.push(`and ${offences.length - offencesMax} more keys of member ${n + 1}`)
    }
  }

  // ── watching ──────────────────────────────────────────────────────────────────────────────────

  get #nowMs(): number {
    return performance.now() - this.#startedAtMs
  }

  async #untilMs(atMs: number): Promise<void> {
    while (this.#nowMs < atMs) await this.#second()
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    const deadlineMs = this.#nowMs + patienceMs
    while (!isSo()) {
      if (this.#nowMs > deadlineMs) {
        this.#broken.push(`never happened: ${what}`)
        return
      }
      await this.#second()
    }
  }

  async #second(): Promise<void> {
    await pause(secondMs)
    const open = this.#slots.filter(({ isOpen }) => isOpen)
    const samples = await Promise.all(open.map((slot) => slot.sample(this.#startedAtMs)))
    for (const sample of samples) this.#notice(sample)
    this.#samples.push(...samples)
    if (this.#nowMs < this.#saidAtMs + progressMs) return
    this.#saidAtMs = this.#nowMs
    this.#options.say(progressOf(samples))
  }

  /** Snapshots that are not its own, and leaders. */
  #notice({ member, status, files }: Sample): void {
    const before = this.#newest(member)
    if (status.role === 'leader' && before?.status.role !== 'leader')
      this.#mark(`member ${member + 1} leads`)
    if (before !== undefined && files.generation > before.files.generation)
      this.#mark(`member ${member + 1} has a snapshot installed`)
  }

  #newest(n: number): Sample | undefined {
    return this.#samples.findLast(({ member }) => member === n)
  }

  #others(slot: Slot): Sample[] {
    return this.#slots.flatMap(({ n }) => {
      const sample = n === slot.n ? undefined : this.#newest(n)
      return sample === undefined ? [] : [sample]
    })
  }

  #aFollower(): Slot {
    const follower = this.#slots.findLast(({ n }) => this.#newest(n)?.status.role === 'follower')
    if (follower === undefined) throw new Error('there is no follower')
    return follower
  }

  #mark(label: string): void {
    this.#marks.push({ x: this.#nowMs / 1_000, label })
    this.#options.say(`${(this.#nowMs / 1_000).toFixed(0)} s: ${label}`)
  }

  #phase(name: Phase['name'], fromMs: number): void {
    this.#phases.push({ name, fromMs, toMs: this.#nowMs })
  }
}
