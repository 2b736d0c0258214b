/**
 * What must hold, checked in production too. A broken invariant ends the actor: a node that does not
 * understand its own state must neither vote nor acknowledge.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** The default arm of an exhaustive switch: a new variant fails to compile until it is handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
