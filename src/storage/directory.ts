/** A data directory: `log/` and `state/` (LMDB), and `lock`, which says whose it is. */
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { SkiffError } from '../errors.ts'

export interface Directory {
  readonly path: string
  readonly log: string
  readonly state: string
}

/** Who holds a directory. A process id alone says little: ids are used again, and mean nothing next door. */
interface Holder {
  readonly pid: number
  /** Clock ticks from boot to the start of the process. */
  readonly startedAt: string
  readonly bootId: string
  readonly pidNamespace: string
}

export function directoryAt(path: string): Directory {
  return { path, log: join(path, 'log'), state: join(path, 'state') }
}

/**
 * Makes the directory if it is missing and takes it for this process.
 * @throws SkiffError `SKIFF_CONFIG` if it cannot be written, or another process has it
 */
export function takeDirectory({ path }: Directory): void {
  try {
    mkdirSync(path, { recursive: true })
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw config(`the data directory ${path} cannot be written: ${(error as Error).message}`, error)
  }
  takeLock(join(path, 'lock'), path)
}

export function releaseDirectory({ path }: Directory): void {
  rmSync(join(path, 'lock'), { force: true })
}

/** Throws away a state that cannot be trusted; the log makes it anew. */
export function discardState({ state }: Directory): void {
  rmSync(state, { recursive: true, force: true })
}

/** Waits until everything written through the map is on the disk. */
export function syncState({ state }: Directory): void {
  const file = openSync(join(state, 'data.mdb'), 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export function freeBytes({ path }: Directory): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Another one after each start of the machine. Where the system has none: never the same twice. */
export function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id') ?? randomBytes(16).toString('hex')
}

/** A link is made whole or not at all, and fails where there is one: the first comes first. */
function takeLock(lock: string, path: string): void {
  const mine = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(mine, JSON.stringify(myself()))
  try {
    if (tryLink(mine, lock)) return
    removeStale(lock, path)
    if (!tryLink(mine, lock)) throw held(path, 'another process')
  } catch (error) {
    if (error instanceof SkiffError) throw error
    throw config(`cannot lock ${path}: ${(error as Error).message}`, error)
  } finally {
    rmSync(mine, { force: true })
  }
}

/** Moves a lock aside whose holder is dead; puts it back if meanwhile it is another one. */
function removeStale(lock: string, path: string): void {
  const found = readText(lock)
  if (found === null) return
  const holder = parseHolder(found)
  if (holder !== null && isAlive(holder)) throw held(path, `process ${holder.pid}`)
  const aside = `${lock}.stale.${randomBytes(4).toString('hex')}`
  renameSync(lock, aside)
  if (readText(aside) !== found) {
    tryLink(aside, lock)
    rmSync(aside, { force: true })
    throw held(path, 'another process')
  }
  rmSync(aside, { force: true })
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function isAlive(holder: Holder): boolean {
  const { bootId: boot, pidNamespace } = myself()
  if (holder.bootId !== boot) return false
  // Process ids of another container mean nothing here; rather refuse than share.
  if (holder.pidNamespace !== pidNamespace) return true
  return holder.pid === process.pid ? isOurs(holder) : holder.startedAt === startedAt(holder.pid)
}

/** Within this process the lock is given back at close, so one that is there is held. */
function isOurs(holder: Holder): boolean {
  return holder.startedAt === startedAt(process.pid)
}

function myself(): Holder {
  return {
    pid: process.pid,
    startedAt: startedAt(process.pid) ?? '',
    bootId: systemBootId(),
    pidNamespace: pidNamespace(),
  }
}

function systemBootId(): string {
  return readText('/proc/sys/kernel/random/boot_id') ?? ''
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    // No such thing on this system: then all processes are in one.
    return ''
  }
}

/** Field 22 of /proc/PID/stat; the name in field 2 may hold spaces. Elsewhere: alive or not. */
function startedAt(pid: number): string | null {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat !== null) return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  try {
    process.kill(pid, 0)
    return ''
  } catch {
    // ESRCH: there is no such process.
    return null
  }
}

function parseHolder(text: string): Holder | null {
  try {
    return JSON.parse(text) as Holder
  } catch {
    // Half-written by a version that did not link; nobody who lives wrote it.
    return null
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    // Absent, which is an answer.
    return null
  }
}

function held(path: string, by: string): SkiffError {
  return config(`the data directory ${path} is in use by ${by}`)
}

function config(message: string, cause?: unknown): SkiffError {
  return new SkiffError('SKIFF_CONFIG', 'not-applied', message, { cause })
}
