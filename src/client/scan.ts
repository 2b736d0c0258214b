/** Scans: one consistent snapshot, read page by page as the caller goes on. */
import { keyBytes } from '../codec/command.ts'
import { unpackValue } from '../codec/value.ts'
import { SkiffError } from '../errors.ts'
import { type ScanRange, scanAgeMsMax, scansMax } from '../options.ts'
import {
  prefixBounds,
  type RangeBounds,
  type Snapshot,
  type StateReader,
} from '../storage/reader.ts'
import type { Entry } from '../store.ts'

/** Entries read at a time. */
const pageEntries = 256

export interface ScanPlan extends RangeBounds {
  readonly limit: number
}

/** @throws TypeError for a range that is none */
export function planScan(range: ScanRange = {}): ScanPlan {
  const { prefix = '', from, to, reverse = false, limit = Number.POSITIVE_INFINITY } = range
  if (typeof prefix !== 'string')
    throw new TypeError(`prefix: expected a string, got ${typeof prefix}`)
  if (!(limit > 0)) throw new TypeError(`limit: expected a positive number, got ${String(limit)}`)
  const bounds = prefixBounds(Buffer.from(prefix))
  const first = from === undefined ? bounds.from : later(bounds.from, keyBytes(from))
  const end = to === undefined ? bounds.to : earlier(bounds.to, keyBytes(to))
  return { from: first, to: end, reverse, limit }
}

/** The snapshots open in one node. */
export class Scans {
  readonly #state: StateReader
  readonly #open = new Set<Snapshot>()

  constructor(state: StateReader) {
    this.#state = state
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  open(): Snapshot {
    if (this.#open.size >= scansMax) {
      throw new SkiffError(
        'SKIFF_OVERLOADED',
        'not-applied',
        `${scansMax} scans are open, the limit`,
      )
    }
    const snapshot = this.#state.snapshot()
    this.#open.add(snapshot)
    return snapshot
  }

  close(snapshot: Snapshot): void {
    this.#open.delete(snapshot)
    snapshot.close()
  }

  closeAll(): void {
    for (const snapshot of this.#open) this.close(snapshot)
  }

  isOpen(snapshot: Snapshot): boolean {
    return this.#open.has(snapshot)
  }
}

/** Opens its snapshot when the first entry is taken, and closes it when the last is, or at `break`. */
export async function* scan<T>(
  plan: ScanPlan,
  open: () => Promise<{ scans: Scans; snapshot: Snapshot }>,
): AsyncGenerator<Entry<T>, void, void> {
  const { scans, snapshot } = await open()
  const deadline = performance.now() + scanAgeMsMax
  try {
    let rest = plan
    for (;;) {
      checkAlive(scans, snapshot, deadline)
      const page = snapshot.page(rest, Math.min(pageEntries, rest.limit))
      for (const { key, value, createRevision, modRevision, version } of page) {
        yield { key, value: unpackValue(value) as T, createRevision, modRevision, version }
      }
      const last = page.at(-1)
      if (last === undefined || page.length < pageEntries) return
      rest = behind(rest, last.key, page.length)
      if (rest.limit <= 0) return
    }
  } finally {
    scans.close(snapshot)
  }
}

function checkAlive(scans: Scans, snapshot: Snapshot, deadline: number): void {
  if (!scans.isOpen(snapshot)) {
    throw new SkiffError('SKIFF_CLOSED', 'not-applied', 'the node was closed during the scan')
  }
  if (performance.now() <= deadline) return
  throw new SkiffError(
    'SKIFF_TIMEOUT',
    'not-applied',
    `the scan took longer than ${scanAgeMsMax} ms; go on with from: the last key`,
  )
}

function behind(plan: ScanPlan, lastKey: string, taken: number): ScanPlan {
  const key = Buffer.from(lastKey)
  const limit = plan.limit - taken
  // No key lies between a key and the same with a zero byte behind it.
  return plan.reverse
    ? { ...plan, to: key, limit }
    : { ...plan, from: Buffer.concat([key, Buffer.from([0])]), limit }
}

function later(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) >= 0 ? a : b
}

function earlier(a: Buffer | null, b: Buffer): Buffer {
  return a !== null && Buffer.compare(a, b) <= 0 ? a : b
}
