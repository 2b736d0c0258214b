/**
 * Why a peer is turned away: a WebSocket close code with a reason on the wire, a SkiffError at the
 * dialer. A refusal is a value, never thrown: strangers must not be able to raise exceptions here.
 */
import { SkiffError, type SkiffErrorCode } from '../errors.ts'

export type RefusalKind =
  /** What was sent is not our protocol, or breaks it. */
  | 'malformed'
  | 'unauthorized'
  /** Wrong cluster, wrong node. */
  | 'membership'
  /** Runs from a copy of another node's directory, or from an earlier state of its own. */
  | 'copied'
  /** A process of the same node is there, and answers. */
  | 'occupied'
  /** Another link of the same node has taken this one's place. */
  | 'replaced'
  | 'version'
  /** Nothing is wrong with the dialer; it should come back soon. */
  | 'unavailable'

export interface Refusal {
  readonly kind: RefusalKind
  readonly reason: string
}

/** Within 4400..4499, from the range that WebSocket leaves to applications (RFC 6455 §7.4.2). */
const closeCodes: Readonly<Record<RefusalKind, number>> = {
  malformed: 4400,
  unauthorized: 4401,
  membership: 4403,
  copied: 4410,
  occupied: 4423,
  replaced: 4409,
  version: 4426,
  unavailable: 4450,
}

const errorCodes: Readonly<Record<RefusalKind, SkiffErrorCode>> = {
  malformed: 'SKIFF_CONFIG',
  unauthorized: 'SKIFF_UNAUTHORIZED',
  membership: 'SKIFF_MEMBERSHIP',
  copied: 'SKIFF_MEMBERSHIP',
  occupied: 'SKIFF_MEMBERSHIP',
  replaced: 'SKIFF_MEMBERSHIP',
  version: 'SKIFF_CONFIG',
  unavailable: 'SKIFF_CONFIG',
}

/** Bytes of a close reason: a control frame carries 125, two of them the code (RFC 6455 §5.5). */
const closeReasonBytesMax = 123

export function refusal(kind: RefusalKind, reason: string): Refusal {
  return { kind, reason }
}

/** For the wire: the reason is cut between characters where it is too long. */
export function closeFrame({ kind, reason }: Refusal): { code: number; reason: string } {
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(closeReasonBytesMax))
  return { code: closeCodes[kind], reason: reason.slice(0, read) }
}

/** From the wire: `null` when the close was no refusal. */
export function refusalOf(code: number, reason: string): Refusal | null {
  const kinds = Object.keys(closeCodes) as RefusalKind[]
  const kind = kinds.find((kind) => closeCodes[kind] === code)
  return kind === undefined ? null : { kind, reason }
}

/** What to do, where the reason alone does not say it; there is no room for it on the wire. */
const advice: Partial<Readonly<Record<RefusalKind, string>>> = {
  copied:
    'This directory is a copy, or was put back to an earlier state: it must not take part. Remove it; if the other is gone for good, remove the member on another one, and join with an empty directory',
  occupied: 'Only one process may run as a node. Stop the other, or start this one elsewhere',
}

/** What `SkiffError` a refusal becomes, and still which it was. */
export class RefusedError extends SkiffError {
  readonly kind: RefusalKind

  constructor({ kind }: Refusal, message: string) {
    const toDo = advice[kind]
    super(errorCodes[kind], 'not-applied', toDo === undefined ? message : `${message}. ${toDo}`)
    this.kind = kind
  }
}
