/**
 * A disk as a trace of system calls describes it: which bytes and names were asked for when, and since when
 * each of them cannot be lost any more. Kept as strict as POSIX lets a disk be:
 *
 * - bytes are safe once an fsync or fdatasync of their file, begun after their write had ended, has ended;
 *   bytes written through O_DSYNC once their write has ended, and nothing else with them;
 * - a name is safe once an fsync of its directory has: syncing a file does not say where it is;
 * - names of one directory change in order, those of different directories as they like.
 *
 * What is written through a map cannot be seen here (`isMapped`): of LMDB that is its table of readers.
 */
import { basename, dirname, relative, sep } from 'node:path'
import { type Call, descriptorOf, resultOf, stringsOf } from '../support/strace.ts'

/** What was asked of one file or directory. */
export interface Operation {
  readonly begunAt: number
  readonly endedAt: number | null
  readonly change: Change
  /** From this line of the trace on it cannot be lost. */
  safeAt: number
}

export type Change =
  | { readonly type: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: 'resize'; readonly size: number }
  | { readonly type: 'names'; readonly names: readonly (readonly [string, Inode | null])[] }

export interface Span {
  readonly begunAt: number
  readonly endedAt: number
}

export class Inode {
  /** Where it was made, below the root. */
  readonly path: string
  readonly isDirectory: boolean
  readonly operations: Operation[] = []
  readonly syncs: Span[] = []
  /** Written through a map. */
  isMapped = false
  /** Lines at which it was opened for writing. */
  readonly openedAt: number[] = []
  /** As the process sees it. */
  sizeBytes = 0
  /** Of a directory: its entries as the process sees them. */
  readonly entries: Map<string, Inode> = new Map()

  constructor(path: string, isDirectory: boolean) {
    this.path = path
    this.isDirectory = isDirectory
  }
}

interface Descriptor {
  /** Another thread may have opened, and closed, one of this number while this one was being opened. */
  readonly since: number
  position: number
  readonly isSynchronous: boolean
}

/**
 * What a disk says it has synced, and has not: for tests of the test. Without fdatasync, but with O_DSYNC,
 * a page of LMDB that points to others is safe before they are.
 */
export type Lie = 'nothing' | 'files' | 'fdatasync'

/** Follows the calls of one process on all that is below `root`. */
export class Disk {
  readonly root: Inode = new Inode('', true)
  readonly inodes: Inode[] = [this.root]
  readonly #path: string
  readonly #descriptors = new Map<number, Descriptor[]>()
  readonly #lie: Lie

  constructor(path: string, calls: readonly Call[], lie: Lie = 'nothing') {
    this.#path = path
    this.#lie = lie
    for (const call of calls) this.#follow(call)
    for (const inode of this.inodes) settle(inode)
  }

  /** As the process sees it at the end. */
  find(path: string): Inode | null {
    let inode: Inode | null = this.root
    for (const name of this.#names(path)) inode = inode?.entries.get(name) ?? null
    return inode
  }

  #follow(call: Call): void {
    if (call.endedAt !== null && resultOf(call) === null) return
    const act = this.#acts[call.name]
    if (act !== undefined) act(call)
    else if (unknown.has(call.name) && this.#concerns(call))
      throw new Error(`${call.name} is not understood: ${call.text.slice(0, 200)}`)
  }

  readonly #acts: Readonly<Record<string, (call: Call) => void>> = {
    openat: (call) => this.#open(call),
    mkdir: (call) => this.#make(call, true),
    unlink: (call) => this.#name(call, [[pathOf(call, 0), null]]),
    unlinkat: (call) => this.#name(call, [[pathOf(call, 0), null]]),
    rmdir: (call) => this.#name(call, [[pathOf(call, 0), null]]),
    link: (call) => this.#name(call, [[pathOf(call, 1), this.find(pathOf(call, 0))]]),
    rename: (call) => this.#rename(call),
    renameat2: (call) => this.#rename(call),
    lseek: (call) => this.#seek(call),
    write: (call) => this.#write(call, null),
    writev: (call) => this.#write(call, null),
    pwrite64: (call) => this.#write(call, lastNumber(call)),
    pwritev: (call) => this.#write(call, lastNumber(call)),
    ftruncate: (call) => this.#resize(call, lastNumber(call)),
    copy_file_range: (call) => this.#copy(call, 0, 1),
    sendfile: (call) => this.#copy(call, 1, 0),
    fsync: (call) => this.#sync(call),
    fdatasync: (call) => this.#sync(call),
    mmap: (call) => this.#map(call),
  }

  #open(call: Call): void {
    const path = pathOf(call, 0)
    if (!this.#isBelow(path)) return
    if (call.text.includes('O_CREAT') && this.find(path) === null) this.#make(call, false)
    const inode = this.find(path)
    if (/O_WRONLY|O_RDWR/.test(call.text)) inode?.openedAt.push(call.begunAt)
    if (call.text.includes('O_TRUNC')) this.#change(inode, call, { type: 'resize', size: 0 })
    const isSynchronous = /O_D?SYNC/.test(call.text)
    const fd = resultOf(call)
    const position = call.text.includes('O_APPEND') ? (inode?.sizeBytes ?? 0) : 0
    if (fd === null || call.endedAt === null) return
    const opened = { since: call.endedAt, position, isSynchronous }
    this.#descriptors.set(fd, [...(this.#descriptors.get(fd) ?? []), opened])
  }

  /** The one that was opened last, before the call began. */
  #descriptor(fd: number, { begunAt }: Call): Descriptor | null {
    let last: Descriptor | null = null
    for (const opened of this.#descriptors.get(fd) ?? [])
      if (opened.since < begunAt && opened.since > (last?.since ?? -1)) last = opened
    return last
  }

  #make(call: Call, isDirectory: boolean): void {
    const path = pathOf(call, 0)
    this.#name(call, [[path, new Inode(relative(this.#path, path), isDirectory)]])
  }

  #rename(call: Call): void {
    const moved = this.find(pathOf(call, 0))
    this.#name(call, [
      [pathOf(call, 0), null],
      [pathOf(call, 1), moved],
    ])
  }

  /** Names of one directory change in one go. */
  #name(call: Call, names: readonly (readonly [string, Inode | null])[]): void {
    const changes = new Map<Inode, (readonly [string, Inode | null])[]>()
    for (const [path, inode] of names) {
      const directory = this.#isBelow(path) ? this.find(dirname(path)) : null
      if (directory === null) continue
      if (inode !== null && !this.inodes.includes(inode)) this.inodes.push(inode)
      if (inode === null) directory.entries.delete(basename(path))
      else directory.entries.set(basename(path), inode)
      changes.set(directory, [...(changes.get(directory) ?? []), [basename(path), inode]])
    }
    for (const [directory, of] of changes)
      this.#change(directory, call, { type: 'names', names: of })
  }

  #seek(call: Call): void {
    const descriptor = this.#descriptor(descriptorOf(call)?.fd ?? -1, call)
    if (descriptor !== null) descriptor.position = resultOf(call) ?? 0
  }

  #write(call: Call, at: number | null): void {
    const { fd, path } = descriptorOf(call) ?? { fd: -1, path: '' }
    const descriptor = this.#descriptor(fd, call)
    if (!this.#isBelow(path) || descriptor === null) return
    const asked = Buffer.concat(stringsOf(call))
    const bytes = asked.subarray(0, resultOf(call) ?? asked.length)
    const offset = at ?? descriptor.position
    if (at === null) descriptor.position += bytes.length
    const change: Change = { type: 'write', offset, bytes }
    const safeAt = descriptor.isSynchronous && this.#lie !== 'files' ? call.endedAt : null
    this.#change(this.find(path), call, change, safeAt ?? Number.POSITIVE_INFINITY)
  }

  /** From one file to another, from an offset that the call names. */
  #copy(call: Call, from: number, to: number): void {
    const files = [...call.text.matchAll(/(\d+)<([^>]*)>/g)]
    const [source, target] = [files[from]?.[2] ?? '', files[to]?.[2] ?? '']
    const inode = this.#isBelow(target) ? this.find(target) : null
    if (inode === null) return
    const descriptor = this.#descriptor(Number(files[to]?.[1]), call)
    const [, start] = /\[(\d+)\]/.exec(call.text) ?? []
    const length = resultOf(call)
    if (descriptor === null || start === undefined || length === null)
      throw new Error(`${call.name} is not understood: ${call.text.slice(0, 200)}`)
    const bytes = contentOf(this.find(source)).subarray(Number(start), Number(start) + length)
    this.#change(inode, call, { type: 'write', offset: descriptor.position, bytes })
    descriptor.position += length
  }

  #resize(call: Call, size: number): void {
    this.#change(this.#inodeOf(call), call, { type: 'resize', size })
  }

  #sync(call: Call): void {
    const inode = this.#inodeOf(call)
    if (inode === null || call.endedAt === null) return
    if (this.#lie === 'files' && !inode.isDirectory) return
    if (this.#lie === call.name) return
    inode.syncs.push({ begunAt: call.begunAt, endedAt: call.endedAt })
  }

  #map(call: Call): void {
    const [, path] = /MAP_SHARED, \d+<([^>]*)>/.exec(call.text) ?? []
    const inode = path === undefined || !this.#isBelow(path) ? null : this.find(path)
    if (inode !== null && call.text.includes('PROT_WRITE')) inode.isMapped = true
  }

  #change(
    inode: Inode | null,
    call: Call,
    change: Change,
    safeAt = Number.POSITIVE_INFINITY,
  ): void {
    // Of a file that has no name any more.
    if (inode === null) return
    const { begunAt, endedAt } = call
    inode.operations.push({ begunAt, endedAt, change, safeAt })
    if (change.type === 'resize') inode.sizeBytes = change.size
    if (change.type === 'write')
      inode.sizeBytes = Math.max(inode.sizeBytes, change.offset + change.bytes.length)
  }

  #inodeOf(call: Call): Inode | null {
    const path = descriptorOf(call)?.path ?? ''
    return this.#isBelow(path) ? this.find(path) : null
  }

  /** Those without a path, like `sync`, concern every disk. */
  #concerns(call: Call): boolean {
    const paths = [...call.text.matchAll(/<(\/[^>]*)>/g)].map((match) => match[1] ?? '')
    const named = [...paths, ...stringsOf(call).map((bytes) => bytes.toString())]
    return named.length === 0 || named.some((path) => this.#isBelow(path))
  }

  #isBelow(path: string): boolean {
    return path === this.#path || path.startsWith(this.#path + sep)
  }

  #names(path: string): string[] {
    return relative(this.#path, path)
      .split(sep)
      .filter((name) => name !== '')
  }
}

/** Would change the disk, and does not happen yet. An image without it would be wrong. */
const unknown = new Set([
  'creat',
  'fallocate',
  'pwritev2',
  'renameat',
  'linkat',
  'symlink',
  'mkdirat',
  'msync',
  'sync',
  'syncfs',
  'sync_file_range',
])

/** The calls to record. */
export const recordedCalls: string =
  'openat,mkdir,unlink,unlinkat,rmdir,link,rename,renameat2,lseek,write,writev,pwrite64,pwritev,ftruncate,' +
  `copy_file_range,sendfile,fsync,fdatasync,mmap,${[...unknown].join(',')}`

/** As the process sees it. */
export function contentOf(inode: Inode | null): Buffer {
  const content = Buffer.alloc(inode?.sizeBytes ?? 0)
  for (const { change } of inode?.operations ?? []) {
    if (change.type === 'write') change.bytes.copy(content, change.offset)
    // What is cut off reads as zeros, should it be within the size again.
    else if (change.type === 'resize') content.fill(0, change.size)
  }
  return content
}

/** Each operation is safe from the end of the first sync that began after it had ended. */
function settle({ operations, syncs }: Inode): void {
  for (const operation of operations) {
    const { endedAt } = operation
    const sync = endedAt === null ? undefined : syncs.find(({ begunAt }) => begunAt > endedAt)
    if (sync !== undefined) operation.safeAt = Math.min(operation.safeAt, sync.endedAt)
  }
}

function pathOf(call: Call, n: number): string {
  return stringsOf(call)[n]?.toString() ?? ''
}

/** The last argument. */
function lastNumber({ text }: Call): number {
  const [, number] = /, (\d+)(?:\)\s*=.*)?$/.exec(text) ?? []
  if (number === undefined) throw new Error(`no number ends ${text.slice(-100)}`)
  return Number(number)
}
