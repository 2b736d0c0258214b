/**
 * A data directory: `log/` and `state-N/` (LMDB), `snapshots/` (snapshot-files.ts), and `lock` (lock.ts). Each time a
 * snapshot takes the place of the state, that gets another N.
 */
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SkiffError } from '../errors.ts'
import { isUnfinished, usedBytes } from './database-file.ts'
import { systemBootId } from './lock.ts'

export interface Directory {
  readonly path: string
  readonly log: string
  state(generation: number): string
  readonly snapshots: string
}

export function directoryAt(path: string): Directory {
  return {
    path,
    log: join(path, 'log'),
    state: (generation) => join(path, `state-${generation}`),
    snapshots: join(path, 'snapshots'),
  }
}

/**
 * Makes the directory if it is missing, so that the power may fail: syncing what is in it does not say where
 * it is.
 * @throws SkiffError `SKIFF_CONFIG` if it cannot be written
 */
export function makeDirectory(path: string): void {
  try {
    const made = mkdirSync(path, { recursive: true })
    if (made !== undefined) syncFoldersAbove(resolve(path), dirname(resolve(made)))
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const reason = (error as Error).message
    const message = `the data directory ${path} cannot be written: ${reason}`
    throw new SkiffError('SKIFF_CONFIG', 'not-applied', message, { cause: error })
  }
}

/** Behind the name of a data directory that is being made of a backup (backup/founding.ts). */
export const unfinished: string = '.unfinished'

/**
 * A restore into it has not come to its end: nobody must take it for a new one.
 * @throws SkiffError `SKIFF_CONFIG`
 */
export function checkIsFinished(path: string): void {
  if (!existsSync(`${path}${unfinished}`)) return
  const reason = `a restore into ${dirname(resolve(path))} was begun and not finished; do it again`
  throw new SkiffError('SKIFF_CONFIG', 'not-applied', reason)
}

/** Whether there is a state of any generation. */
export function hasState(directory: Directory): boolean {
  return existsSync(directory.path) && stateGenerations(directory).length > 0
}

/** Throws away all states but this one. */
export function discardStates(directory: Directory, kept: number | null): void {
  for (const generation of stateGenerations(directory))
    if (generation !== kept) rmSync(directory.state(generation), { recursive: true, force: true })
}

function stateGenerations({ path }: Directory): number[] {
  return readdirSync(path).flatMap((name) => {
    const generation = /^state-(\d+)$/.exec(name)?.[1]
    return generation === undefined ? [] : [Number(generation)]
  })
}

/**
 * Throws away a log whose making the power interrupted. Nothing was promised from it: there is a state as soon
 * as a log is of use.
 */
export function discardUnfinishedLog(directory: Directory): void {
  if (hasState(directory) || !isUnfinished(directory.log)) return
  rmSync(directory.log, { recursive: true })
}

/**
 * Waits until everything written to the state, which is closed, is on the disk, and that this is the state, not one
 * thrown away before. Its file ends where it is used, not with the map (environment.ts): who copies it needs no holes.
 */
export function syncState(directory: Directory, generation: number): void {
  const state = directory.state(generation)
  const file = join(state, 'data.mdb')
  truncateSync(file, Math.min(statSync(file).size, usedBytes(state)))
  syncPath(file, 'r+')
  for (const folder of [state, directory.path]) syncPath(folder)
}

/** Makes durable that the log's file exists: syncing a file does not say where it is. */
export function syncNames({ path, log }: Directory): void {
  for (const folder of [dirname(path), path, log]) syncPath(folder)
}

export function freeBytes({ path }: Directory): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Another one after each start of the machine. Where the system has none: never the same twice. */
export function bootId(): string {
  return systemBootId() ?? randomBytes(16).toString('hex')
}

function syncFoldersAbove(path: string, top: string): void {
  for (let folder = path; folder !== top; ) {
    folder = dirname(folder)
    syncPath(folder)
  }
}

/** A file, or a folder with the names in it. */
export function syncPath(path: string, flags = 'r'): void {
  withFile(path, flags, fsyncSync)
}

/** @throws RangeError where the file ends before */
export function readPart(path: string, offset: number, bytes: number): Uint8Array<ArrayBuffer> {
  const part = Buffer.allocUnsafeSlow(bytes)
  const found = withFile(path, 'r', (file) => readSync(file, part, 0, bytes, offset))
  if (found < bytes) throw new RangeError(`${path} ends at ${offset + found}`)
  return part
}

export function withFile<T>(path: string, flags: string, act: (file: number) => T): T {
  const file = openSync(path, flags)
  try {
    return act(file)
  } finally {
    closeSync(file)
  }
}
