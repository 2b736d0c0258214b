/** Scans: one consistent snapshot, read page by page as the caller goes on. */

import { checkFields } from '../checks.ts'
import { keyBytes, prefixBytes } from '../codec/key.ts'
import { unpackValue } from '../codec/value.ts'
import { SkiffError } from '../errors.ts'
import { type ScanRange, scanAgeMsMax, scanFields, scansMax } from '../options.ts'
import {
  prefixBounds,
  type RangeBounds,
  type Snapshot,
  type StateReader,
} from '../storage/reader.ts'
import type { Entry } from '../store.ts'
import { now } from './deadline.ts'

/** Entries read at a time. */
const pageEntries = 256
/** Bytes of values read at a time; one value may be more. */
const pageBytesMax = 2 ** 20

export interface ScanPlan extends RangeBounds {
  readonly limit: number
}

/** @throws TypeError for an invalid range */
export function planScan(range: ScanRange = {}): ScanPlan {
  checkFields(range, 'range', scanFields)
  const { prefix = '', from, to, reverse = false, limit = Number.POSITIVE_INFINITY } = range
  if (!(Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY) || limit < 1) {
    throw new TypeError(`limit: expected an integer from 1 on, got ${String(limit)}`)
  }
  const bounds = prefixBounds(prefixBytes(prefix))
  const first = from === undefined ? bounds.from : later(bounds.from, keyBytes(from))
  const end = to === undefined ? bounds.to : earlier(bounds.to, keyBytes(to))
  return { from: first, to: end, reverse, limit }
}

/** A scan under way: what it reads, and until when. */
export interface OpenScan {
  readonly snapshot: Snapshot
  readonly deadline: number
}

/** The scans under way in one node. */
export class Scans {
  readonly #state: StateReader
  readonly #open = new Set<OpenScan>()
  /** Why the node has stopped. */
  #ended: SkiffError | null = null

  constructor(state: StateReader) {
    this.#state = state
  }

  /** @throws SkiffError `SKIFF_OVERLOADED` */
  open(): OpenScan {
    if (this.#ended !== null) throw this.#ended
    if (this.#open.size >= scansMax) {
      throw new SkiffError(
        'SKIFF_OVERLOADED',
        'not-applied',
        `${scansMax} scans are open, the limit`,
      )
    }
    const scan = { snapshot: this.#state.snapshot(), deadline: now() + scanAgeMsMax }
    this.#open.add(scan)
    return scan
  }

  close(scan: OpenScan): void {
    this.#open.delete(scan)
    scan.snapshot.close()
  }

  /** The node has stopped: this is why. */
  closeAll(error: SkiffError): void {
    this.#ended = error
    for (const scan of this.#open) this.close(scan)
  }

  /** Once a tick: ends those that take too long, also where nobody comes back for the next entry. */
  sweep(): void {
    const time = now()
    for (const scan of this.#open) if (time >= scan.deadline) this.close(scan)
  }

  /** @throws SkiffError if it was ended */
  check(scan: OpenScan): void {
    if (this.#open.has(scan)) return
    if (this.#ended !== null) throw this.#ended
    throw new SkiffError(
      'SKIFF_TIMEOUT',
      'not-applied',
      `the scan took longer than ${scanAgeMsMax} ms; start another scan behind the last key`,
    )
  }
}

/** Opens its snapshot when the first entry is taken, and closes it when the last is, or at `break`. */
export async function* scan<T>(
  plan: ScanPlan,
  open: () => Promise<{ scans: Scans; scan: OpenScan }>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Entry<T>, void, void> {
  const { scans, scan } = await open()
  try {
    let rest = plan
    for (;;) {
      scans.check(scan)
      const limit = Math.min(pageEntries, rest.limit)
      const { records, isLast } = scan.snapshot.page(rest, limit, pageBytesMax)
      for (const { key, value, createRevision, modRevision, version } of records) {
        signal?.throwIfAborted()
        yield { key, value: unpackValue(value) as T, createRevision, modRevision, version }
      }
      const last = records.at(-1)
      if (last === undefined || isLast) return
      rest = behind(rest, last.key, records.length)
      if (rest.limit <= 0) return
    }
  } finally {
    scans.close(scan)
  }
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
