/**
 * Why a peer is turned away: a WebSocket close code with a reason on the wire, a SkiffError at the
 * dialer. A refusal is a value, never thrown: strangers must not be able to raise exceptions here.
 */
import { SkiffError, type SkiffErrorCode } from '../errors.ts'

export type RefusalKind =
  /** What was sent is not our protocol, or breaks it. */
  | 'malformed'
  | 'unauthorized'
  /** Wrong cluster, wrong node, stale incarnation. */
  | 'membership'
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
  replaced: 4409,
  version: 4426,
  unavailable: 4450,
}

const errorCodes: Readonly<Record<RefusalKind, SkiffErrorCode>> = {
  malformed: 'SKIFF_CONFIG',
  unauthorized: 'SKIFF_UNAUTHORIZED',
  membership: 'SKIFF_MEMBERSHIP',
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

export function refusalError({ kind }: Refusal, message: string): SkiffError {
  return new SkiffError(errorCodes[kind], 'not-applied', message)
}
