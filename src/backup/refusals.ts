/** Why a backup, a restore or a recovery does not happen. Nothing was written, or it was removed again. */
import { messageOf, SkiffError } from '../errors.ts'

/** What was asked for cannot be done there. */
export function refused(reason: string, cause?: unknown): SkiffError {
  return new SkiffError('SKIFF_CONFIG', 'not-applied', reason, { cause })
}

/** The disk, or what was found on it, is at fault. */
export function noGood(reason: string, cause?: unknown): SkiffError {
  return new SkiffError('SKIFF_STORAGE', 'not-applied', reason, { cause })
}

/** What the system said about a file, by a code of ours; anything else as it is. */
export function asRefusal(what: string, error: unknown): unknown {
  const isOfSystem = error instanceof Error && 'syscall' in error
  return isOfSystem ? noGood(`${what} failed: ${messageOf(error)}`, error) : error
}
