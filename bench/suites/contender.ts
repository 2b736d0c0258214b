/** One of the systems of an experiment, from its start to its end. What fails it is told, and the others go on. */
import { join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import type { Pace } from '../load/profile.ts'
import type { System } from '../systems/system.ts'
import type { Experiment, ExperimentOptions, Load } from './experiment.ts'
import { type Run, rowOf } from './measured.ts'
import { Session } from './session.ts'

export class Contender {
  readonly #system: System
  readonly #dir: string
  readonly #experiment: Experiment
  readonly #options: ExperimentOptions
  readonly #runs: Run[] = []
  /** The most it did of each work in a closed loop, per second. */
  readonly #capacities = new Map<number, number>()
  #session: Session | null = null

  constructor(system: System, n: number, experiment: Experiment, options: ExperimentOptions) {
    this.#system = system
    this.#dir = join(options.scratch, `system-${n + 1}`)
    this.#experiment = experiment
    this.#options = options
  }

  /** With all keys in it, or with as many as there was time for. */
  async open(): Promise<void> {
    const { keys, valueBytes } = this.#experiment
    try {
      const reason = this.#system.unavailable()
      if (reason !== null) throw new Error(reason)
      this.#session = await Session.open(this.#system, this.#dir)
      const filled = await this.#session.fill(keys, valueBytes)
      if (filled.keys < keys)
        this.#note(`holds only ${filled.keys} of ${keys} keys: ${filled.failure ?? 'no time'}`)
      this.#session.pause()
    } catch (error) {
      await this.#fail(`is not measured: ${messageOf(error)}`)
    }
  }

  async run(load: Load, round: number): Promise<void> {
    const { pace, putPercent, distribution, countSyncs } = load
    const { keys, valueBytes } = this.#experiment
    const { warmUpMs, onRun } = this.#options
    const measureMs = this.#options.measureMs * load.length
    const session = this.#session
    if (session !== null && !this.#isStuck()) {
      const seed = 1 + round
      const exact = this.#exact(pace, putPercent)
      const shape = { putPercent, distribution, keys, valueBytes, warmUpMs, measureMs, seed }
      try {
        const outcome = await session.measure({ pace: exact, ...shape }, countSyncs)
        this.#runs.push({ outcome, isEmbedded: session.isEmbedded, pace: exact })
        session.pause()
      } catch (error) {
        await this.#fail(`failed: ${messageOf(error)}`)
      }
    }
    onRun()
  }

  /** It answered nothing the last time, for as long as anybody waited; it would not now. */
  #isStuck(): boolean {
    const last = this.#runs.at(-1)?.outcome.result
    return last !== undefined && last.operations === 0 && last.unanswered > 0
  }

  /** The row of this load. */
  conclude({ suite, putPercent, distribution, pace }: Load): void {
    const runs = this.#runs.splice(0)
    if (runs.length === 0) return
    const { keys, valueBytes } = this.#experiment
    const { name: system, nodes } = this.#system
    const row = rowOf({ suite, system, nodes, keys, valueBytes, putPercent, distribution }, runs)
    if (pace.type === 'closed')
      this.#capacities.set(putPercent, Math.max(this.#capacityOf(putPercent), row.opsPerSecond))
    this.#options.onRow(row)
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = null
    try {
      await session?.close()
    } catch (error) {
      this.#note(`did not end well: ${messageOf(error)}`)
    }
  }

  async #fail(what: string): Promise<void> {
    this.#note(what)
    await this.close()
  }

  #note(what: string): void {
    for (const suite of new Set(this.#experiment.loads.map((load) => load.suite)))
      this.#options.onNote(`${suite}: ${this.#system.name} ${what}`)
  }

  #exact(pace: Load['pace'], putPercent: number): Pace {
    if (pace.type !== 'share') return pace
    return { type: 'open', perSecond: Math.max(1, pace.part * this.#capacityOf(putPercent)) }
  }

  #capacityOf(putPercent: number): number {
    return this.#capacities.get(putPercent) ?? 0
  }
}
