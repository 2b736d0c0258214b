/**
 * What is left of a cluster: data directories that nobody runs, read and never written to. What each knows, and a
 * state made of it elsewhere, are all that a recovery, or a backup of a stopped node, is made from.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../errors.ts'
import { descendsFrom } from '../raft/lineage.ts'
import { everyone, noMembership } from '../raft/membership.ts'
import type { Member, Membership, MembershipAt, SnapshotMark } from '../raft/types.ts'
import { bootId, type Directory, directoryAt } from '../storage/directory.ts'
import {
  type Environment,
  logRemedy,
  openStateEnvironment,
  openUntouched,
} from '../storage/environment.ts'
import { positionKey, readPosition } from '../storage/layout.ts'
import { lockHolder } from '../storage/lock.ts'
import { LogStore, type StateMark } from '../storage/log-store.ts'
import { SnapshotFolder } from '../storage/snapshot-files.ts'
import { StateMachine } from '../storage/state-machine.ts'
import { noGood, refused } from './refusals.ts'

/** The data directory of one node, as it was left. */
export interface Survivor {
  /** `…/node-1`. */
  readonly dir: string
  /** Why it cannot be used; `null`: it can. What could not be read is `null`, or 0. */
  readonly damage: string | null
  readonly nodeId: string | null
  readonly clusterId: string | null
  readonly term: number
  readonly votedFor: string | null
  /** Of its log. */
  readonly firstIndex: number
  readonly lastIndex: number
  readonly lastTerm: number
  /**
   * Its state: left by a `clean` close; `trusted`, as its process died and the machine did not; `untrusted`, for power may
   * have been lost since, so it is made anew of a snapshot and the log; `none`: there is none.
   */
  readonly state: 'clean' | 'trusted' | 'untrusted' | 'none'
  /** What the state holds that it can be made of, before the log is applied. Committed, all of it. */
  readonly appliedIndex: number
  /** Last entry of the newest snapshot that is recorded; 0: none. */
  readonly snapshotIndex: number
  /** Who belongs to the cluster, by its log; the newest of them may not be committed. */
  readonly members: readonly Member[]
}

/** Where the state is taken from: that of the node, a snapshot, or nothing but the log. */
type StateSource =
  | { readonly type: 'state'; readonly environment: Environment }
  | { readonly type: 'snapshot'; readonly snapshot: SnapshotMark }
  | { readonly type: 'log' }

const identityKey = Buffer.from('identity')
const entriesAtOnce = 1_024
const bytesAtOnce = 8 * 2 ** 20

/**
 * The directories of nodes at these paths: each that of a node, or of a cluster with some in it.
 * @throws SkiffError `SKIFF_CONFIG` where there is none
 */
export function nodeDirectories(paths: readonly string[]): readonly string[] {
  const all = paths.flatMap((path) => {
    const dir = resolve(path)
    if (existsSync(join(dir, 'log'))) return [dir]
    const names = existsSync(dir) && statSync(dir).isDirectory() ? readdirSync(dir) : []
    const nodes = names.filter((name) => /^node-\d+$/.test(name)).sort()
    if (nodes.length === 0) throw refused(`there is no node's data in ${dir}`)
    return nodes.map((name) => join(dir, name))
  })
  return [...new Set(all)]
}

/** One directory, open for reading until it is closed. */
export class SurvivorReader {
  readonly #directory: Directory
  readonly #scratch: string
  readonly #stamp: string
  readonly #opened: Environment[] = []
  #log: LogStore | null = null
  #source: StateSource = { type: 'log' }
  #memberships: readonly MembershipAt[] = []
  readonly survivor: Survivor

  private constructor(dir: string, damage: string | null) {
    this.#directory = directoryAt(dir)
    this.#stamp = this.#stampNow()
    this.#scratch = mkdtempSync(join(tmpdir(), 'skiff-look-'))
    this.survivor = damage === null ? this.#look() : { ...nothingIn(dir), damage }
  }

  /** @throws SkiffError `SKIFF_CONFIG` if a process has it */
  static async open(dir: string): Promise<SurvivorReader> {
    checkNotRunning(dir)
    return new SurvivorReader(dir, await tryReading(dir))
  }

  /** What {@link tryReading} does, in that process. */
  static async tryHere(dir: string): Promise<void> {
    await new SurvivorReader(dir, null).close()
  }

  /**
   * Of each a majority may have been needed: the members as of the applied entry, and all behind it, committed or
   * not; in a joint configuration those of before as well (paper §6).
   */
  get quorums(): readonly Membership[] {
    const { appliedIndex } = this.survivor
    const known = this.#memberships.findLastIndex(({ index }) => index <= appliedIndex)
    const possible = this.#memberships.slice(Math.max(0, known))
    return possible.flatMap(({ members, outgoing }) => {
      return outgoing.length === 0 ? [members] : [members, outgoing]
    })
  }

  /**
   * Is this a copy, or was it put back to an earlier state? The cluster has said so, or others have met a start of its
   * node that is not in its lineage: what was promised since is not in here.
   */
  isOutdated(others: readonly SurvivorReader[]): boolean {
    const identity = this.#log?.identity ?? null
    if (identity === null) return false
    const { nodeId, lineage, disowned } = identity
    const descent = { incarnation: lineage.at(-1) ?? 0, ancestors: lineage.slice(0, -1) }
    const isUnknownTo = (other: SurvivorReader): boolean => {
      const seen = other.#log?.met.get(nodeId)
      return seen !== undefined && !descendsFrom(descent, seen)
    }
    return disowned !== null || others.some(isUnknownTo)
  }

  termAt(index: number): number {
    return this.#log?.termAt(index) ?? 0
  }

  /**
   * Makes the state as of this entry, in a folder made for it.
   * @throws SkiffError `SKIFF_STORAGE` for a directory that is damaged
   */
  async buildState(folder: string, lastIndex: number, signal?: AbortSignal): Promise<void> {
    const { damage, dir } = this.survivor
    if (damage !== null || this.#log === null) throw noGood(`${dir}: ${damage}`)
    await this.#copySource(folder)
    const state = new StateMachine(openStateEnvironment(folder, false))
    try {
      while (state.appliedIndex < lastIndex) {
        await turn()
        signal?.throwIfAborted()
        const count = Math.min(entriesAtOnce, lastIndex - state.appliedIndex)
        state.apply(this.#log.entries(state.appliedIndex + 1, count, bytesAtOnce), null)
      }
    } finally {
      await state.close()
    }
    this.checkUntouched()
  }

  /** @throws SkiffError `SKIFF_CONFIG` if it was started while it was read */
  checkUntouched(): void {
    const { path } = this.#directory
    checkNotRunning(path)
    if (this.#stampNow() !== this.#stamp) throw refused(`${path} was used while it was read`)
  }

  async close(): Promise<void> {
    for (const environment of this.#opened) await environment.close()
    rmSync(this.#scratch, { recursive: true, force: true })
  }

  #look(): Survivor {
    const nothing = nothingIn(this.#directory.path)
    try {
      return this.#read(nothing)
    } catch (error) {
      return { ...nothing, ...this.#identityAlone(), damage: damageOf(error) }
    }
  }

  #read(nothing: Survivor): Survivor {
    const { path, log: logPath } = this.#directory
    const { store: log, memberships } = LogStore.open(this.#open(logPath, 'log'), logPath)
    const { identity, hardState, lastIndex, base, snapshots, stateMark } = log
    if (identity === null) throw noGood(`the log in ${path} is empty`)
    this.#log = log
    this.#memberships = memberships
    const found: Survivor = {
      ...nothing,
      ...{ nodeId: identity.nodeId, clusterId: identity.clusterId },
      ...{ term: hardState.term, votedFor: hardState.votedFor, firstIndex: base.index + 1 },
      ...{ lastIndex, lastTerm: log.termAt(lastIndex) ?? 0, state: this.#trust(stateMark) },
      snapshotIndex: snapshots[0]?.index ?? 0,
      members: everyone(memberships.at(-1) ?? noMembership),
    }
    try {
      return { ...found, appliedIndex: this.#findSource(log, found.state, stateMark) }
    } catch (error) {
      return { ...found, damage: damageOf(error) }
    }
  }

  /** Even of a log with damage in it: who it was. */
  #identityAlone(): Pick<Survivor, 'nodeId' | 'clusterId'> {
    try {
      const identity = this.#open(this.#directory.log, 'identity')
        .openTable('meta')
        .get(identityKey)
      const { nodeId, clusterId } = JSON.parse(String(identity)) as Survivor
      return { nodeId, clusterId }
    } catch {
      // Then nobody knows; why the log cannot be read is told already.
      return { nodeId: null, clusterId: null }
    }
  }

  #trust(mark: StateMark | null): Survivor['state'] {
    if (mark === null || !existsSync(join(this.#directory.state(mark.generation), 'data.mdb')))
      return 'none'
    if (mark.clean) return 'clean'
    return mark.bootId === bootId() ? 'trusted' : 'untrusted'
  }

  /** How far what the state is made of goes. */
  #findSource(log: LogStore, trust: Survivor['state'], mark: StateMark | null): number {
    const { lastIndex, base } = log
    if (mark !== null && (trust === 'clean' || trust === 'trusted')) {
      const environment = this.#open(this.#directory.state(mark.generation), 'state')
      const { appliedIndex } = readPosition(environment.openTable('meta').get(positionKey))
      if (appliedIndex < base.index || appliedIndex > lastIndex)
        throw noGood(`its state holds entry ${appliedIndex}, its log ${base.index} to ${lastIndex}`)
      this.#source = { type: 'state', environment }
      return appliedIndex
    }
    const files = new SnapshotFolder(this.#directory, 0)
    const snapshot = log.snapshots.find((each) => files.isWhole(each))
    if (snapshot === undefined && base.index > 0)
      throw noGood(`its state is lost, and none of its snapshots is whole`)
    if (snapshot !== undefined) this.#source = { type: 'snapshot', snapshot }
    return snapshot?.index ?? 0
  }

  async #copySource(folder: string): Promise<void> {
    const source = this.#source
    if (source.type === 'snapshot') {
      const files = new SnapshotFolder(this.#directory, 0)
      copyFileSync(files.path(source.snapshot), join(folder, 'data.mdb'))
    }
    if (source.type === 'state') await source.environment.backup(folder)
  }

  #open(path: string, name: string): Environment {
    const environment = openUntouched(path, join(this.#scratch, name))
    this.#opened.push(environment)
    return environment
  }

  /** Another one after any start from this directory: that writes to the log. */
  #stampNow(): string {
    const log = join(this.#directory.log, 'data.mdb')
    const found = statSync(log, { bigint: true, throwIfNoEntry: false })
    return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`
  }
}

function nothingIn(dir: string): Survivor {
  return {
    ...{ dir, damage: null, nodeId: null, clusterId: null, term: 0, votedFor: null },
    ...{ firstIndex: 1, lastIndex: 0, lastTerm: 0 },
    ...{ state: 'none', appliedIndex: 0, snapshotIndex: 0, members: [] },
  }
}

/**
 * Reads the directory in a process of its own first: where a page is damaged, LMDB may take down the one that reads
 * it. Says so, or `null`; any other trouble is found again, and told, here.
 */
async function tryReading(dir: string): Promise<string | null> {
  const entrance = fileURLToPath(new URL('./look.js', import.meta.url))
  const scratch = mkdtempSync(join(tmpdir(), 'skiff-look-'))
  try {
    const env = { ...process.env, TMPDIR: scratch }
    const child = spawn(process.execPath, [entrance, dir], { env, stdio: 'ignore' })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    return signal === null ? null : `its files are damaged: who reads them dies (${signal})`
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Without what to do about it in a cluster that goes on: here there is none. */
function damageOf(error: unknown): string {
  return messageOf(error).replace(`. ${logRemedy}`, '')
}

function checkNotRunning(dir: string): void {
  const holder = lockHolder(dir)
  if (holder !== null)
    throw refused(`the data directory ${dir}, or the one it is a copy of, is in use by ${holder}`)
}
