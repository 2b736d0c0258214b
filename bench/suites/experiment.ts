/**
 * Systems beside each other under the same loads. All are started and filled first; then, load by load and
 * round by round, each is measured right after the other, so that a machine that is slower for a while is
 * so for all of them, and the ratios hold. Numbers are medians over the rounds.
 */
import type { Pace } from '../load/profile.ts'
import type { Row } from '../row.ts'
import type { System } from '../systems/system.ts'
import { Contender } from './contender.ts'

export interface Experiment {
  readonly systems: readonly System[]
  readonly keys: number
  readonly valueBytes: number
  readonly loads: readonly Load[]
}

export interface Load {
  /** In whose table its rows are. */
  readonly suite: string
  readonly pace: Pace | Share
  /** Of 100 operations; the others are reads. */
  readonly putPercent: number
  readonly distribution: 'uniform' | 'zipfian'
  readonly countSyncs: boolean
  /** How many times as long as others it is measured. */
  readonly length: number
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

/** What is measured of the same systems with the same contents is measured in one go: filling them takes long. */
export function joined(experiments: readonly Experiment[]): Experiment[] {
  const groups = new Map<string, Experiment>()
  for (const experiment of experiments) {
    const { systems, keys, valueBytes, loads } = experiment
    const id = JSON.stringify([systems.map(({ name }) => name), keys, valueBytes])
    const before = groups.get(id)?.loads ?? []
    groups.set(id, { ...experiment, loads: [...before, ...loads] })
  }
  return [...groups.values()]
}

/** How many runs it takes, for whoever shows how far it is. */
export function runsOf({ systems, loads }: Experiment, rounds: number): number {
  return systems.length * loads.length * rounds
}

export async function runExperiment(
  experiment: Experiment,
  options: ExperimentOptions,
): Promise<void> {
  const contenders = experiment.systems.map(
    (system, n) => new Contender(system, n, experiment, options),
  )
  try {
    for (const contender of contenders) await contender.open()
    for (const load of experiment.loads) {
      for (let round = 0; round < options.rounds; round++)
        for (const contender of contenders) await contender.run(load, round)
      for (const contender of contenders) contender.conclude(load)
    }
  } finally {
    for (const contender of contenders) await contender.close()
  }
}

/** Of the closed loop. */
export function closed(suite: string, callers: number, putPercent: number): Load {
  const pace = { type: 'closed', callers } as const
  return { suite, pace, putPercent, distribution: 'uniform', countSyncs: false, length: 1 }
}

/** Of the open one. */
export function share(suite: string, part: number, putPercent: number): Load {
  const pace = { type: 'share', part } as const
  return { suite, pace, putPercent, distribution: 'uniform', countSyncs: false, length: 1 }
}
