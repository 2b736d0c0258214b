/**
 * Suite `restart`: from `createCluster` to the first linearizable read, by how many keys there are. The node has a
 * snapshot, and a short tail of the log behind it. Its state is believed, or must be made of the snapshot, as
 * after a loss of power. Each start is a process of its own.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLogEnvironment } from '../src/storage/environment.ts'
import { LogStore } from '../src/storage/log-store.ts'
import { LoadedMember } from './member.ts'

export interface RestartRow {
  readonly keys: number
  readonly state: 'believed' | 'made anew'
  readonly readyP50Ms: number
  readonly readyMaxMs: number
  /** Entries behind the snapshot, each of some puts. */
  readonly tailEntries: number
}

export interface RestartOptions {
  readonly scratch: string
  readonly keysMax: number
  readonly repeats: number
}

const keyCounts: readonly number[] = [10_000, 100_000, 1_000_000]
const valueBytes = 100
const tailKeys = 10_000

export async function runRestartSuite({
  scratch,
  keysMax,
  repeats,
}: RestartOptions): Promise<RestartRow[]> {
  const rows: RestartRow[] = []
  for (const keys of new Set(keyCounts.map((count) => Math.min(count, keysMax)))) {
    const dir = join(scratch, `restart-${keys}`)
    const tailEntries = await prepare(dir, keys)
    for (const state of ['believed', 'made anew'] as const) {
      const times: number[] = []
      for (let n = 0; n < repeats; n++) times.push(await startOnce(dir, state))
      const sorted = times.toSorted((a, b) => a - b)
      const readyP50Ms = sorted[Math.floor(sorted.length / 2)] ?? 0
      rows.push({ keys, state, readyP50Ms, readyMaxMs: sorted.at(-1) ?? 0, tailEntries })
    }
    await rm(dir, { recursive: true, force: true })
  }
  return rows
}

/** Killed in the end: the state is in use, as far as the directory tells. */
async function prepare(dir: string, keys: number): Promise<number> {
  const member = LoadedMember.start()
  await member.call('open', { dir })
  await member.call('fill', { writer: 0, keys, values: valueBytes })
  // Twice: the log is kept back to the older of two.
  for (let n = 0; n < 2; n++) {
    await member.call('fill', { writer: 1, keys: 1, values: valueBytes })
    await member.call('snapshot')
  }
  await member.call('fill', { writer: 1, keys: tailKeys, values: valueBytes })
  const { lastIndex, snapshotIndex } = await member.call('status')
  await member.kill()
  return lastIndex - snapshotIndex
}

async function startOnce(dir: string, state: RestartRow['state']): Promise<number> {
  if (state === 'made anew') await distrust(join(dir, 'node-1'))
  const member = LoadedMember.start()
  const readyMs = await member.call('openToRead', { dir })
  await member.kill()
  return readyMs
}

/** As if the machine had been started anew since the state was written. */
async function distrust(folder: string): Promise<void> {
  const { store } = LogStore.open(openLogEnvironment(join(folder, 'log')), folder)
  const mark = store.stateMark
  if (mark === null) throw new Error(`${folder} has no state`)
  store.saveStateMark({ ...mark, bootId: 'another', clean: false })
  await store.close()
}
