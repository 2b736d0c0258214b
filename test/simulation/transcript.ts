/** The words of a replayed conversation: one line for each thing that happens. */
import { batchOwner } from '../../src/codec/command.ts'
import { readEvents } from '../../src/codec/event.ts'
import { unpackEntries } from '../../src/codec/record.ts'
import type { MembershipChange, StorageToNetwork, WireRpc } from '../../src/messages.ts'
import { unreachable } from '../../src/raft/assert.ts'
import { decodeConfiguration } from '../../src/raft/membership.ts'
import type { Entry } from '../../src/raft/types.ts'
import type { Write } from './memory.ts'
import { decodeWrites } from './mirror.ts'
import type { SimulatedNode } from './node.ts'

export function sayRpc(rpc: WireRpc): string {
  switch (rpc.type) {
    case 'preVote':
      return `preVote t${rpc.term} last ${rpc.lastIndex}@t${rpc.lastTerm}`
    case 'vote':
      return `vote t${rpc.term} last ${rpc.lastIndex}@t${rpc.lastTerm}${rpc.isTransfer ? ', as the leader wants' : ''}`
    case 'preVoteReply':
    case 'voteReply':
      return `${rpc.type} t${rpc.term} ${rpc.granted ? 'granted' : 'refused'}`
    case 'append': {
      const entries = sayEntries(unpackEntries(rpc.entries, rpc.entryCount))
      return `append t${rpc.term} after ${rpc.prevIndex}@t${rpc.prevTerm} ${entries} commit ${rpc.commitIndex}`
    }
    case 'appendReply':
      return rpc.accepted
        ? `appendReply t${rpc.term} accepted match ${rpc.matchIndex}`
        : `appendReply t${rpc.term} refused ${rpc.rejectIndex}, hint ${rpc.hintIndex}@t${rpc.hintTerm}`
    case 'heartbeat':
      return `heartbeat t${rpc.term} commit ${rpc.commitIndex} round ${rpc.round}`
    case 'heartbeatReply':
      return `heartbeatReply t${rpc.term} round ${rpc.round}`
    case 'readIndex':
      return `readIndex t${rpc.term} read ${rpc.id}`
    case 'readIndexReply':
      return `readIndexReply t${rpc.term} read ${rpc.id} at ${rpc.index}`
    case 'snapshot':
      return `snapshot t${rpc.term} of ${rpc.snapshot.index}@t${rpc.snapshot.term}, ${rpc.chunk.length} bytes from ${rpc.offset} of ${rpc.snapshot.bytes}`
    case 'snapshotReply':
      return `snapshotReply t${rpc.term} of ${rpc.index}, holds ${rpc.heldBytes}`
    case 'timeoutNow':
      return `timeoutNow t${rpc.term} last ${rpc.lastIndex}`
    case 'timeoutNowDeclined':
      return `timeoutNowDeclined t${rpc.term}`
    case 'forwardRefused':
      return `forwardRefused ${rpc.reason}`
    case 'forward':
      return `forward ${sayBatch(rpc.batch)}`
    case 'audit':
      return `audit ${rpc.index}`
    case 'auditReply':
    case 'verdict':
      return `${rpc.type} ${rpc.index} is ${rpc.digest}`
    case 'stateWanted':
      return `stateWanted behind ${rpc.base}`
    case 'change':
    case 'plan':
      return `${rpc.type} ${rpc.id} ${sayChange(rpc.change)}`
    case 'changeReply':
      return `changeReply ${rpc.id} ${JSON.stringify(rpc.answer)}`
    default:
      return unreachable(rpc)
  }
}

export function sayWrites(writes: readonly Write[]): string {
  const { hardState, removedFrom, entries, base } = decodeWrites(writes, 0)
  const parts: string[] = []
  if (hardState !== null) parts.push(`term ${hardState.term} vote ${hardState.votedFor ?? 'none'}`)
  if (removedFrom !== null) parts.push(`truncate from ${removedFrom}`)
  if (entries.length > 0) parts.push(sayEntries(entries))
  if (base !== null) parts.push(`begins behind ${base.index}@t${base.term}`)
  return parts.length > 0 ? `writes ${parts.join(', ')}` : 'writes what it is'
}

/** How far a node is. */
export function sayNode({ id, life, wiped }: SimulatedNode): string {
  if (life === null) return `${id} ${wiped ? 'wiped' : 'down'}`
  const { role, term, commitIndex, lastIndex } = life.raft.status
  return `${id} ${role} t${term} applied ${life.state.appliedIndex} of ${commitIndex} of ${lastIndex}, unanswered ${life.main.unanswered}`
}

/** What main hears of storage. */
export function sayMessage(message: StorageToNetwork): string {
  if (message.type === 'view') return `view of ${message.peers.length} peers`
  if (message.type === 'events' || message.type === 'history') {
    const events = readEvents(message.events).map(({ revision, key }) => `${revision} ${key}`)
    return `${message.type} ${events.join(', ')}`
  }
  return JSON.stringify(message)
}

function sayChange(change: MembershipChange): string {
  const { type, member } = change
  if (type === 'add') return `add ${member} as ${change.role}`
  return type === 'replace' ? `replace ${change.old} by ${member}` : `${type} ${member}`
}

function sayEntries(entries: readonly Entry[]): string {
  return `[${entries.map(sayEntry).join(' ')}]`
}

function sayEntry({ index, term, type, bytes }: Entry): string {
  if (type === 'batch') return `${index}@t${term}:${sayBatch(bytes)}`
  if (type === 'noop') return `${index}@t${term}:noop`
  const { members, outgoing } = decodeConfiguration(bytes)
  const ids = members.map(({ id, role }) => (role === 'voter' ? id : `(${id})`))
  const before =
    outgoing.length === 0 ? '' : ` joint with ${outgoing.map(({ id }) => id).join(' ')}`
  return `${index}@t${term}:members ${ids.join(' ')}${before}`
}

function sayBatch(bytes: Uint8Array): string {
  const { node, incarnation, sequence } = batchOwner(bytes)
  return `${node}/${incarnation}#${sequence}`
}
