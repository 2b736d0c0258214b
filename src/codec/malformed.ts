/** Bytes from a peer that are no message of ours. Its link is dropped; the node goes on. */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame'
}

/** What a peer sent must satisfy `condition`; the counterpart of `assert` for what others made. */
export function demand(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new MalformedFrame(reason)
}
