/**
 * What a follower does to its log store: random appends, truncations in favour of another term and changes of
 * term and vote. The seed says which.
 */
import type { LogWrite } from '../../src/raft/turn.ts'
import type { Entry, HardState, Index } from '../../src/raft/types.ts'
import { Random } from '../simulation/random.ts'

export type LogMarker = { readonly type: 'begin' | 'end'; readonly write: number }

/** What a log store holds. */
export interface LogContent {
  readonly hardState: HardState
  readonly entries: readonly Entry[]
}

export const emptyContent: LogContent = { hardState: { term: 0, votedFor: null }, entries: [] }

export const writes = 90
const candidates = ['00000000000000aa', '00000000000000bb', '00000000000000cc']

/** Each write, and what the log holds after it. */
export function plan(seed: number): { write: LogWrite; after: LogContent }[] {
  const random = new Random(seed)
  let content = emptyContent
  return Array.from({ length: writes }, () => {
    const write = nextWrite(content, random)
    content = apply(content, write)
    return { write, after: content }
  })
}

function nextWrite({ hardState, entries }: LogContent, random: Random): LogWrite {
  const newTerm = hardState.term === 0 || random.chance(0.2)
  const term = hardState.term + (newTerm ? random.between(1, 3) : 0)
  const vote = newTerm && random.chance(0.7) ? random.pick(candidates) : null
  const changed: HardState | null = newTerm ? { term, votedFor: vote } : null
  if (newTerm && random.chance(0.3)) return { hardState: changed, truncateFrom: null, entries: [] }
  const truncates = newTerm && entries.length > 0 && random.chance(0.6)
  const truncateFrom = truncates
    ? entries.length + 1 - random.below(Math.min(8, entries.length))
    : null
  const first = truncateFrom ?? entries.length + 1
  const count = truncates ? random.between(0, 5) : random.between(1, 6)
  const added = Array.from({ length: count }, (_, n) => entryAt(first + n, term, random))
  return { hardState: changed, truncateFrom, entries: added }
}

function entryAt(index: Index, term: number, random: Random): Entry {
  const large = random.chance(0.05)
  const bytes = new Uint8Array(large ? random.between(3_000, 12_000) : random.below(600))
  // Every byte tells where it belongs.
  for (let at = 0; at < bytes.length; at++) bytes[at] = index * 7 + term * 31 + at
  return { index, term, type: 'batch', bytes }
}

function apply({ hardState, entries }: LogContent, write: LogWrite): LogContent {
  const kept = write.truncateFrom === null ? entries : entries.slice(0, write.truncateFrom - 1)
  return { hardState: write.hardState ?? hardState, entries: [...kept, ...write.entries] }
}
