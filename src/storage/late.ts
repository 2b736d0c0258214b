/** What callers are told whose deadline has passed: it depends on how far their call had come. */
import { SkiffError } from '../errors.ts'
import type { NodeId } from '../raft/types.ts'

export function notSent(leaderId: NodeId | null): SkiffError {
  if (leaderId === null)
    return new SkiffError('SKIFF_NO_LEADER', 'not-applied', 'no leader is known, nothing was sent')
  const reason = 'too much is waiting for the leader, nothing was sent'
  return new SkiffError('SKIFF_OVERLOADED', 'not-applied', reason, { leaderId })
}

export function lateWrite(leaderId: NodeId | null): SkiffError {
  const reason = 'no answer within the deadline; the write may have happened, or still may'
  return new SkiffError('SKIFF_TIMEOUT', 'unknown', reason, { leaderId })
}

export function lateRead(leaderId: NodeId | null): SkiffError {
  const reason = 'no majority confirmed the read within the deadline'
  return new SkiffError('SKIFF_TIMEOUT', 'not-applied', reason, { leaderId })
}
