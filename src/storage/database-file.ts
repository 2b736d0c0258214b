/**
 * A look at an LMDB file before it is mapped: where it is something else, or ends before its last page,
 * lmdb does not throw but takes the process down (SIGSEGV, SIGBUS). Only sizes and headers; damage
 * within a page is for the checksums of the log (log-store.ts).
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { SkiffError } from '../errors.ts'

/** Both first pages are meta pages; little-endian, as on every machine lmdb is built for. */
const magicAt = 24
const versionAt = 28
const pageBytesAt = 48
const lastPageAt = 144
const transactionAt = 152
const metaBytes = 160
const magic = 0xbeefc0de
const version = 2
const smallPageBytes = 4_096
/**
 * How far a file can have come before the first sync of its first transaction. One that was of any use is
 * longer; one with larger pages that is unfinished is refused.
 */
const unfinishedBytesMax = 3 * smallPageBytes

interface Meta {
  readonly pageBytes: number
  readonly lastPage: bigint
  readonly transaction: bigint
}

/**
 * @param remedy what to do, for the message
 * @throws SkiffError `SKIFF_STORAGE` for a file that cannot be opened; none at all is fine
 */
export function checkDatabaseFile(directory: string, remedy: string): void {
  const path = join(directory, 'data.mdb')
  if (!existsSync(path)) return
  const file = openSync(path, 'r')
  try {
    const defect = defectOf(file)
    if (defect === null) return
    throw new SkiffError('SKIFF_STORAGE', 'not-applied', `${path} ${defect}. ${remedy}`)
  } finally {
    closeSync(file)
  }
}

function defectOf(file: number): string | null {
  const { size } = fstatSync(file)
  // Made, but nothing was written before the process died: LMDB begins anew.
  if (size === 0) return null
  const newest = newestMeta(file)
  if (newest === null) return 'is not a database of this program'
  const bytes = pagesBytes(newest)
  return bytes <= BigInt(size) ? null : `was cut short: ${size} bytes of ${bytes}`
}

/** Of the map: as far as it was ever used. Pages that are free again count, for none is given back. */
export function usedBytes(directory: string): number {
  const file = openSync(join(directory, 'data.mdb'), 'r')
  try {
    const meta = newestMeta(file)
    return meta === null ? 0 : Number(pagesBytes(meta))
  } finally {
    closeSync(file)
  }
}

/**
 * The power failed while LMDB made the file, before its first transaction: LMDB would refuse it for ever. Both
 * meta pages are synced before a transaction can follow, so where one is blank, none has. A used file whose
 * beginning was lost looks the same if it is as short.
 */
export function isUnfinished(directory: string): boolean {
  const path = join(directory, 'data.mdb')
  if (!existsSync(path)) return false
  const file = openSync(path, 'r')
  try {
    if (fstatSync(file).size > unfinishedBytesMax) return false
    const pages = [0, smallPageBytes]
    const blank = pages.filter((at) => isBlank(file, at))
    const isFirst = (at: number): boolean => readMeta(file, at)?.transaction === 0n
    return blank.length > 0 && pages.every((at) => blank.includes(at) || isFirst(at))
  } finally {
    closeSync(file)
  }
}

function newestMeta(file: number): Meta | null {
  const first = readMeta(file, 0)
  const second = first === null ? null : readMeta(file, first.pageBytes)
  if (first === null || second === null) return null
  return first.transaction > second.transaction ? first : second
}

function pagesBytes({ lastPage, pageBytes }: Meta): bigint {
  return (lastPage + 1n) * BigInt(pageBytes)
}

function isBlank(file: number, at: number): boolean {
  const bytes = Buffer.alloc(metaBytes)
  readSync(file, bytes, 0, metaBytes, at)
  return bytes.every((byte) => byte === 0)
}

function readMeta(file: number, at: number): Meta | null {
  const meta = Buffer.alloc(metaBytes)
  if (readSync(file, meta, 0, metaBytes, at) < metaBytes) return null
  if (meta.readUInt32LE(magicAt) !== magic || meta.readUInt32LE(versionAt) !== version) return null
  return {
    pageBytes: meta.readUInt32LE(pageBytesAt),
    lastPage: meta.readBigUInt64LE(lastPageAt),
    transaction: meta.readBigUInt64LE(transactionAt),
  }
}
