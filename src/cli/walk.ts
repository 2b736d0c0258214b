/**
 * Reads a folder into what the store will hold: one value per file, under a key made of its path.
 * Streams every file through a hash, so that memory grows with the number of files and never with
 * their size. Symbolic links are not followed, and what cannot be read is reported, not skipped over.
 */
import { createHash } from 'node:crypto'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { keyBytesMax } from '../options.ts'
import { forEachConcurrently } from './concurrently.ts'

/** What is stored for a file. */
export interface FileValue {
  readonly bytes: number
  /** Time of the last change, ISO 8601. */
  readonly modified: string
  /** Of the content, in hex. */
  readonly sha256: string
}

export interface Unreadable {
  /** Relative to the folder, with `/`. */
  readonly path: string
  readonly reason: string
}

export interface Walk {
  readonly files: ReadonlyMap<string, FileValue>
  readonly unreadable: readonly Unreadable[]
}

export interface WalkOptions {
  /** Absolute paths of folders to leave out. */
  readonly exclude?: readonly string[]
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** Every key of a file begins with this. */
export const filesPrefix: string = 'files/'

/** Files open at once. More than libuv's four threads, so that none of them waits for us. */
const filesOpenMax = 16
/** Bytes read at a time. */
const chunkBytes = 256 * 1_024

export async function walkFolder(root: string, options: WalkOptions = {}): Promise<Walk> {
  const unreadable: Unreadable[] = []
  const paths = await listFiles(root, options, unreadable)
  const files = new Map<string, FileValue>()
  let done = 0
  await forEachConcurrently(paths, filesOpenMax, async (path) => {
    options.signal?.throwIfAborted()
    const value = await readFileValue(join(root, path)).catch(reasonOf)
    if (typeof value === 'string') unreadable.push({ path, reason: value })
    else files.set(filesPrefix + path, value)
    options.onProgress?.(++done, paths.length)
  })
  return { files, unreadable }
}

/** Paths of all regular files below `root`, relative to it, with `/`. */
async function listFiles(
  root: string,
  { exclude = [], signal }: WalkOptions,
  unreadable: Unreadable[],
): Promise<string[]> {
  const files: string[] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted()
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(reasonOf)
    if (typeof entries === 'string') {
      unreadable.push({ path: folder, reason: entries })
      continue
    }
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory() && !exclude.includes(join(root, path))) folders.push(path)
      else if (entry.isFile()) addFile(path)
    }
  }
  return files

  function addFile(path: string): void {
    const keyBytes = Buffer.byteLength(filesPrefix + path)
    if (keyBytes <= keyBytesMax) files.push(path)
    else unreadable.push({ path, reason: `key of ${keyBytes} bytes, ${keyBytesMax} are allowed` })
  }
}

async function readFileValue(path: string): Promise<FileValue> {
  const file = await open(path)
  try {
    const { mtime, size } = await file.stat()
    const hash = createHash('sha256')
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size + 1))
    let bytes = 0
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null)
      if (bytesRead === 0) break
      hash.update(chunk.subarray(0, bytesRead))
      bytes += bytesRead
    }
    return { bytes, modified: mtime.toISOString(), sha256: hash.digest('hex') }
  } finally {
    await file.close()
  }
}

/** System errors are facts about the file; anything else is a fault of ours. */
function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === undefined) throw error
  return error.code
}
