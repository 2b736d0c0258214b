/**
 * Holds a node's own state against the folder as it is now, key by key, and says what differs. Both
 * sides may be large: the state is streamed, and of the differences only the first are kept.
 */
import { isDeepStrictEqual } from 'node:util'
import type { FileValue } from './walk.ts'

export interface Stored {
  readonly key: string
  readonly value: unknown
}

export interface Difference {
  readonly key: string
  readonly problem: string
}

export interface Comparison {
  readonly identical: number
  readonly differenceCount: number
  /** The first of them, at most {@link differencesMax}. */
  readonly differences: readonly Difference[]
}

/** Differences that are shown. */
export const differencesMax: number = 20

/**
 * @param before the files as they were put: tells a file that changed since from a fault of the store
 * @param now the files as they are
 */
export async function compare(
  before: ReadonlyMap<string, FileValue>,
  now: ReadonlyMap<string, FileValue>,
  stored: AsyncIterable<Stored>,
): Promise<Comparison> {
  const differences: Difference[] = []
  const unseen = new Set(now.keys())
  let identical = 0
  let differenceCount = 0
  const differs = (key: string, problem: string) => {
    differenceCount++
    if (differences.length < differencesMax) differences.push({ key, problem })
  }

  for await (const { key, value } of stored) {
    const again = !unseen.delete(key) && now.has(key)
    const problem = again ? 'listed twice' : problemOf(value, before.get(key), now.get(key))
    if (problem === null) identical++
    else differs(key, problem)
  }
  for (const key of unseen) {
    differs(
      key,
      before.has(key) ? 'missing in the store' : 'missing: the file is new since it was read',
    )
  }
  return { identical, differenceCount, differences }
}

function problemOf(
  value: unknown,
  before: FileValue | undefined,
  now: FileValue | undefined,
): string | null {
  if (now === undefined) {
    return before === undefined
      ? 'extra: there is no such file'
      : 'extra: the file is gone since it was put'
  }
  if (isDeepStrictEqual(value, now)) return null
  if (isDeepStrictEqual(value, before))
    return `the file changed since it was put: ${changes(value, now)}`
  return `differs: ${changes(value, now)}`
}

/** `bytes 12 → 13, sha256 … → …` */
function changes(value: unknown, now: FileValue): string {
  if (typeof value !== 'object' || value === null) return `${JSON.stringify(value)} is no file`
  const fields = { ...value } as Record<string, unknown>
  return Object.entries(now)
    .filter(([name, wanted]) => fields[name] !== wanted)
    .map(([name, wanted]) => `${name} ${String(fields[name])} → ${wanted}`)
    .join(', ')
}
