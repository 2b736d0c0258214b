/** The words of a replayed conversation: one line for each thing that happens. */
import { unreachable } from '../../../src/raft/assert.ts'
import type { LogWrite } from '../../../src/raft/turn.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { decodeCommand } from './machine.ts'
import type { Message } from './node.ts'

export function sayMessage(message: Message): string {
  switch (message.type) {
    case 'preVote':
    case 'vote': {
      const { type, term, lastIndex, lastTerm } = message
      return `${type} t${term} last ${lastIndex}@t${lastTerm}`
    }
    case 'preVoteReply':
    case 'voteReply':
      return `${message.type} t${message.term} ${message.granted ? 'granted' : 'refused'}`
    case 'append': {
      const { term, prevIndex, prevTerm, commitIndex, entries } = message
      return `append t${term} after ${prevIndex}@t${prevTerm} ${sayEntries(entries)} commit ${commitIndex}`
    }
    case 'appendReply':
      return message.accepted
        ? `appendReply t${message.term} accepted match ${message.matchIndex}`
        : `appendReply t${message.term} refused ${message.rejectIndex}, hint ${message.hintIndex}@t${message.hintTerm}`
    case 'heartbeat':
      return `heartbeat t${message.term} commit ${message.commitIndex} round ${message.round}`
    case 'heartbeatReply':
      return `heartbeatReply t${message.term} round ${message.round}`
    case 'readIndex':
      return `readIndex t${message.term} read ${message.id}`
    case 'readIndexReply':
      return `readIndexReply t${message.term} read ${message.id} at ${message.index}`
    case 'forward':
      return `forward ${sayCommand(message.bytes)}`
    default:
      return unreachable(message)
  }
}

export function sayWrite({ hardState, truncateFrom, entries }: LogWrite): string {
  const parts: string[] = []
  if (hardState !== null) parts.push(`term ${hardState.term} vote ${hardState.votedFor ?? 'none'}`)
  if (truncateFrom !== null) parts.push(`truncate from ${truncateFrom}`)
  if (entries.length > 0) parts.push(sayEntries(entries))
  return parts.length > 0 ? `writes ${parts.join(', ')}` : 'writes nothing'
}

export function sayEntries(entries: readonly Entry[]): string {
  return `[${entries.map(sayEntry).join(' ')}]`
}

function sayEntry({ index, term, type, bytes }: Entry): string {
  if (type === 'batch') return `${index}@t${term}:${sayCommand(bytes)}`
  if (type === 'noop') return `${index}@t${term}:noop`
  return `${index}@t${term}:members${new TextDecoder().decode(bytes)}`
}

function sayCommand(bytes: Uint8Array): string {
  const { session, sequence } = decodeCommand(bytes)
  return `s${session}#${sequence}`
}
