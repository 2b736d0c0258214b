/** What callers are told whose deadline has passed: what is known of the fate of their call. */
import { SkiffError } from '../errors.ts'
import type { NodeId } from '../raft/types.ts'

export function writeTimeout(leaderId: NodeId | null): SkiffError {
  const message = 'no answer within the deadline; the write may have happened, or still may'
  return new SkiffError('SKIFF_TIMEOUT', 'unknown', message, { leaderId })
}

export function readTimeout(leaderId: NodeId | null): SkiffError {
  const message = 'no majority confirmed the read within the deadline'
  return new SkiffError('SKIFF_TIMEOUT', 'not-applied', message, { leaderId })
}

/** It never left this node. */
export function notSent(leaderId: NodeId | null): SkiffError {
  return leaderId === null
    ? new SkiffError(
        'SKIFF_NO_LEADER',
        'not-applied',
        'no leader is known, nothing was sent. Is a majority up, and is this node a member?',
      )
    : new SkiffError(
        'SKIFF_OVERLOADED',
        'not-applied',
        'too much is waiting for the leader, nothing was sent',
        { leaderId },
      )
}

export function answerLost(): SkiffError {
  const message =
    'the write was applied, but this node got a snapshot meanwhile that does not say at which revision'
  return new SkiffError('SKIFF_TIMEOUT', 'unknown', message)
}
