/**
 * A look into the entries of an append before they may enter our log. A record can be whole and still hold
 * what no node can apply or dial; once in the log it would stop its node at every start.
 */
import { isAddress } from '../address.ts'
import { membersMax } from '../options.ts'
import { AssertionError, unreachable } from '../raft/assert.ts'
import { decodeConfiguration, everyone, votersOf } from '../raft/membership.ts'
import { type Configuration, type EntryType, isNodeId } from '../raft/types.ts'
import { checkBatch } from './command.ts'
import { demand, MalformedFrame } from './malformed.ts'

/** Bytes of a membership: each member is an id, an address, a role, and the punctuation of JSON; some twice. */
const membershipBytesMax = 512 * 2 * membersMax

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
export function checkMembership(payload: Uint8Array): Configuration {
  demand(payload.length <= membershipBytesMax, `membership of ${payload.length} bytes`)
  const configuration = readMembership(payload)
  const { members, promotions, outgoing } = configuration
  // Who is to take another's place is a member beside it for a while.
  demand(members.length <= membersMax + 1, `membership of ${members.length}`)
  demand(votersOf(members).length > 0, 'membership without a voter')
  for (const each of [members, outgoing])
    demand(new Set(each.map(({ id }) => id)).size === each.length, 'membership names one twice')
  for (const { id, address } of everyone(configuration)) {
    demand(isNodeId(id), 'membership: expected 16 hex digits')
    demand(isAddress(address), 'membership: expected host:port')
  }
  for (const { inPlaceOf } of promotions)
    demand(inPlaceOf === null || isNodeId(inPlaceOf), 'membership: expected 16 hex digits')
  return configuration
}

function readMembership(payload: Uint8Array): Configuration {
  try {
    return decodeConfiguration(payload)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof AssertionError)) throw error
    throw new MalformedFrame('membership that cannot be read')
  }
}
