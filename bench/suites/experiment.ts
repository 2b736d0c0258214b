/**
 * Systems beside each other under the same loads. All are started and filled first; then, load by load and
 * round by round, each is measured right after the other, so that a machine that is slower for a while is
 * so for all of them, and the ratios hold. Numbers are medians over the rounds.
 */
import { join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import type { Pace } from '../load/profile.ts'
import type { Row } from '../row.ts'
import type { System } from '../systems/system.ts'
import { type Run, rowOf } from './measured.ts'
import { Session } from './session.ts'

export interface Experiment {
  readonly suite: string
  readonly systems: readonly System[]
  readonly keys: number
  readonly valueBytes: number
  readonly loads: readonly Load[]
}

export interface Load {
  readonly pace: Pace | Share
  /** Of 100 operations; the others are reads. */
  readonly putPercent: number
  readonly distribution: 'uniform' | 'zipfian'
  readonly countSyncs: boolean
}

/** An open loop at this part of what the system did in the closed loops before: 1 is all of it. */
export interface Share {
  readonly type: 'share'
  readonly part: number
}

export interface ExperimentOptions {
  readonly scratch: string
  readonly rounds: number
  readonly warmUpMs: number
  readonly measureMs: number
  readonly onRow: (row: Row) => void
  /** A run has ended, or will never be. */
  readonly onRun: () => void
  /** Something the reader of the tables must know. */
  readonly onNote: (note: string) => void
}

/** How many runs it takes, for whoever shows how far it is. */
export function runsOf({ systems, loads }: Experiment, rounds: number): number {
  return systems.length * loads.length * rounds
}

export async function runExperiment(
  experiment: Experiment,
  options: ExperimentOptions,
): Promise<void> {
  const contenders = await openAll(experiment, options)
  try {
    for (const load of experiment.loads) {
      for (let round = 0; round < options.rounds; round++)
        for (const contender of contenders) await contender.run(load, round)
      for (const contender of contenders) contender.conclude(load)
    }
  } finally {
    for (const contender of contenders) await contender.close()
  }
}

async function openAll(experiment: Experiment, options: ExperimentOptions): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const [n, system] of experiment.systems.entries()) {
    try {
      const reason = system.unavailable()
      if (reason !== null) throw new Error(reason)
      const session = await Session.open(system, join(options.scratch, `system-${n + 1}`))
      const contender = new Contender(session, experiment, options)
      contenders.push(contender)
      await contender.fill()
    } catch (error) {
      options.onNote(`${experiment.suite}: ${system.name} is not measured: ${messageOf(error)}`)
      for (const _ of experiment.loads) for (let n = 0; n < options.rounds; n++) options.onRun()
    }
  }
  return contenders.filter((contender) => contender.lives)
}

class Contender {
  readonly #session: Session
  readonly #experiment: Experiment
  readonly #options: ExperimentOptions
  readonly #runs: Run[] = []
  #lives = true
  /** The most it did of this work in a closed loop, per second. */
  readonly #capacities = new Map<number, number>()

  constructor(session: Session, experiment: Experiment, options: ExperimentOptions) {
    this.#session = session
    this.#experiment = experiment
    this.#options = options
  }

  get lives(): boolean {
    return this.#lives
  }

  async fill(): Promise<void> {
    const { keys, valueBytes, suite } = this.#experiment
    try {
      const filled = await this.#session.fill(keys, valueBytes)
      if (filled < keys)
        this.#options.onNote(
          `${suite}: ${this.#session.system.name} holds only ${filled} of ${keys} keys, for want of time`,
        )
    } catch (error) {
      this.#lives = false
      throw error
    }
  }

  async run(load: Load, round: number): Promise<void> {
    if (!this.#lives) return this.#options.onRun()
    const { keys, valueBytes, suite } = this.#experiment
    const { warmUpMs, measureMs } = this.#options
    const { putPercent, distribution, countSyncs } = load
    const pace = this.#paceOf(load)
    const seed = 1 + round
    const what = { pace, putPercent, distribution, keys, valueBytes, warmUpMs, measureMs, seed }
    try {
      const outcome = await this.#session.measure(what, countSyncs)
      this.#runs.push({ outcome, isEmbedded: this.#session.isEmbedded, pace })
    } catch (error) {
      this.#lives = false
      this.#options.onNote(`${suite}: ${this.#session.system.name} failed: ${messageOf(error)}`)
    }
    this.#options.onRun()
  }

  /** The row of this load. */
  conclude({ putPercent, distribution, pace }: Load): void {
    const runs = this.#runs.splice(0)
    if (runs.length === 0) return
    const { suite, keys, valueBytes } = this.#experiment
    const { name: system, nodes } = this.#session.system
    const row = rowOf({ suite, system, nodes, keys, valueBytes, putPercent, distribution }, runs)
    if (pace.type === 'closed')
      this.#capacities.set(putPercent, Math.max(this.#capacityOf(putPercent), row.opsPerSecond))
    this.#options.onRow(row)
  }

  async close(): Promise<void> {
    try {
      await this.#session.close()
    } catch (error) {
      const { suite } = this.#experiment
      this.#options.onNote(
        `${suite}: ${this.#session.system.name} did not end: ${messageOf(error)}`,
      )
    }
  }

  #paceOf({ pace, putPercent }: Load): Pace {
    if (pace.type !== 'share') return pace
    return { type: 'open', perSecond: Math.max(1, pace.part * this.#capacityOf(putPercent)) }
  }

  #capacityOf(putPercent: number): number {
    return this.#capacities.get(putPercent) ?? 0
  }
}

/** Of the closed loop. */
export function closed(callers: number, putPercent: number): Load {
  const pace = { type: 'closed', callers } as const
  return { pace, putPercent, distribution: 'uniform', countSyncs: false }
}

/** Of the open one. */
export function share(part: number, putPercent: number): Load {
  return { pace: { type: 'share', part }, putPercent, distribution: 'uniform', countSyncs: false }
}
