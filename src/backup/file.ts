/**
 * A backup as a file: the state as LMDB keeps it (little-endian, for 64 bits, as on every machine lmdb
 * is built for), and behind it two pages of text that say what it is. It is whole, checked by its own hash:
 *
 *     skiff-backup-1
 *     {"clusterId":"…","nodeId":"…","index":…,"term":…,"revision":…,"keys":…,"bytes":…,"sha256":"…", …}
 *     SHA-256 of the two lines above
 *
 * Behind the state and not in front of it: so the file is written once, and LMDB's own tools can read it.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, lstatSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { text } from '../checks.ts'
import { messageOf, type SkiffError } from '../errors.ts'
import type { BackupOptions, LongWorkOptions } from '../options.ts'
import { readPart, syncPath } from '../storage/directory.ts'
import { openStateCopy } from '../storage/environment.ts'
import {
  membershipKey,
  openStateTables,
  positionKey,
  readMembership,
  readPosition,
} from '../storage/layout.ts'
import type { Backup } from '../store.ts'
import { copyHashed } from './copy.ts'
import { asRefusal, noGood, refused } from './refusals.ts'

const format = 'skiff-backup-1'
const anyFormat = /^skiff-backup-\d+$/
/** Seven members with the longest addresses fit in. */
const trailerBytes = 8_192

/** What the state itself does not know of where it comes from. */
export interface Origin {
  readonly clusterId: string
  readonly nodeId: string
  /** Of the last entry applied. */
  readonly term: number
  /** Of the copy. */
  readonly sha256: string
}

/**
 * Makes the file: `fill` puts a state, `data.mdb`, into the folder it is given, beside the file. Nothing
 * has the name of the file before it is whole and on the disk.
 * @throws SkiffError `SKIFF_CONFIG` where there is something already
 */
export async function writeBackup(
  path: string,
  options: Pick<BackupOptions, 'overwrite'>,
  fill: (folder: string) => Promise<Origin>,
): Promise<Backup> {
  const file = resolve(path)
  checkTarget(file, options)
  const folder = makeAside(file)
  try {
    const origin = await fill(folder)
    const backup = await describe(folder, origin)
    const data = join(folder, 'data.mdb')
    appendFileSync(data, trailerOf(backup))
    syncPath(data, 'r+')
    checkTarget(file, options)
    renameSync(data, file)
    syncPath(dirname(file))
    return backup
  } catch (error) {
    throw asRefusal(`writing ${file}`, error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * What the file says of itself, without a look at what it holds.
 * @throws SkiffError `SKIFF_STORAGE` for what is no backup, or was cut short
 */
export function readTrailer(file: string): Backup {
  const size = sizeOf(file)
  if (size < trailerBytes) throw damaged(file, 'it is no backup, or was cut short')
  const text = Buffer.from(readPart(file, size - trailerBytes, trailerBytes)).toString()
  const [first = '', json = '', hash = ''] = text.trimStart().split('\n')
  if (!anyFormat.test(first)) throw damaged(file, 'it is no backup, or was cut short')
  if (first !== format) throw damaged(file, `its format is ${first}, this version reads ${format}`)
  if (hash !== hashOfText(first, json)) throw damaged(file, 'its description is damaged')
  const backup = JSON.parse(json) as Backup
  if (backup.bytes + trailerBytes === size) return backup
  throw damaged(file, `it has ${size} bytes, and should have ${backup.bytes + trailerBytes}`)
}

/**
 * Reads a backup from end to end and holds it against its hash; changes nothing.
 * @throws SkiffError `SKIFF_STORAGE` for a file that is no backup, or is damaged
 */
export async function checkBackup(file: string, options: LongWorkOptions = {}): Promise<Backup> {
  return readBackup(text(file, 'file'), null, options)
}

/** As {@link checkBackup}, and copies what it holds to `to`, a new file. */
export async function readBackup(
  file: string,
  to: string | null,
  work: LongWorkOptions,
): Promise<Backup> {
  const backup = readTrailer(file)
  const sha256 = await copyHashed({ from: file, to, bytes: backup.bytes, ...work })
  if (sha256 === backup.sha256) return backup
  throw damaged(file, 'what it holds is not what was written: its hash differs')
}

/** Of the copy itself, as it will be read: what is said is what is there. */
async function describe(folder: string, origin: Origin): Promise<Backup> {
  const { clusterId, nodeId, term, sha256 } = origin
  const bytes = statSync(join(folder, 'data.mdb')).size
  const copy = openStateCopy(folder)
  try {
    const { meta, prefixes } = openStateTables(copy)
    const { appliedIndex: index, revision } = readPosition(meta.get(positionKey))
    const { members } = readMembership(meta.get(membershipKey))
    let keys = 0
    for (const { value } of prefixes.getRange({ start: Buffer.from([0]) }))
      keys += value.readDoubleBE(0)
    const createdAt = new Date().toISOString()
    const what = { clusterId, nodeId, index, term, revision, keys, bytes, sha256 }
    return { ...what, createdAt, members }
  } finally {
    await copy.close()
  }
}

function trailerOf(backup: Backup): Buffer {
  const json = JSON.stringify(backup)
  const text = `\n${format}\n${json}\n${hashOfText(format, json)}\n`
  const trailer = Buffer.alloc(trailerBytes, ' ')
  if (trailer.write(text) < Buffer.byteLength(text)) throw new RangeError('a trailer too long')
  return trailer
}

function hashOfText(...lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** @throws SkiffError `SKIFF_CONFIG` where there is something already */
export function checkTarget(
  file: string,
  { overwrite = false }: Pick<BackupOptions, 'overwrite'>,
): void {
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isFile()) throw refused(`${file} is there already, and is no file`)
  if (!overwrite) throw refused(`${file} is there already; ask to overwrite it, or name another`)
}

/** On the same disk as the file, so that it can be renamed. A crash may leave it; it is worth nothing. */
function makeAside(file: string): string {
  try {
    return mkdtempSync(join(dirname(file), `${basename(file)}.partial-`))
  } catch (cause) {
    throw refused(`no backup can be made in ${dirname(file)}: ${messageOf(cause)}`, cause)
  }
}

function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) throw refused(`there is no file ${file}`)
  if (!found.isFile()) throw refused(`${file} is no file`)
  return found.size
}

function damaged(file: string, reason: string): SkiffError {
  return noGood(`${file}: ${reason}`)
}
