/** The tables of the suites snapshot, failover and restart, in the terminal as in RESULTS.md. */
import { renderCount } from '../../src/cli/report.ts'
import type { FailoverRow } from '../failover.ts'
import type { RestartRow } from '../restart.ts'
import type { SnapshotRow } from '../snapshot.ts'
import { type Column, figures, markdownTable, times } from './table.ts'

export interface LifeReport {
  readonly snapshot: readonly SnapshotRow[]
  readonly failover: readonly FailoverRow[]
  readonly restart: readonly RestartRow[]
}

export const noLife: LifeReport = { snapshot: [], failover: [], restart: [] }

export function hasLife({ snapshot, failover, restart }: LifeReport): boolean {
  return snapshot.length + failover.length + restart.length > 0
}

export function renderLife({ snapshot, failover, restart }: LifeReport): string {
  return [
    ...(snapshot.length === 0 ? [] : [renderSnapshot(snapshot)]),
    ...(failover.length === 0 ? [] : [renderFailover(failover)]),
    ...(restart.length === 0 ? [] : [renderRestart(restart)]),
  ].join('\n\n')
}

const mebibyte = 2 ** 20

const snapshotColumns: readonly Column<SnapshotRow>[] = [
  { title: 'snapshot', text: ({ what }) => what },
  { title: 'keys', text: ({ keys }) => renderCount(keys) },
  { title: 'MiB', text: ({ bytes }) => figures(bytes / mebibyte) },
  { title: 's', text: ({ ms }) => figures(ms / 1_000) },
  { title: 'MiB/s', text: ({ bytes, ms }) => figures(bytes / mebibyte / (ms / 1_000)) },
  { title: 'puts/s before', text: ({ before }) => renderCount(before.writesPerSecond) },
  { title: 'meanwhile', text: ({ meanwhile }) => renderCount(meanwhile.writesPerSecond) },
  { title: 'p50 ms before', text: ({ before }) => figures(before.p50Ms) },
  { title: 'meanwhile', text: ({ meanwhile }) => figures(meanwhile.p50Ms) },
  { title: 'p99 ms before', text: ({ before }) => figures(before.p99Ms) },
  { title: 'meanwhile', text: ({ meanwhile }) => figures(meanwhile.p99Ms) },
  { title: 'ratio', text: ({ before, meanwhile }) => times(meanwhile.p99Ms / before.p99Ms) },
  { title: 'longest gap ms', text: ({ meanwhile }) => figures(meanwhile.longestGapMs) },
]

const failoverColumns: readonly Column<FailoverRow>[] = [
  { title: 'what', text: ({ how }) => how },
  { title: 'repeats', text: ({ repeats }) => renderCount(repeats) },
  { title: 'p50 ms', text: ({ gapP50Ms }) => figures(gapP50Ms) },
  { title: 'longest ms', text: ({ gapMaxMs }) => figures(gapMaxMs) },
  { title: 'failed puts', text: ({ failedWrites }) => renderCount(failedWrites) },
]

const restartColumns: readonly Column<RestartRow>[] = [
  { title: 'state', text: ({ state }) => state },
  { title: 'keys', text: ({ keys }) => renderCount(keys) },
  { title: 'entries behind the snapshot', text: ({ tailEntries }) => renderCount(tailEntries) },
  { title: 'p50 ms', text: ({ readyP50Ms }) => figures(readyP50Ms) },
  { title: 'longest ms', text: ({ readyMaxMs }) => figures(readyMaxMs) },
]

function renderSnapshot(rows: readonly SnapshotRow[]): string {
  return `## Snapshots

Puts of 100 B by 64 callers in the process of the node (of the leader, where there are three). Taken: from the
call to the answer, with hash and sync. Installed: from the start of the process of a member whose log is gone until it
has applied what is committed; the latencies are the others'.

${markdownTable(snapshotColumns, rows)}`
}

function renderFailover(rows: readonly FailoverRow[]): string {
  return `## Failover

Three nodes, each a process; 64 callers on a follower, which only wait and are served by the next leader. The longest
time between two acknowledged puts, with the default timeouts (an election after 1 to 2 s of silence):

${markdownTable(failoverColumns, rows)}`
}

function renderRestart(rows: readonly RestartRow[]): string {
  return `## Restart

From \`createCluster\` to the first linearizable read, one node, values of 100 B. Believed: the process was killed.
Made anew: the power failed too, and the state is made of the snapshot and of the log behind it.

${markdownTable(restartColumns, rows)}`
}
