/** From a backup to a directory in which a new cluster begins. */
import { join, resolve } from 'node:path'
import { checkFields, integer, text } from '../checks.ts'
import { type RestoreOptions, restoreFields, revisionBumpDefault } from '../options.ts'
import type { Backup } from '../store.ts'
import { checkBackup, readBackup } from './file.ts'
import { checkEmpty, type Founded, found } from './founding.ts'
import { noGood } from './refusals.ts'

/** What a restore has made, and of what. */
export interface Restored extends Founded {
  readonly backup: Backup
}

/**
 * Makes of a backup the directory of a new cluster: of one member, whose `createCluster({ dir })` founds it, and to
 * which others then `join`. It has an id of its own, so no member of the old one can talk to it. The backup is
 * checked before anything is written; whatever goes wrong, there is a whole directory in the end, or none.
 *
 * @throws TypeError for options of the wrong kind
 * @throws SkiffError `SKIFF_STORAGE` the file is no backup, or damaged; the disk failed · `SKIFF_CONFIG` the directory
 *   is not empty
 */
export async function restore(file: string, options: RestoreOptions): Promise<Restored> {
  checkFields(options, 'options', restoreFields)
  // Plain JavaScript may leave them out.
  const dir = text((options as RestoreOptions | undefined)?.dir, 'dir')
  const revisionBump = bumpOf(options.revisionBump)
  const path = text(file, 'file')
  const { signal, onProgress } = options
  const work = { ...(signal && { signal }), ...(onProgress && { onProgress }) }
  checkEmpty(resolve(dir))
  const backup = await checkBackup(path, { ...(signal && { signal }) })
  const founded = await found({ dir, revisionBump }, async (folder) => {
    const copied = await readBackup(path, join(folder, 'data.mdb'), work)
    if (copied.sha256 !== backup.sha256) throw noGood(`${path} was changed meanwhile`)
    return backup.term
  })
  return { ...founded, backup }
}

/** A revision stays a whole number that a float64 holds. */
export function bumpOf(value: number | undefined): number {
  return integer(value ?? revisionBumpDefault, 'revisionBump', 0, 2 ** 40)
}
