/** How large the files of a member are, seen from outside. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { usedBytes } from '../../src/storage/database-file.ts'

export interface FileSizes {
  readonly logBytes: number
  /** As far as the map was ever used; of the sparse file itself the length says nothing. */
  readonly stateBytes: number
  /** Raised whenever a snapshot takes the place of the state. */
  readonly generation: number
  readonly snapshotsBytes: number
  /** The largest that is whole. */
  readonly snapshotBytes: number
  readonly snapshots: number
}

/** Of the node whose directory this is. Files may come and go meanwhile. */
export function fileSizes(dir: string): FileSizes {
  const states = listed(dir).filter((name) => name.startsWith('state-'))
  const files = listed(join(dir, 'snapshots')).map((name) => join(dir, 'snapshots', name))
  const whole = files.filter((path) => path.endsWith('.mdb'))
  return {
    logBytes: sizeOf(join(dir, 'log', 'data.mdb')),
    stateBytes: sum(states.map((name) => usedOf(join(dir, name)))),
    generation: stateGeneration(dir),
    snapshotsBytes: sum(files.map(sizeOrContents)),
    snapshotBytes: Math.max(0, ...whole.map(sizeOf)),
    snapshots: whole.length,
  }
}

export function stateGeneration(dir: string): number {
  const states = listed(dir).map((name) => /^state-(\d+)$/.exec(name)?.[1] ?? '-1')
  return Math.max(-1, ...states.map(Number))
}

export interface Occupancy {
  /** As far as the map was ever used. */
  readonly bytes: number
  /** Pages that hold something; the others are free again. */
  readonly liveBytes: number
}

interface TreeStats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

/** Of an environment that nobody has open. */
export async function occupancy(path: string): Promise<Occupancy> {
  const root = open<Buffer, string>({ path, readOnly: true, noSubdir: false, encoding: 'binary' })
  try {
    const trees = [...root.getKeys()].map((name) => root.openDB({ name, encoding: 'binary' }))
    const live = trees.map((tree) => pageBytes(tree.getStats() as TreeStats))
    return { bytes: usedBytes(path), liveBytes: sum(live) }
  } finally {
    await root.close()
  }
}

function pageBytes(stats: TreeStats): number {
  const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = stats
  return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages)
}

function listed(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** One that is being taken is a folder. */
function sizeOrContents(path: string): number {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  return isFolder ? sizeOf(join(path, 'data.mdb')) : sizeOf(path)
}

/** A state may be thrown away while it is looked at. */
function usedOf(folder: string): number {
  try {
    return usedBytes(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0
    throw error
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
