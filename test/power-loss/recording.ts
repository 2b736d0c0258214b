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
  /** Of the state's file: after the n-th clean close, and at any time. */
  readonly clean: readonly Buffer[]
  readonly live: readonly Buffer[]
}

const recordingMsMax = 120_000
/** More than any single write of the workloads. */
const stringBytesMax = 2 ** 24

export async function record(workload: WorkloadName, folder: string, seed: number): Promise<void> {
  const places = placesIn(folder)
  mkdirSync(places.data, { recursive: true })
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
  const disk = new Disk(places.data, calls, lies)
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
  return {
    workload,
    seed,
    places,
    disk,
    markers,
    cuts: cutsOf(disk, markers),
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
