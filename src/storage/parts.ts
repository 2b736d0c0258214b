/** All that a turn works with: opening.ts puts it together, storage.ts and restoring.ts use it. */
import type { Raft } from '../raft/raft.ts'
import type { SnapshotMark } from '../raft/types.ts'
import type { BoardWriter } from './board.ts'
import type { Changes } from './changes.ts'
import type { DiskSpace } from './disk-space.ts'
import type { HealthParts } from './health.ts'
import type { LogStore } from './log-store.ts'
import type { Proposals } from './proposals.ts'
import type { Reads } from './reads.ts'
import type { Snapshots } from './snapshots.ts'
import type { StateMachine } from './state-machine.ts'
import type { Succession } from './succession.ts'
import type { Watchers } from './watchers.ts'

export interface StorageParts {
  readonly raft: Raft
  readonly log: LogStore
  readonly state: StateMachine
  readonly proposals: Proposals
  readonly reads: Reads
  readonly changes: Changes
  readonly succession: Succession
  readonly watchers: Watchers
  readonly board: BoardWriter
  readonly space: DiskSpace
  /** Applied in one transaction; more wait for the next turn. */
  readonly applyEntriesMax: number
  readonly applyBytesMax: number
  readonly snapshots: Snapshots
  /** Of this start, as its batches carry it. */
  readonly incarnation: number
  /** Puts a snapshot in the place of log and state, durably. Returns the state's generation; `null`: it is damaged. */
  readonly install: (snapshot: SnapshotMark) => number | null
  readonly remake: HealthParts['remake']
  readonly stateGeneration: () => number
  readonly proven: () => void
  /** The next start is to make the state anew: this one could not be written. */
  readonly distrust: () => void
  /** Between two comparisons of the members' states. */
  readonly auditTicks: number
  /** Calls back soon, but not before what has come meanwhile is in the ports. */
  readonly schedule: (turn: () => void) => void
}
