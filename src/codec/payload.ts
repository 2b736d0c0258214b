/**
 * A look into the entries of an append before they may enter our log. A record can be whole and still hold
 * what no node can apply or dial; once in the log it would stop its node at every start.
 */
import { isAddress } from '../address.ts'
import { membersMax } from '../options.ts'
import { AssertionError, unreachable } from '../raft/assert.ts'
import { decodeMembership, votersOf } from '../raft/membership.ts'
import { type EntryType, isNodeId, type Membership } from '../raft/types.ts'
import { checkBatch } from './command.ts'
import { demand, MalformedFrame } from './malformed.ts'

/** Bytes of a membership: each member is an id, an address, a role, and the punctuation of JSON. */
const membershipBytesMax = 512 * membersMax

/** @throws MalformedFrame */
export function checkPayload(type: EntryType, payload: Uint8Array): void {
  switch (type) {
    case 'noop':
      demand(payload.length === 0, `noop of ${payload.length} bytes`)
      return
    case 'batch':
      checkBatch(payload)
      return
    case 'membership':
      checkMembership(payload)
      return
    default:
      unreachable(type)
  }
}

/** @throws MalformedFrame */
export function checkMembership(payload: Uint8Array): Membership {
  demand(payload.length <= membershipBytesMax, `membership of ${payload.length} bytes`)
  const members = readMembership(payload)
  demand(members.length <= membersMax, `membership of ${members.length}`)
  demand(votersOf(members).length > 0, 'membership without a voter')
  demand(new Set(members.map(({ id }) => id)).size === members.length, 'membership names one twice')
  for (const { id, address } of members) {
    demand(isNodeId(id), 'membership: expected 16 hex digits')
    demand(isAddress(address), 'membership: expected host:port')
  }
  return members
}

function readMembership(payload: Uint8Array): Membership {
  try {
    return decodeMembership(payload)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof AssertionError)) throw error
    throw new MalformedFrame('membership that cannot be read')
  }
}
