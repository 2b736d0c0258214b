/** All that a run of the bench found out. What `--json` writes. */
import type { Reached } from '../goals.ts'
import type { Limits } from '../limits/limits.ts'
import type { Machine } from '../machine.ts'
import type { MemoryReport } from '../memory.ts'
import type { Ratio, Row } from '../row.ts'
import type { LifeReport } from './life.ts'

export interface BenchReport {
  readonly machine: Machine
  /** Version of Node.js. */
  readonly node: string
  readonly commit: string
  /** ISO 8601. */
  readonly date: string
  /** How to run it again. */
  readonly command: string
  readonly limits: Limits | null
  readonly goals: readonly Reached[]
  readonly rows: readonly Row[]
  readonly ratios: readonly Ratio[]
  /** What happened that spoils a suite, such as a peer that is missing. */
  readonly notes: readonly string[]
  readonly memory: MemoryReport | null
  readonly life: LifeReport
}
