/**
 * Messages of somebody who knows the secret: well-typed, and beyond belief. Raft trusts its members, so
 * such a one may stop the node it talks to: better no node than one that does not understand its state. It
 * must not do more than that.
 */
import { packEntries } from '../../src/codec/record.ts'
import type { WireRpc } from '../../src/messages.ts'
import type { Entry } from '../../src/raft/types.ts'
import type { NodeStatus } from '../../src/store.ts'
import { batchEntry } from '../support/batches.ts'

export interface Absurdity {
  readonly what: string
  readonly to: 'leader' | 'follower'
  /** Whose id it bears: nobody's, or that of another member. */
  readonly as: 'stranger' | 'leader' | 'follower'
  say(victim: NodeStatus, ownId: string): WireRpc
  /** The failure of the node that it stops; `null`: it goes on. */
  readonly stops: RegExp | null
}

/** The largest number that a frame can carry. */
const huge = Number.MAX_SAFE_INTEGER

export const absurdities: readonly Absurdity[] = [
  // ── those that stop the node ──
  {
    what: 'a heartbeat of a second leader in the same term',
    ...{ to: 'follower', as: 'stranger', stops: /two leaders in term/ },
    say: ({ term }) => ({ type: 'heartbeat', term, commitIndex: 0, round: 0 }),
  },
  {
    what: 'an append of a second leader in the same term',
    ...{ to: 'follower', as: 'stranger', stops: /two leaders in term/ },
    say: ({ term }) => append({ term, prevIndex: huge - 1, prevTerm: term }),
  },
  {
    what: 'a heartbeat of its leader with a commit index beyond the log',
    ...{ to: 'follower', as: 'leader', stops: /leader says 9007199254740991 is here/ },
    say: ({ term }) => ({ type: 'heartbeat', term, commitIndex: huge, round: huge }),
  },
  {
    what: 'a heartbeat of a new leader with a commit index beyond the log',
    ...{ to: 'follower', as: 'stranger', stops: /leader says 9007199254740991 is here/ },
    say: ({ term }) => ({ type: 'heartbeat', term: term + 1, commitIndex: huge, round: 0 }),
  },
  {
    what: 'an append that replaces what is committed',
    ...{ to: 'follower', as: 'stranger', stops: /truncate 1, but \d+ is committed/ },
    say: ({ term }) =>
      append({ term: term + 1, prevIndex: 0, prevTerm: 0 }, [noop(1, term + 1), noop(2, term + 1)]),
  },
  {
    what: 'a heartbeat to the leader in its own term',
    ...{ to: 'leader', as: 'stranger', stops: /two leaders in term/ },
    say: ({ term }) => ({ type: 'heartbeat', term, commitIndex: huge, round: huge }),
  },
  {
    what: 'an append to the leader in its own term',
    ...{ to: 'leader', as: 'stranger', stops: /two leaders in term/ },
    say: ({ term }) => append({ term, prevIndex: 0, prevTerm: 0 }),
  },
  {
    what: 'a second leader in the same term that hands over',
    ...{ to: 'follower', as: 'stranger', stops: /two leaders in term/ },
    say: ({ term }) => ({ type: 'timeoutNow', term, lastIndex: huge }),
  },
  {
    what: 'an acknowledgement of more than the leader has',
    ...{ to: 'leader', as: 'follower', stops: /holds 9007199254740991, our log ends at/ },
    say: ({ term }) => ({ type: 'appendReply', term, accepted: true, matchIndex: huge }),
  },
  // ── those that do nothing ──
  {
    what: 'an acknowledgement of a stranger',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ term }) => ({ type: 'appendReply', term, accepted: true, matchIndex: huge }),
  },
  {
    what: 'a refusal with hints beyond the log',
    ...{ to: 'leader', as: 'follower', stops: null },
    say: ({ term }) => ({
      type: 'appendReply',
      ...{ term, accepted: false, rejectIndex: huge, hintIndex: huge, hintTerm: huge },
    }),
  },
  {
    what: 'an answer to a round of heartbeats that never was',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ term }) => ({ type: 'heartbeatReply', term, round: huge }),
  },
  {
    what: 'a question with the largest number',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ term }) => ({ type: 'readIndex', term, id: huge }),
  },
  {
    what: 'an answer to a question that was never asked',
    ...{ to: 'follower', as: 'stranger', stops: null },
    say: ({ term }) => ({ type: 'readIndexReply', term, id: huge, index: huge }),
  },
  {
    what: 'a wish of its leader that it take over a log it does not have',
    ...{ to: 'follower', as: 'leader', stops: null },
    say: ({ term }) => ({ type: 'timeoutNow', term, lastIndex: huge }),
  },
  {
    what: 'a refusal to take over that nobody has asked for',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ term }) => ({ type: 'timeoutNowDeclined', term }),
  },
  {
    what: 'a refusal of batches by one that does not lead',
    ...{ to: 'follower', as: 'stranger', stops: null },
    say: () => ({ type: 'forwardRefused', reason: 'x'.repeat(1_000) }),
  },
  ...leaps(),
  {
    what: 'a pre-vote for the highest term',
    ...{ to: 'follower', as: 'stranger', stops: null },
    say: () => ({ type: 'preVote', term: huge, lastIndex: huge, lastTerm: huge }),
  },
  {
    what: 'a promise of a vote in the highest term',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: () => ({ type: 'preVoteReply', term: huge, granted: true }),
  },
  {
    what: 'a candidate in the highest term',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: () => ({
      type: 'vote',
      term: huge,
      lastIndex: huge,
      lastTerm: huge,
      isTransfer: true,
    }),
  },
  {
    what: 'an append of its leader beyond the end of the log',
    ...{ to: 'follower', as: 'leader', stops: null },
    say: ({ term }) =>
      append({ term, prevIndex: huge - 2, prevTerm: term }, [noop(huge - 1, term)]),
  },
  {
    what: 'an append of its leader with a commit index beyond the log',
    ...{ to: 'follower', as: 'leader', stops: null },
    say: ({ term }) => append({ term, prevIndex: 0, prevTerm: 0 }),
  },
  {
    what: 'members that nobody can dial',
    ...{ to: 'follower', as: 'stranger', stops: null },
    say: (victim) => appendNext(victim, 'membership', Buffer.from('[["zz","nowhere","voter"]]')),
  },
  {
    what: 'a batch that nobody can apply',
    ...{ to: 'follower', as: 'stranger', stops: null },
    say: (victim) => appendNext(victim, 'batch', Buffer.alloc(60, 0xff)),
  },
  {
    what: 'a batch numbered far beyond its turn',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: (_victim, ownId) => forward(ownId, { incarnation: huge, sequence: huge }),
  },
  {
    what: 'a batch of somebody else',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ id }) => forward(id, { incarnation: huge, sequence: 1 }),
  },
  {
    what: 'the removal of nobody',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: () => ({ type: 'change', id: huge, change: { type: 'remove', member: 'f'.repeat(16) } }),
  },
  {
    what: 'a member at the address of another',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ address }, ownId) => ({
      type: 'change',
      ...{ id: huge, change: { type: 'add', member: ownId, address, role: 'voter' } },
    }),
  },
  {
    what: 'an answer to a change that nobody asked for',
    ...{ to: 'leader', as: 'stranger', stops: null },
    say: ({ address }) => ({
      type: 'changeReply',
      id: huge,
      answer: { type: 'redirected', leader: { id: 'f'.repeat(16), address } },
    }),
  },
]

/** Each would be obeyed as it stands, but for its term. Were it, no election could go beyond it. */
function leaps(): Absurdity[] {
  const messages: readonly WireRpc[] = [
    { type: 'heartbeat', term: huge, commitIndex: 0, round: 1 },
    append({ term: huge, prevIndex: 0, prevTerm: 0 }),
    { type: 'appendReply', term: huge, accepted: true, matchIndex: 1 },
    { type: 'heartbeatReply', term: huge, round: 0 },
    { type: 'preVoteReply', term: huge, granted: false },
    { type: 'voteReply', term: huge, granted: false },
    { type: 'readIndex', term: huge, id: 1 },
    { type: 'readIndexReply', term: huge, id: 1, index: 1 },
  ]
  return messages.flatMap((message) =>
    (['leader', 'follower'] as const).map(
      (to): Absurdity => ({
        what: `${message.type} in the highest term`,
        ...{ to, as: 'stranger', stops: null },
        say: () => message,
      }),
    ),
  )
}

function append(
  at: { readonly term: number; readonly prevIndex: number; readonly prevTerm: number },
  entries: readonly Entry[] = [],
): WireRpc {
  const block = packEntries(entries)
  return { type: 'append', ...at, commitIndex: huge, entryCount: entries.length, entries: block }
}

/** Of a new leader, right behind the end of the log. */
function appendNext(
  { term, lastIndex }: NodeStatus,
  type: 'membership' | 'batch',
  bytes: Uint8Array,
): WireRpc {
  const entry: Entry = { index: lastIndex + 1, term: term + 1, type, bytes }
  return append({ term: term + 1, prevIndex: lastIndex, prevTerm: term }, [entry])
}

function noop(index: number, term: number): Entry {
  return { index, term, type: 'noop', bytes: new Uint8Array(0) }
}

function forward(node: string, owner: { incarnation: number; sequence: number }): WireRpc {
  const { bytes } = batchEntry(1, [['put', 'written by a stranger', true]], { node, ...owner })
  return { type: 'forward', batch: bytes }
}
