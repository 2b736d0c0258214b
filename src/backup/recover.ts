/**
 * When a majority of the voters is gone for good, nobody can tell what they had promised each other. A recovery
 * looks at the directories that are left, says what is known and what is not, and only when it is told to makes a
 * new cluster of the best of them. The old directories stay as they are.
 *
 * The best log is the one that would win an election among those here (paper §5.4.1). Where the survivors are a
 * majority it holds every write that was acknowledged; where they are not, there may have been some that only the
 * others held. All of it is kept, also what lies behind the last entry known to be committed: that may have been
 * acknowledged, or not, and losing it would be the worse mistake.
 */
import { checkFields, text } from '../checks.ts'
import { type RecoverOptions, recoverFields } from '../options.ts'
import { votersOf } from '../raft/membership.ts'
import { majority } from '../raft/quorum.ts'
import type { Member } from '../raft/types.ts'
import { type Founded, type Founding, found } from './founding.ts'
import { noGood, refused } from './refusals.ts'
import { bumpOf } from './restore.ts'
import { nodeDirectories, type Survivor, SurvivorReader } from './survivors.ts'

export interface Recovery {
  /** Every directory that was looked at. */
  readonly survivors: readonly Survivor[]
  /** The one whose log goes furthest; `null`: none can be used. */
  readonly best: Survivor | null
  /** Voters, as the best knows them, of whom no directory is here that can be used, or only an outdated one. */
  readonly missing: readonly Member[]
  /**
   * A majority of the voters is here, not counting copies of them: nothing acknowledged is missing, and they can be
   * started as they are.
   */
  readonly hasQuorum: boolean
  /** Entries at the end of the best log of which nobody here knows that they were committed. They are kept. */
  readonly unconfirmedEntries: number
  /** All of this in sentences. */
  readonly notes: readonly string[]
  /** What was written; `null` unless asked for. */
  readonly written: Founded | null
}

/**
 * Reads the data directories that are left of a cluster and tells what they hold. With `write` it then makes a new
 * cluster there, of one member, as {@link restore} does.
 * @param dirs each of a node, or of a cluster with nodes in it; nobody may be running them
 * @throws TypeError for arguments of the wrong kind
 * @throws SkiffError `SKIFF_CONFIG` a directory that is in use, none, or of several clusters; one to write that is
 *   not empty · `SKIFF_STORAGE` none that can be used, and one was to be written
 */
export async function recover(
  dirs: readonly string[],
  options: RecoverOptions = {},
): Promise<Recovery> {
  checkFields(options, 'options', recoverFields)
  const write = options.write === undefined ? null : text(options.write, 'write')
  const revisionBump = bumpOf(options.revisionBump)
  const readers: SurvivorReader[] = []
  try {
    for (const dir of nodeDirectories(checkDirs(dirs))) readers.push(await SurvivorReader.open(dir))
    const recovery = judge(readers)
    if (write === null) return recovery
    const founding = { dir: write, revisionBump }
    const written = await writeAnew(readers, recovery, founding, options.signal)
    return { ...recovery, written }
  } finally {
    for (const reader of readers) await reader.close()
  }
}

async function writeAnew(
  readers: readonly SurvivorReader[],
  { best, notes }: Recovery,
  founding: Founding,
  signal: AbortSignal | undefined,
): Promise<Founded> {
  const reader = readers.find(({ survivor }) => survivor === best)
  if (reader === undefined) throw noGood(`nothing can be recovered: ${notes.join(' ')}`)
  const { lastIndex, lastTerm } = reader.survivor
  return found(founding, async (folder) => {
    signal?.throwIfAborted()
    await reader.buildState(folder, lastIndex, signal)
    return lastTerm
  })
}

function judge(readers: readonly SurvivorReader[]): Recovery {
  const survivors = readers.map(({ survivor }) => survivor)
  const usable = readers.filter(({ survivor }) => isUsable(survivor))
  checkOneCluster(usable.map(({ survivor }) => survivor))
  const bestReader = usable.reduce<SurvivorReader | null>(better, null)
  if (bestReader === null) {
    const notes = ['None of these directories can be used.', ...damageNotes(survivors)]
    const nothing = { best: null, missing: [], hasQuorum: false, unconfirmedEntries: 0 }
    return { survivors, ...nothing, notes, written: null }
  }
  const best = bestReader.survivor
  const outdated = usable.filter((reader) => reader.isOutdated(usable))
  const current = usable.filter((reader) => !outdated.includes(reader))
  const here = new Set(current.map(({ survivor }) => survivor.nodeId))
  const missing = best.members.filter(({ id, role }) => role === 'voter' && !here.has(id))
  const hasQuorum = bestReader.quorums.every((members) => {
    const voters = votersOf(members)
    return voters.filter((id) => here.has(id)).length >= majority(voters.length)
  })
  const committed = Math.max(...usable.map(({ survivor }) => survivor.appliedIndex))
  if (committed > best.lastIndex)
    throw noGood(`entry ${committed} was committed, and the best log ends at ${best.lastIndex}`)
  const found = { best, missing, hasQuorum, unconfirmedEntries: best.lastIndex - committed }
  const notes = [...notesOn(found), ...outdated.map(outdatedNote), ...damageNotes(survivors)]
  return { survivors, ...found, notes, written: null }
}

/** One that never came to belong to a cluster has nothing. */
function isUsable({ damage, clusterId, lastIndex }: Survivor): boolean {
  return damage === null && clusterId !== null && lastIndex > 0
}

/** Last term first, then length; where both are equal the logs are, and more of it applied saves time. */
function better(best: SurvivorReader | null, next: SurvivorReader): SurvivorReader {
  if (best === null) return next
  const [a, b] = [best.survivor, next.survivor]
  if (a.lastTerm !== b.lastTerm) return a.lastTerm > b.lastTerm ? best : next
  if (a.lastIndex !== b.lastIndex) return a.lastIndex > b.lastIndex ? best : next
  return a.appliedIndex >= b.appliedIndex ? best : next
}

function notesOn(found: Omit<Recovery, 'survivors' | 'notes' | 'written'>): string[] {
  const { best, missing, hasQuorum, unconfirmedEntries } = found
  if (best === null) return []
  const voters = votersOf(best.members).length
  const notes = [
    `The log of ${best.dir} goes furthest, to entry ${best.lastIndex}; all of it is kept.`,
  ]
  if (unconfirmedEntries > 0)
    notes.push(
      `Whether what lies behind entry ${best.lastIndex - unconfirmedEntries} was committed nobody here knows: writes in it may have been reported as failed, and happen all the same.`,
    )
  if (missing.length > 0) {
    const names = missing.map(({ id, address }) => `${id} at ${address}`).join(', ')
    notes.push(`Missing of ${voters} voters: ${missing.length}, ${names}.`)
  }
  if (hasQuorum)
    notes.push(
      'A majority of the voters is here, so nothing that was acknowledged is missing. Start them as they are: there is no need for a new cluster.',
    )
  else
    notes.push(
      'The voters here are no majority: writes that the missing ones acknowledged without them are lost, and nobody can tell how many there are. Find another of those directories if you can.',
    )
  return notes
}

function outdatedNote({ survivor: { dir, nodeId } }: SurvivorReader): string {
  return `${dir} is a copy of node ${nodeId}, or was put back to an earlier state: what that node has promised since is not in it, so it counts for no majority.`
}

function damageNotes(survivors: readonly Survivor[]): string[] {
  return survivors.flatMap(({ dir, damage, clusterId }) => {
    if (damage !== null) return [`${dir} cannot be used: ${damage}`]
    return clusterId === null ? [`${dir} has not belonged to a cluster yet.`] : []
  })
}

function checkOneCluster(survivors: readonly Survivor[]): void {
  const ids = new Map(survivors.map(({ clusterId, dir }) => [clusterId, dir]))
  if (ids.size < 2) return
  const list = [...ids].map(([id, dir]) => `${dir} is of ${id}`).join(', ')
  throw refused(`these directories are of different clusters: ${list}`)
}

function checkDirs(dirs: readonly string[]): readonly string[] {
  if (!Array.isArray(dirs) || dirs.length === 0)
    throw new TypeError('dirs: expected an array of one directory or more')
  return dirs.map((dir) => text(dir, 'dirs'))
}
