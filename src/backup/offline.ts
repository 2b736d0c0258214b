/** A backup of a cluster that does not run, by way of the directory of one of its nodes. */
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { checkFields, text } from '../checks.ts'
import { type BackupOptions, offlineBackupFields } from '../options.ts'
import { votersOf } from '../raft/membership.ts'
import { openStateEnvironment } from '../storage/environment.ts'
import { openStateTables } from '../storage/layout.ts'
import { isTrueCopy } from '../storage/scrub.ts'
import type { Backup } from '../store.ts'
import { copyHashed } from './copy.ts'
import { checkTarget, type Origin, writeBackup } from './file.ts'
import { noGood } from './refusals.ts'
import { nodeDirectories, type Survivor, SurvivorReader } from './survivors.ts'

const damaged =
  'its state is damaged: its rows are not those that were written. Start its node, which makes it anew, or use another'

/**
 * Backs up a stopped cluster from its directory, which is only read: what its node had applied when it stopped,
 * and of a cluster of one all of its log, for nobody else had to agree. Of several nodes in the directory the one that
 * had applied most. What other machines acknowledged later is not in it.
 *
 * For a cluster that runs there is `cluster.backup(file)`.
 * @throws SkiffError `SKIFF_CONFIG` the directory is in use or is none, the file is there · `SKIFF_STORAGE` it is
 *   damaged, or was left by a loss of power
 */
export async function backup(
  dir: string,
  file: string,
  options: Pick<BackupOptions, 'overwrite' | 'signal' | 'onProgress'> = {},
): Promise<Backup> {
  checkFields(options, 'options', offlineBackupFields)
  checkTarget(text(file, 'file'), options)
  const readers: SurvivorReader[] = []
  try {
    for (const each of nodeDirectories([text(dir, 'dir')]))
      readers.push(await SurvivorReader.open(each))
    const reader = furthest(readers)
    return await writeBackup(file, options, (folder) => copyState(reader, folder, options))
  } finally {
    for (const reader of readers) await reader.close()
  }
}

async function copyState(
  reader: SurvivorReader,
  folder: string,
  { signal, onProgress }: Pick<BackupOptions, 'signal' | 'onProgress'>,
): Promise<Origin> {
  const { dir, nodeId, clusterId } = reader.survivor
  const index = surelyCommitted(reader.survivor)
  if (index === 0) throw noGood(`${dir}: there is nothing in its state`)
  const building = join(folder, 'state')
  mkdirSync(building)
  await reader.buildState(building, index, signal)
  signal?.throwIfAborted()
  const state = openStateEnvironment(building, false)
  try {
    // Nobody could restore it, and would hear so only then.
    if (!(await isTrueCopy(openStateTables(state)))) throw noGood(`${dir}: ${damaged}`)
    await state.backup(folder)
  } finally {
    await state.close()
  }
  rmSync(building, { recursive: true })
  const data = join(folder, 'data.mdb')
  const sha256 = await copyHashed({
    ...{ from: data, to: null, bytes: statSync(data).size },
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  })
  return { clusterId: clusterId ?? '', nodeId: nodeId ?? '', term: reader.termAt(index), sha256 }
}

function furthest(readers: readonly SurvivorReader[]): SurvivorReader {
  // One that was restored and never started has a state, and no cluster yet.
  const usable = readers.filter(({ survivor }) => {
    return survivor.damage === null && survivor.lastIndex > 0
  })
  const [first, ...others] = usable
  if (first === undefined) {
    const reasons = readers.map(({ survivor }) => {
      return `${survivor.dir}: ${survivor.damage ?? 'there is nothing in it yet'}`
    })
    throw noGood(`nothing can be backed up. ${reasons.join('. ')}`)
  }
  return others.reduce((most, next) => {
    return next.survivor.appliedIndex > most.survivor.appliedIndex ? next : most
  }, first)
}

/** As far as this directory alone can tell. */
function surelyCommitted({ dir, members, lastIndex, appliedIndex, state }: Survivor): number {
  if (votersOf(members).length === 1) return lastIndex
  if (state === 'clean' || state === 'trusted') return appliedIndex
  const reason =
    'its state was left by a loss of power, and what of its log is committed only the others know'
  throw noGood(`${dir}: ${reason}. Start the cluster once, or use recover`)
}
