/** Every error code once: when it is raised and what it says about the fate of the write. */

/** Did the write happen? `unknown`: it may have, or may still; read before you retry a plain write. */
export type Outcome = 'not-applied' | 'unknown'

/**
 * Codes are stable within a major version, messages are not. Match on `code`, not on `instanceof`: two
 * copies of a package may be loaded.
 */
export type SkiffErrorCode =
  /** After close, before being sent. */
  | 'SKIFF_CLOSED'
  /** More requests or bytes pending than the limit allows; slow down and try again. */
  | 'SKIFF_OVERLOADED'
  /** Key, value or batch over its limit. */
  | 'SKIFF_TOO_LARGE'
  /** No leader known within the deadline; nothing was sent. */
  | 'SKIFF_NO_LEADER'
  /** The deadline passed after sending. */
  | 'SKIFF_TIMEOUT'
  /** An actor died with the request pending; `cause` says why. */
  | 'SKIFF_CRASHED'
  /** The disk refused: full, failing or corrupt; the message says what to do. */
  | 'SKIFF_STORAGE'
  /** A watch or read asked for a revision that is gone; `revision` is the oldest one still there. */
  | 'SKIFF_COMPACTED'
  /** A watcher fell too far behind and was ended; resume with `fromRevision: error.revision`. */
  | 'SKIFF_SLOW_WATCHER'
  /** Options that cannot work: a port or directory in use, a directory of another cluster, … */
  | 'SKIFF_CONFIG'
  /** The secret was refused. */
  | 'SKIFF_UNAUTHORIZED'
  /** A membership change was refused, or a watch by a node that was removed; the message says which. */
  | 'SKIFF_MEMBERSHIP'

/** An error as it crosses a thread: structured clone and comlink both drop `code` from an Error. */
export interface SkiffErrorData {
  readonly code: SkiffErrorCode
  readonly message: string
  readonly outcome: Outcome
  readonly leaderId: string | null
  /** For `SKIFF_COMPACTED` the oldest revision; where a watch was ended, the one to resume from. */
  readonly revision: number | null
}

export interface SkiffErrorOptions {
  readonly leaderId?: string | null
  readonly revision?: number | null
  readonly cause?: unknown
}

/** An operation that failed, and whether it may have happened all the same. */
export class SkiffError extends Error {
  override readonly name = 'SkiffError'
  readonly code: SkiffErrorCode
  readonly outcome: Outcome
  /** The leader as known where the error arose. */
  readonly leaderId: string | null
  /** See {@link SkiffErrorData.revision}. */
  readonly revision: number | null

  constructor(
    code: SkiffErrorCode,
    outcome: Outcome,
    message: string,
    { leaderId = null, revision = null, cause }: SkiffErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.outcome = outcome
    this.leaderId = leaderId
    this.revision = revision
  }
}

/** Any failure, for the way across a thread. What is not ours already means the actor cannot go on. */
export function errorToData(error: unknown): SkiffErrorData {
  if (!(error instanceof SkiffError)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return errorToData(new SkiffError('SKIFF_CRASHED', 'unknown', message))
  }
  const { code, message, outcome, leaderId, revision } = error
  return { code, message, outcome, leaderId, revision }
}

export function isErrorData(value: unknown): value is SkiffErrorData {
  return typeof value === 'object' && value !== null && 'code' in value && 'outcome' in value
}

/** On the other side of the thread. */
export function errorFromData(data: SkiffErrorData): SkiffError {
  const { code, outcome, message, leaderId, revision } = data
  return new SkiffError(code, outcome, message, { leaderId, revision })
}

/** What whatever was thrown says of itself. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What an actor has thrown, or died of. */
export function failureOf(error: unknown): SkiffError {
  if (error instanceof SkiffError) return error
  if (isErrorData(error)) return errorFromData(error)
  return new SkiffError('SKIFF_CRASHED', 'unknown', `an actor died: ${messageOf(error)}`)
}

/** The failure of a node of which nobody has asked anything yet. */
export function neverStarted(failure: SkiffError): SkiffError {
  const { code, message } = failure
  return new SkiffError(code, 'not-applied', message, { cause: failure })
}
