/** Runs a workload under strace, and reads back what the kernel saw. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { descriptorOf, readTrace, stringsOf } from '../support/strace.ts'
import type { Happened } from './cluster-marker.ts'
import { Disk, type Lie, recordedCalls } from './disk.ts'
import { type Places, placesIn } from './workload.ts'

/** What is recorded, and how many nodes it has. */
export const workloads = {
  'cluster of one': 1,
  'cluster of three': 3,
  snapshots: 3,
  log: 1,
} as const
export type WorkloadName = keyof typeof workloads

export interface Said<Marker> {
  readonly at: number
  readonly marker: Marker
}

export interface Recording {
  readonly workload: WorkloadName
  readonly seed: number
  readonly places: Places
  readonly disk: Disk
  readonly markers: readonly Said<unknown>[]
  /** Lines of the trace before which the power may fail: wherever that makes a difference. */
  readonly cuts: readonly number[]
  /** Those around the making of files and around a clean close: few, and each of them another. */
  readonly turns: readonly number[]
  /** What became of the keys, revision by revision, where the workload says so. */
  readonly history: readonly Happened[]
}

const recordingMsMax = 300_000
/** A slow disk: what is promised too early has time to be believed. */
const syncDelayUs = 5_000
/** More than any single write of the workloads. */
const stringBytesMax = 2 ** 24

/** Cuts on each side of a turn. */
const turnCuts = 12

const scripts: Readonly<Record<WorkloadName, string>> = {
  'cluster of one': './cluster-workload.js',
  'cluster of three': './cluster-workload.js',
  snapshots: './snapshot-workload.js',
  log: './log-workload.js',
}

export async function record(workload: WorkloadName, folder: string, seed: number): Promise<void> {
  const places = placesIn(folder)
  mkdirSync(places.root)
  const script = scripts[workload]
  const program = fileURLToPath(new URL(script, import.meta.url))
  const options = ['-f', '-y', '-xx', '-s', `${stringBytesMax}`, '-o', places.trace]
  const slow = `inject=fdatasync:delay_enter=${syncDelayUs}`
  const calls = ['-e', `trace=${recordedCalls}`, '-e', slow]
  const command = [process.execPath, program, folder, `${seed}`, `${workloads[workload]}`]
  await promisify(execFile)('strace', [...options, ...calls, ...command], {
    timeout: recordingMsMax,
    // Else Node may write without a system call, and LMDB would.
    env: { ...process.env, UV_USE_IO_URING: '0', SKIFF_STATE_UNMAPPED: '1' },
    killSignal: 'SIGKILL',
  })
}

export function readRecording(
  workload: WorkloadName,
  folder: string,
  seed: number,
  lie: Lie,
): Recording {
  const places = placesIn(folder)
  const calls = readTrace(places.trace)
  const disk = new Disk(places.root, calls, lie)
  const markers = calls
    .filter((call) => call.name === 'write' && descriptorOf(call)?.path === places.markers)
    .map((call) => ({
      at: call.begunAt,
      marker: JSON.parse(stringsOf(call)[0]?.toString() ?? '') as unknown,
    }))
  if (markers.length === 0) throw new Error(`the recording in ${folder} says nothing`)
  const cuts = cutsOf(disk, markers)
  return {
    workload,
    seed,
    places,
    disk,
    markers,
    cuts,
    turns: turnsAmong(cuts, disk),
    history: readHistory(places),
  }
}

function readHistory({ history }: Places): readonly Happened[] {
  if (!existsSync(history)) return []
  const lines = readFileSync(history, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Happened)
}

function cutsOf({ inodes }: Disk, markers: readonly Said<unknown>[]): number[] {
  const operations = inodes.flatMap(({ operations }) => operations)
  const syncs = inodes.flatMap(({ syncs }) => syncs)
  const lines = [
    ...[...operations, ...syncs].flatMap(({ begunAt, endedAt }) => [begunAt, endedAt ?? begunAt]),
    ...markers.map(({ at }) => at),
  ]
  return [...new Set([0, ...lines.map((line) => line + 1)])].sort((a, b) => a - b)
}

function turnsAmong(cuts: readonly number[], { inodes }: Disk): number[] {
  const turning = inodes.filter(({ isDirectory, isMapped }) => isDirectory || isMapped)
  const lines = turning.flatMap(({ operations, syncs }) => [
    ...operations.map(({ begunAt }) => begunAt),
    ...syncs.map(({ endedAt }) => endedAt),
  ])
  const near = new Set<number>()
  for (const line of lines) {
    const at = cuts.findIndex((cut) => cut >= line)
    for (const cut of cuts.slice(Math.max(0, at - turnCuts), at + turnCuts)) near.add(cut)
  }
  return [...near].sort((a, b) => a - b)
}
