/**
 * From the state of a cluster that was to the directory of a node that founds another one. What it holds
 * goes on, revisions included; everything that ties it to the old members ends: ids, memberships, sessions.
 *
 * It is made aside, in `node-1.unfinished`, and gets its name when it is whole. While the other is there the
 * directory cannot be opened (storage/directory.ts) and another restore begins anew.
 */
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { assert } from '../raft/assert.ts'
import {
  type Directory,
  directoryAt,
  makeDirectory,
  syncNames,
  syncPath,
  syncState,
  unfinished,
} from '../storage/directory.ts'
import { openLogEnvironment, openStateEnvironment } from '../storage/environment.ts'
import { DirectoryLock } from '../storage/lock.ts'
import { LogStore } from '../storage/log-store.ts'
import { SnapshotFolder } from '../storage/snapshot-files.ts'
import type { TakenSnapshot } from '../storage/snapshots.ts'
import { StateMachine } from '../storage/state-machine.ts'
import { asRefusal, noGood, refused } from './refusals.ts'

export interface Founding {
  /** For `createCluster({ dir })`. */
  readonly dir: string
  readonly revisionBump: number
}

/** The directory of a cluster that will be, and where it begins. */
export interface Founded {
  readonly dir: string
  /** Of its first node. */
  readonly nodeId: string
  /** Last entry of the old log that is in it; the new one goes on behind. */
  readonly index: number
  /** Newest revision given out; the next change gets the next one. */
  readonly revision: number
}

/** The generation of a state that has not been replaced yet. */
const generation = 0

/**
 * `fill` makes the state in the folder it is given (`data.mdb`), and tells the term of its last entry.
 * @throws SkiffError `SKIFF_CONFIG` for a directory that is not empty, or is being used
 */
export async function found(
  { dir: path, revisionBump }: Founding,
  fill: (folder: string) => Promise<number>,
): Promise<Founded> {
  const dir = resolve(path)
  checkEmpty(dir)
  const building = join(dir, `node-1${unfinished}`)
  makeDirectory(building)
  const lock = DirectoryLock.take(building)
  try {
    const founded = await build(directoryAt(building), revisionBump, fill)
    lock.release()
    renameSync(building, join(dir, 'node-1'))
    syncPath(dir)
    return { dir, ...founded }
  } catch (error) {
    rmSync(building, { recursive: true, force: true })
    throw asRefusal(`writing ${dir}`, error)
  }
}

async function build(
  directory: Directory,
  revisionBump: number,
  fill: (folder: string) => Promise<number>,
): Promise<Omit<Founded, 'dir'>> {
  for (const name of readdirSync(directory.path))
    if (name !== 'lock') rmSync(join(directory.path, name), { recursive: true })
  const folder = directory.state(generation)
  mkdirSync(folder)
  const term = await fill(folder)
  const state = new StateMachine(openStateEnvironment(folder, false))
  const taken = await takeAnew(directory, state, revisionBump).finally(() => state.close())
  syncState(directory, generation)
  const nodeId = randomBytes(8).toString('hex')
  await writeLog(directory, taken, term, nodeId)
  return { nodeId, index: taken.mark.index, revision: state.revision }
}

/** What its first members will get who come in later: the state without anything of the old cluster. */
async function takeAnew(
  directory: Directory,
  state: StateMachine,
  revisionBump: number,
): Promise<TakenSnapshot> {
  if (state.appliedIndex === 0) throw noGood('there is nothing in it')
  state.beginAnew(revisionBump)
  const folder = new SnapshotFolder(directory, 0)
  const taken = await new Promise<TakenSnapshot | Error>((done) => {
    folder.take(state.environment, done)
  })
  if (taken instanceof Error) throw taken
  assert(taken.mark.index === state.appliedIndex, 'the copy is another')
  return taken
}

async function writeLog(
  directory: Directory,
  { mark }: TakenSnapshot,
  term: number,
  nodeId: string,
): Promise<void> {
  const { store } = LogStore.open(openLogEnvironment(directory.log), directory.log)
  try {
    const nobody = { clusterId: null, address: null, starts: 0, lineage: [], disowned: null }
    const identity = { nodeId, ...nobody }
    const state = { bootId: '', clean: true, lost: false, unproven: 0, generation }
    store.beginBehind({ ...mark, term }, identity, state)
    syncNames(directory)
  } finally {
    await store.close()
  }
}

/**
 * Of what an earlier attempt has left nothing counts.
 * @throws SkiffError `SKIFF_CONFIG`
 */
export function checkEmpty(dir: string): void {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isDirectory()) throw refused(`${dir} is no directory`)
  const [first] = readdirSync(dir).filter((name) => name !== `node-1${unfinished}`)
  if (first !== undefined) throw refused(`${dir} is not empty: there is ${first} in it`)
}
