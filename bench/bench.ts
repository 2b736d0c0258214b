/** Runs the suites that are asked for, shows rows as they come, and gathers what they found out. */
import { packageRoot } from '../src/cli/package-root.ts'
import { Progress } from '../src/cli/progress.ts'
import { messageOf } from '../src/errors.ts'
import type { BenchArguments, SuiteName } from './arguments.ts'
import { runFailoverSuite } from './failover.ts'
import { reachedOf } from './goals.ts'
import { type Limits, limitOf, measureLimits } from './limits/limits.ts'
import { runLimitSuite } from './limits/suites.ts'
import { commitOf, describeMachine } from './machine.ts'
import { type MemoryReport, runMemorySuite } from './memory.ts'
import { renderGoals } from './report/goals.ts'
import { type LifeReport, noLife, renderLife } from './report/life.ts'
import type { BenchReport } from './report/report.ts'
import { renderMemory } from './report/results.ts'
import { renderRatios, renderRow, rowHeader } from './report/rows.ts'
import { runRestartSuite } from './restart.ts'
import { type Row, ratiosOf } from './row.ts'
import { runSnapshotSuite } from './snapshot.ts'
import { type Experiment, joined, runExperiment, runsOf } from './suites/experiment.ts'
import { planOf } from './suites/plans.ts'
import { runWatchSuite } from './suites/watch.ts'

export type BenchOptions = Extract<BenchArguments, { type: 'run' }>

const growthPuts = 1_000_000
const warmUpMs = 500

export class Bench {
  readonly #options: BenchOptions
  readonly #scratch: string
  readonly #rows: Row[] = []
  readonly #notes: string[] = []
  readonly #progress = new Progress('bench', 'runs')
  #limits: Limits | null = null
  #memory: MemoryReport | null = null
  #life: LifeReport = noLife
  #runs = 0
  #runsInAll = 0

  constructor(options: BenchOptions, scratch: string) {
    this.#options = options
    this.#scratch = scratch
  }

  async run(): Promise<BenchReport> {
    const machine = describeMachine(this.#scratch)
    const date = new Date().toISOString()
    const experiments = joined(this.#options.suites.flatMap((suite) => this.#planOf(suite)))
    this.#runsInAll = experiments.reduce(
      (sum, experiment) => sum + runsOf(experiment, this.#options.rounds),
      0,
    )
    if (experiments.length > 0) this.#limits = await measureLimits(this.#scratch)
    for (const experiment of experiments) await this.#runExperiment(experiment)
    for (const suite of this.#options.suites) {
      try {
        await this.#runOther(suite)
      } catch (error) {
        // What the others found out is not to be lost with it.
        this.#note(`${suite}: failed: ${messageOf(error)}`)
      }
    }
    this.#progress.hide()
    const ratios = ratiosOf(this.#rows)
    const goals = reachedOf(this.#rows, ratios, machine.cores)
    if (ratios.length > 0) console.log(`\n${renderRatios(ratios)}`)
    if (goals.length > 0) console.log(`\n${renderGoals(goals)}`)
    const root = packageRoot(import.meta.dirname)
    const command = ['npm run bench --', ...process.argv.slice(2)].join(' ')
    const run = { machine, node: process.version, commit: commitOf(root), date, command }
    const found = { rows: this.#rows, ratios, goals, notes: this.#notes, limits: this.#limits }
    return { ...run, ...found, memory: this.#memory, life: this.#life }
  }

  #planOf(suite: SuiteName): readonly Experiment[] {
    const { only } = this.#options
    return planOf(suite, this.#options).map((experiment) => ({
      ...experiment,
      systems: experiment.systems.filter(({ name }) => name.includes(only)),
    }))
  }

  /** Of the suites that are no experiments. */
  async #runOther(suite: SuiteName): Promise<void> {
    const { keys, measureMs, repeats } = this.#options
    const scratch = this.#scratch
    const onNote = (note: string) => this.#note(`${suite}: ${note}`)
    switch (suite) {
      case 'memory':
        this.#memory = await runMemorySuite(scratch, growthPuts)
        return console.log(renderMemory(this.#memory))
      case 'snapshot':
        return this.#live({
          snapshot: await runSnapshotSuite({ scratch, keys, measureMs, repeats }),
        })
      case 'failover':
        return this.#live({ failover: await runFailoverSuite({ scratch, repeats, onNote }) })
      case 'restart':
        return this.#live({ restart: await runRestartSuite({ scratch, keysMax: keys, repeats }) })
      case 'watch':
        return runWatchSuite({ scratch, measureMs, onRow: (row) => this.#row(row), onNote })
      case 'hop':
      case 'socket':
      case 'codec':
      case 'fsync':
        return runLimitSuite(suite, { scratch, measureMs, onRow: (row) => this.#row(row) })
    }
  }

  async #runExperiment(experiment: Experiment): Promise<void> {
    await runExperiment(experiment, {
      scratch: this.#scratch,
      rounds: this.#options.rounds,
      warmUpMs,
      measureMs: this.#options.measureMs,
      onRow: (row) => this.#row(row),
      onRun: () => this.#progress.update(++this.#runs, this.#runsInAll),
      onNote: (note) => this.#note(note),
    })
  }

  #row(row: Row): void {
    const limit = this.#limits === null ? null : limitOf(row, this.#limits)
    this.#progress.hide()
    if (this.#rows.at(-1)?.suite !== row.suite) console.log(`\n${row.suite}\n\n${rowHeader}`)
    this.#rows.push({ ...row, limit })
    console.log(renderRow(row))
  }

  #note(note: string): void {
    this.#notes.push(note)
    this.#progress.hide()
    console.log(`  (${note})`)
  }

  #live(measured: Partial<LifeReport>): void {
    this.#life = { ...this.#life, ...measured }
    console.log(renderLife({ ...noLife, ...measured }))
  }
}
