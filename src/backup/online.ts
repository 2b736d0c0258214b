/**
 * Backups of a node that serves. What is copied is a snapshot (storage/snapshots.ts): taken after the node has
 * caught up with all that was acknowledged, and kept from being thrown away until the copy is made.
 */
import { join } from 'node:path'
import type { Control } from '../actor/control.ts'
import { checkFields, oneOf, text } from '../checks.ts'
import type { SkiffError } from '../errors.ts'
import { type BackupOptions, backupFields, type LongWorkOptions } from '../options.ts'
import type { SnapshotMark } from '../raft/types.ts'
import { directoryAt, freeBytes } from '../storage/directory.ts'
import type { StorageControl } from '../storage/service.ts'
import { SnapshotFolder } from '../storage/snapshot-files.ts'
import type { Backup, Node, NodeStatus } from '../store.ts'
import { copyHashed } from './copy.ts'
import { checkTarget, type Origin, writeBackup } from './file.ts'
import { noGood, refused } from './refusals.ts'

/** The node, as far as its backups need it. */
export type BackedUpNode = Pick<Node, 'id' | 'dir' | 'members'> & {
  status(): Pick<NodeStatus, 'appliedIndex'>
}

/** What stands behind a node, as far as its backups need it. */
export interface BackupSource {
  readonly control: Control<StorageControl>
  readonly clusterId: () => string
  /** Rejects when the answer can come no more, for its actor has died. */
  readonly alive: <T>(answer: Promise<T>) => Promise<T>
}

export class Backups {
  readonly #node: BackedUpNode
  readonly #source: BackupSource
  readonly #ending = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(node: BackedUpNode, source: BackupSource) {
    this.#node = node
    this.#source = source
  }

  run(file: string, options: BackupOptions = {}): Promise<Backup> {
    checkFields(options, 'options', backupFields)
    const { consistency = 'linearizable' } = options
    oneOf(consistency, 'consistency', ['linearizable', 'stale'])
    const backup = this.#run(text(file, 'file'), { ...options, consistency })
    const ended: Promise<unknown> = backup.then(ignore, ignore)
    this.#running.add(ended)
    void ended.then(() => this.#running.delete(ended))
    return backup
  }

  /** The answer, unless the node ends before. */
  unlessEnded<T>(answer: Promise<T>): Promise<T> {
    return unlessAborted(answer, this.#ending.signal)
  }

  /** Gives up those under way; resolves when nothing of them is left. */
  async end(reason: SkiffError): Promise<void> {
    this.#ending.abort(reason)
    await Promise.all(this.#running)
  }

  async #run(file: string, options: BackupOptions): Promise<Backup> {
    const signals = options.signal === undefined ? [] : [options.signal]
    const signal = AbortSignal.any([...signals, this.#ending.signal])
    signal.throwIfAborted()
    checkTarget(file, options)
    await this.#reach({ ...options, signal })
    const snapshot = await this.#hold(signal)
    try {
      const work = { ...options, signal }
      return await writeBackup(file, options, (folder) => this.#copy(snapshot, folder, work))
    } finally {
      if (!this.#ending.signal.aborted) await this.#release(snapshot)
    }
  }

  /** The moment from which on everything acknowledged before is in what is copied. */
  async #reach({ consistency, signal, timeoutMs }: BackupOptions): Promise<void> {
    const call = { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) }
    if (consistency === 'linearizable') await this.#node.members(call)
    if (this.#node.status().appliedIndex === 0) throw refused('this node holds nothing yet')
  }

  async #hold(signal: AbortSignal): Promise<SnapshotMark> {
    const held = this.#source.alive(this.#source.control.call('holdSnapshot'))
    try {
      return await unlessAborted(held, signal)
    } catch (error) {
      if (!this.#ending.signal.aborted)
        void held.then((snapshot) => this.#release(snapshot)).catch(ignore)
      throw error
    }
  }

  /** A node that has died holds nothing. */
  async #release(snapshot: SnapshotMark): Promise<void> {
    const { alive, control } = this.#source
    const released = alive(control.call('releaseSnapshot', snapshot))
    await this.unlessEnded(released).catch(ignore)
  }

  async #copy(snapshot: SnapshotMark, folder: string, work: LongWorkOptions): Promise<Origin> {
    const { bytes, hash, term } = snapshot
    const free = freeBytes(directoryAt(folder))
    if (free < bytes) throw noGood(`a backup takes ${bytes} bytes, ${free} are free at ${folder}`)
    const { signal, onProgress } = work
    const from = new SnapshotFolder(directoryAt(this.#node.dir), 0).path(snapshot)
    const to = join(folder, 'data.mdb')
    const sha256 = await copyHashed({
      ...{ from, to, bytes },
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    })
    if (sha256 !== hash) throw noGood(`the snapshot ${from} is damaged; check the disk`)
    return { clusterId: this.#source.clusterId(), nodeId: this.#node.id, term, sha256 }
  }
}

function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    const heard = (): void => signal.removeEventListener('abort', abort)
    answer.finally(heard).then(resolve, reject)
  })
}

function ignore(): void {}
