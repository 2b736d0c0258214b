/**
 * `lock` in a data directory says which process has it. Taken and given back on the main thread, so that
 * it outlives no process and no thread can take it to its grave.
 */
import { randomBytes } from 'node:crypto'
import {
  linkSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { messageOf, SkiffError } from '../errors.ts'

/** Process ids alone say little: they are used again, and mean nothing in another container. */
interface Holder {
  readonly pid: number
  /** Clock ticks from boot to the start of the process. */
  readonly startedAt: string
  readonly bootId: string
  readonly pidNamespace: string
  readonly token: string
}

/** A holder we cannot look at (another container) is dead when it has not refreshed its lock for so long. */
const staleMs = 60_000
const refreshMs = 2_000

export class DirectoryLock {
  readonly #lock: string
  readonly #token: string
  #msToRefresh = 0

  private constructor(lock: string, token: string) {
    this.#lock = lock
    this.#token = token
  }

  /**
   * A link is made whole or not at all, and fails where there is one: the first comes first.
   * @throws SkiffError `SKIFF_CONFIG` if another process, or another cluster of this one, has the directory
   */
  static take(directory: string): DirectoryLock {
    const lock = join(directory, 'lock')
    const token = randomBytes(8).toString('hex')
    const mine = `${lock}.${token}`
    try {
      writeFileSync(mine, JSON.stringify({ ...myself(), token } satisfies Holder))
      if (!tryLink(mine, lock)) {
        removeStale(lock, directory)
        if (!tryLink(mine, lock)) throw held(directory, 'another process')
      }
      return new DirectoryLock(lock, token)
    } catch (error) {
      if (error instanceof SkiffError) throw error
      throw config(`cannot lock ${directory}: ${(error as Error).message}`, error)
    } finally {
      rmSync(mine, { force: true })
    }
  }

  /** So much time has passed: says now and then that its holder lives, as `refresh` does. */
  pass(elapsedMs: number): void {
    this.#msToRefresh -= elapsedMs
    if (this.#msToRefresh > 0) return
    this.#msToRefresh = refreshMs
    this.refresh()
  }

  /**
   * Says that its holder lives.
   * @throws SkiffError `SKIFF_STORAGE` where it cannot, or where the lock is gone: then so may be the
   *   directory, or another has it
   */
  refresh(): void {
    const mine = this.#onLock('refresh', () => {
      const isMine = this.#isMine()
      if (isMine) utimesSync(this.#lock, new Date(), new Date())
      return isMine
    })
    if (mine) return
    const reason = `the lock ${this.#lock} was taken away`
    throw new SkiffError('SKIFF_STORAGE', 'unknown', `${reason}. The node has stopped`)
  }

  /**
   * What is not ours any more stays.
   * @throws SkiffError `SKIFF_STORAGE` where it cannot be removed
   */
  release(): void {
    this.#onLock('release', () => {
      if (this.#isMine()) rmSync(this.#lock, { force: true })
    })
  }

  /** It may be gone with its directory, or have been taken away by hand. */
  #isMine(): boolean {
    try {
      return parseHolder(readFileSync(this.#lock, 'utf8'))?.token === this.#token
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  #onLock<T>(what: string, act: () => T): T {
    try {
      return act()
    } catch (cause) {
      const reason = `cannot ${what} the lock ${this.#lock}: ${messageOf(cause)}`
      throw new SkiffError('SKIFF_STORAGE', 'unknown', `${reason}. The node has stopped`, { cause })
    }
  }
}

/** The process that has the directory, for a message; `null`: none. Changes nothing, unlike taking the lock. */
export function lockHolder(directory: string): string | null {
  const lock = join(directory, 'lock')
  const holder = parseHolder(readText(lock) ?? '')
  return holder !== null && isAlive(holder, lock) ? `process ${holder.pid}` : null
}

/** Another one after each start of the machine; `null` where the system has none. */
export function systemBootId(): string | null {
  return readText('/proc/sys/kernel/random/boot_id')
}

/** Moves a lock aside whose holder is dead; puts it back if meanwhile it is another one. */
function removeStale(lock: string, directory: string): void {
  const found = readText(lock)
  if (found === null) return
  const holder = parseHolder(found)
  if (holder !== null && isAlive(holder, lock)) throw held(directory, `process ${holder.pid}`)
  const aside = `${lock}.stale.${randomBytes(4).toString('hex')}`
  renameSync(lock, aside)
  const same = readText(aside) === found
  if (!same) tryLink(aside, lock)
  rmSync(aside, { force: true })
  if (!same) throw held(directory, 'another process')
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

/** Within this process a lock is given back at close, so one that is there is held. */
function isAlive(holder: Holder, lock: string): boolean {
  const { bootId, pidNamespace } = myself()
  if (holder.bootId !== bootId) return false
  if (holder.pidNamespace !== pidNamespace) return Date.now() - statSync(lock).mtimeMs < staleMs
  return holder.startedAt === startedAt(holder.pid)
}

function myself(): Omit<Holder, 'token'> {
  return {
    pid: process.pid,
    startedAt: startedAt(process.pid) ?? '',
    bootId: systemBootId() ?? '',
    pidNamespace: pidNamespace(),
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    // No such thing on this system: then all processes are in one.
    return ''
  }
}

/**
 * Field 22 of /proc/PID/stat; the name in field 2 may hold spaces. Elsewhere: alive or not. A zombie whose threads have
 * all ended is dead: its files are closed, and where nobody reaps it, it stays for as long as the container.
 */
function startedAt(pid: number): string | null {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat !== null) {
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const isOver = /^[ZX]/.test(fields[0] ?? '') && Number(fields[17]) <= 1
    return isOver ? null : (fields[19] ?? null)
  }
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
    // Half-written by something that did not link; nobody who lives wrote it.
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

function held(directory: string, by: string): SkiffError {
  return config(`the data directory ${directory}, or the one it is a copy of, is in use by ${by}`)
}

function config(message: string, cause?: unknown): SkiffError {
  return new SkiffError('SKIFF_CONFIG', 'not-applied', message, { cause })
}
