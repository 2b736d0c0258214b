/**
 * Suite `snapshot`: what a snapshot takes, and what it does to the writes meanwhile. On one node, while it is
 * taken; on three, while a follower that was away too long is given one. Members are processes, each with its own callers.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClusterOptions } from '../src/options.ts'
import { noLatencies, percentileOf, sumOf } from './latencies.ts'
import { LoadedMember, type Report } from './member.ts'

export interface SnapshotRow {
  readonly what: 'taken, 1 node' | 'installed, 3 nodes'
  readonly keys: number
  readonly bytes: number
  readonly ms: number
  readonly before: Latency
  /** While it was taken or installed. */
  readonly meanwhile: Latency
}

export interface Latency {
  readonly writesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly longestGapMs: number
}

export interface SnapshotOptions {
  readonly scratch: string
  readonly keys: number
  readonly measureMs: number
  readonly repeats: number
}

const valueBytes = 100
const callers = 64
const warmUpMs = 1_000
const pollMs = 20
const patienceMs = 300_000
/** None but those that are asked for. */
const unasked = 2 ** 40

export async function runSnapshotSuite(options: SnapshotOptions): Promise<SnapshotRow[]> {
  return [await measureTaking(options), await measureInstalling(options)]
}

async function measureTaking({
  scratch,
  keys,
  measureMs,
  repeats,
}: SnapshotOptions): Promise<SnapshotRow> {
  const dir = join(scratch, 'taking')
  const member = LoadedMember.start()
  try {
    await member.call('open', { dir, snapshotLogBytes: unasked })
    const workload = { writer: 0, keys, values: valueBytes }
    const ledger = await member.call('fill', workload)
    await member.call('begin', workload, ledger, callers, 1)
    const rows: SnapshotRow[] = []
    for (let n = 0; n < repeats; n++) {
      const before = await calm([member], measureMs)
      const startMs = performance.now()
      await member.call('snapshot')
      const ms = performance.now() - startMs
      const meanwhile = latencyOf([await member.call('report')], ms)
      rows.push({ what: 'taken, 1 node', keys, bytes: newestBytes(dir), ms, before, meanwhile })
    }
    await member.call('end')
    await member.close()
    return medianOf(rows)
  } finally {
    await member.kill()
  }
}

/** The leader and one follower go on under load; the other is killed, and comes back when its log is gone. */
async function measureInstalling({
  scratch,
  keys,
  measureMs,
}: SnapshotOptions): Promise<SnapshotRow> {
  const dirs = [1, 2, 3].map((n) => join(scratch, `installing-${n}`))
  const members: LoadedMember[] = []
  const start = async (n: number, options: ClusterOptions): Promise<string> => {
    const member = LoadedMember.start()
    members[n] = member
    const dir = dirs[n] ?? ''
    const { address } = await member.call('open', { dir, snapshotLogBytes: unasked, ...options })
    return address
  }
  try {
    const seed = await start(0, {})
    for (const n of [1, 2]) await start(n, { join: [seed] })
    const [leader, follower, away] = members
    if (leader === undefined || follower === undefined || away === undefined)
      throw new Error('three')
    const ledger = await leader.call('fill', { writer: 0, keys, values: valueBytes })
    const { lastIndex } = await away.call('status')
    await away.kill()
    const others = [leader, follower]
    await leader.call('begin', { writer: 0, keys, values: valueBytes }, ledger, callers, 1)
    await cutBehind(others, lastIndex)
    const before = await calm(others, measureMs)
    const startMs = performance.now()
    await start(2, {})
    await caughtUp(members[2], leader)
    const ms = performance.now() - startMs
    const meanwhile = latencyOf(await Promise.all(others.map((one) => one.call('report'))), ms)
    await leader.call('end')
    return {
      what: 'installed, 3 nodes',
      keys,
      bytes: newestBytes(dirs[0] ?? ''),
      ms,
      before,
      meanwhile,
    }
  } finally {
    await Promise.all(members.map((member) => member.kill()))
  }
}

/** The one that took neither long nor short. */
function medianOf(rows: readonly SnapshotRow[]): SnapshotRow {
  const row = rows.toSorted((a, b) => a.ms - b.ms)[Math.floor(rows.length / 2)]
  if (row === undefined) throw new Error('nothing was measured')
  return row
}

/** Snapshots until none of them has the log that far back. */
async function cutBehind(members: readonly LoadedMember[], index: number): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (performance.now() < deadlineMs) {
    await Promise.all(members.map((member) => member.call('snapshot')))
    const statuses = await Promise.all(members.map((member) => member.call('status')))
    if (statuses.every(({ firstIndex }) => firstIndex > index + 1)) return
  }
  throw new Error('the log was never cut')
}

/** To what the leader had committed when it was last asked. */
async function caughtUp(member: LoadedMember | undefined, leader: LoadedMember): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (member !== undefined && performance.now() < deadlineMs) {
    const { commitIndex } = await leader.call('status')
    await pause(pollMs)
    const { appliedIndex } = await member.call('status')
    if (appliedIndex >= commitIndex) return
  }
  throw new Error('it never caught up')
}

async function calm(members: readonly LoadedMember[], measureMs: number): Promise<Latency> {
  await pause(warmUpMs)
  await Promise.all(members.map((member) => member.call('report')))
  const startMs = performance.now()
  await pause(measureMs)
  const reports = await Promise.all(members.map((member) => member.call('report')))
  return latencyOf(reports, performance.now() - startMs)
}

function latencyOf(reports: readonly Report[], ms: number): Latency {
  const latencies = sumOf([noLatencies(), ...reports.map((report) => report.latencies)])
  return {
    writesPerSecond: (reports.reduce((sum, { writes }) => sum + writes, 0) * 1_000) / ms,
    p50Ms: percentileOf(latencies, 50),
    p99Ms: percentileOf(latencies, 99),
    longestGapMs: Math.max(...reports.map((report) => report.longestGapMs)),
  }
}

/** Of the snapshots in this member's directory. Their names begin with the index of their last entry. */
function newestBytes(dir: string): number {
  const folder = join(dir, 'node-1', 'snapshots')
  const names = readdirSync(folder).filter((name) => name.endsWith('.mdb'))
  const newest = names.toSorted((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0]
  return newest === undefined ? 0 : statSync(join(folder, newest)).size
}
