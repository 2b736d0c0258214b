/** A data directory: `log/` and `state/` (LMDB), and `lock` (lock.ts). */
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SkiffError } from '../errors.ts'
import { isUnfinished } from './database-file.ts'
import { systemBootId } from './lock.ts'

export interface Directory {
  readonly path: string
  readonly log: string
  readonly state: string
}

export function directoryAt(path: string): Directory {
  return { path, log: join(path, 'log'), state: join(path, 'state') }
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

export function hasState({ state }: Directory): boolean {
  return existsSync(state)
}

/** Throws away a state that cannot be trusted; the log makes it anew. */
export function discardState({ state }: Directory): void {
  rmSync(state, { recursive: true, force: true })
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
 * Waits until everything written through the map is on the disk, and that this is the state, not one thrown
 * away before.
 */
export function syncState({ path, state }: Directory): void {
  sync(join(state, 'data.mdb'), 'r+')
  for (const folder of [state, path]) sync(folder, 'r')
}

/** Makes durable that the log's file exists: syncing a file does not say where it is. */
export function syncNames({ path, log }: Directory): void {
  for (const folder of [dirname(path), path, log]) sync(folder, 'r')
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
    sync(folder, 'r')
  }
}

function sync(path: string, flags: string): void {
  const file = openSync(path, flags)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
