/** Runs a workload under strace, and reads back what the kernel saw. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { descriptorOf, readCalls, stringsOf } from '../support/strace.ts'
import { Disk, type Lies, recordedCalls } from './disk.ts'
import { type Places, placesIn } from './workload.ts'

export type WorkloadName = 'cluster' | 'log'

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
  /** Of the state's file: after the n-th clean close, and at any time. */
  readonly clean: readonly Buffer[]
  readonly live: readonly Buffer[]
}

const recordingMsMax = 120_000
/** More than any single write of the workloads. */
const stringBytesMax = 2 ** 24

/** Cuts on each side of a turn. */
const turnCuts = 12

export async function record(workload: WorkloadName, folder: string, seed: number): Promise<void> {
  const places = placesIn(folder)
  mkdirSync(places.root)
  mkdirSync(places.copies)
  const program = fileURLToPath(new URL(`./${workload}-workload.js`, import.meta.url))
  const options = ['-f', '-y', '-xx', '-s', `${stringBytesMax}`, '-o', places.trace]
  const calls = ['-e', `trace=${recordedCalls}`]
  const command = [process.execPath, program, folder, `${seed}`]
  await promisify(execFile)('strace', [...options, ...calls, ...command], {
    timeout: recordingMsMax,
    killSignal: 'SIGKILL',
  })
}

export function readRecording(
  workload: WorkloadName,
  folder: string,
  seed: number,
  lies?: Lies,
): Recording {
  const places = placesIn(folder)
  const calls = readCalls(readFileSync(places.trace, 'utf8'))
  const disk = new Disk(places.root, calls, lies)
  const markers = calls
    .filter((call) => call.name === 'write' && descriptorOf(call)?.path === places.markers)
    .map((call) => ({
      at: call.begunAt,
      marker: JSON.parse(stringsOf(call)[0]?.toString() ?? '') as unknown,
    }))
  const copies = (kind: string): Buffer[] =>
    readdirSync(places.copies)
      .filter((name) => name.startsWith(kind))
      .sort()
      .map((name) => readFileSync(join(places.copies, name)))
  const cuts = cutsOf(disk, markers)
  return {
    workload,
    seed,
    places,
    disk,
    markers,
    cuts,
    turns: turnsAmong(cuts, disk),
    clean: copies('clean'),
    live: copies('live'),
  }
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
