/** Messages between nodes for the tests of this folder: one of each kind as bytes, and any of any kind. */
import fc from 'fast-check'
import { BatchWriter, sealBatch } from '../../src/codec/command.ts'
import { packEntries } from '../../src/codec/record.ts'
import type { ChangeAnswer, MemberChange, MembershipChange, WireRpc } from '../../src/messages.ts'
import { configurationOf } from '../../src/raft/membership.ts'
import type { Member } from '../../src/raft/types.ts'

const node = '0123456789abcdef'
const address1 = '10.0.0.1:7000'

export function sampleBatch(value: unknown = true): Uint8Array {
  const writer = new BatchWriter({ valueBytesMax: 2 ** 20 })
  writer.put('k', value)
  const batch = writer.finish()
  sealBatch(batch, { node, incarnation: 1, sequence: 2 })
  return batch
}

const entries = packEntries([{ index: 8, term: 3, type: 'noop', bytes: new Uint8Array() }])

const member: Member = { id: node, address: address1, role: 'voter' }
const membership = { ...configurationOf([member]), index: 7 }
const snapshot = { index: 8, term: 3, membership, bytes: 3, hash: 'ab'.repeat(32) }

function reply(answer: ChangeAnswer): WireRpc {
  return { type: 'changeReply', id: 1, answer }
}

/** A change here is a change of the wire: it needs another wire version. */
export const goldenFrames: readonly (readonly [rpc: WireRpc, hex: string])[] = [
  [{ type: 'preVote', term: 4, lastIndex: 300, lastTerm: 3 }, '01940104cd012c03'],
  [{ type: 'preVoteReply', term: 4, granted: true }, '01930204c3'],
  [
    { type: 'vote', term: 4, lastIndex: 70_000, lastTerm: 3, isTransfer: false },
    '01950304ce0001117003c2',
  ],
  [
    { type: 'vote', term: 4, lastIndex: 70_000, lastTerm: 3, isTransfer: true },
    '01950304ce0001117003c3',
  ],
  [{ type: 'timeoutNow', term: 4, lastIndex: 70_000 }, '01930d04ce00011170'],
  [{ type: 'timeoutNowDeclined', term: 4 }, '01920e04'],
  [{ type: 'forwardRefused', reason: 'full' }, '019210a466756c6c'],
  [
    { type: 'change', id: 2, change: { type: 'transfer', member: node } },
    '01941102a87472616e73666572b030313233343536373839616263646566',
  ],
  [
    { type: 'change', id: 2, change: { type: 'relieve', member: node } },
    '01941102a772656c69657665b030313233343536373839616263646566',
  ],
  [{ type: 'voteReply', term: 4, granted: false }, '01930404c2'],
  [
    { type: 'append', term: 3, prevIndex: 7, prevTerm: 2, commitIndex: 6, entryCount: 1, entries },
    '0197050307020601c419000000158612d21c0000000000000008000000000000000301',
  ],
  [{ type: 'appendReply', term: 3, accepted: true, matchIndex: 8 }, '01940603c308'],
  [
    { type: 'appendReply', term: 3, accepted: false, rejectIndex: 7, hintIndex: 5, hintTerm: 1 },
    '01960603c2070501',
  ],
  [{ type: 'heartbeat', term: 3, commitIndex: 2 ** 32, round: 9 }, '01940703cb41f000000000000009'],
  [{ type: 'heartbeatReply', term: 3, round: 9 }, '0193080309'],
  [{ type: 'readIndex', term: 3, id: 1 }, '0193090301'],
  [{ type: 'readIndexReply', term: 3, id: 1, index: 8 }, '01940a030108'],
  [{ type: 'audit', index: 8 }, '01921408'],
  [{ type: 'auditReply', index: 8, digest: 2 ** 53 - 1 }, '01931508cb433fffffffffffff'],
  [{ type: 'verdict', index: 8, digest: 5 }, '0193160805'],
  [{ type: 'stateWanted', base: 7 }, '01921707'],
  [
    { type: 'forward', batch: sampleBatch() },
    '01920fc426010123456789abcdef00000000000000010000000000000002000000010100016b00000001c3',
  ],
  [
    {
      type: 'change',
      id: 1,
      change: { type: 'add', member: node, address: address1, role: 'voter' },
    },
    '01961101a3616464b030313233343536373839616263646566ad31302e302e302e313a37303030a5766f746572',
  ],
  [
    { type: 'change', id: 1, change: { type: 'move', member: node, address: address1 } },
    '01951101a46d6f7665b030313233343536373839616263646566ad31302e302e302e313a37303030',
  ],
  [
    { type: 'change', id: 2, change: { type: 'remove', member: node } },
    '01941102a672656d6f7665b030313233343536373839616263646566',
  ],
  [
    {
      type: 'plan',
      id: 2,
      change: { type: 'replace', old: '00000000000000aa', member: node, address: address1 },
    },
    '01961202a77265706c616365b030303030303030303030303030306161b030313233343536373839616263646566ad31302e302e302e313a37303030',
  ],
  [reply({ type: 'accepted' }), '01931301a86163636570746564'],
  [
    reply({ type: 'redirected', leader: { id: node, address: address1 } }),
    '01951301aa72656469726563746564b030313233343536373839616263646566ad31302e302e302e313a37303030',
  ],
  [reply({ type: 'redirected', leader: null }), '01941301aa72656469726563746564c0'],
  [reply({ type: 'busy', reason: 'election' }), '01941301a462757379a8656c656374696f6e'],
  [reply({ type: 'refused', reason: 'no' }), '01941301a772656675736564a26e6f'],
  [
    reply({ type: 'planned', forecast: { before: [member], after: [member], refused: 'no' } }),
    '01961301a7706c616e6e6564c42e5b5b2230313233343536373839616263646566222c2231302e302e302e313a37303030222c22766f746572225d5dc42e5b5b2230313233343536373839616263646566222c2231302e302e302e313a37303030222c22766f746572225d5da26e6f',
  ],
  [
    { type: 'snapshot', term: 4, snapshot, offset: 1, chunk: Buffer.of(1, 2) },
    '019a0b04080307c42e5b5b2230313233343536373839616263646566222c2231302e302e302e313a37303030222c22766f746572225d5d03c420abababababababababababababababababababababababababababababababab01c4020102',
  ],
  [{ type: 'snapshotReply', term: 4, index: 8, heldBytes: 3 }, '01940c040803'],
]

const number = fc.maxSafeNat()
const id = fc.stringMatching(/^[0-9a-f]{16}$/)
const address = fc.tuple(fc.domain(), fc.nat(65_535)).map(([host, port]) => `${host}:${port}`)
const reason = fc.string({ unit: 'grapheme', maxLength: 60 })
const candidacy = { term: number, lastIndex: number, lastTerm: number }
const ballot = { term: number, granted: fc.boolean() }

function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true })
}

const is = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name)

/** `__proto__` is the one key of JSON that is refused. */
export const storableJson: fc.Arbitrary<fc.JsonValue> = fc
  .jsonValue()
  .filter((value) => !JSON.stringify(value).includes('__proto__'))

const batch: fc.Arbitrary<Uint8Array> = fc
  .array(fc.tuple(fc.string({ minLength: 1 }), storableJson), { minLength: 1, maxLength: 10 })
  .map((puts) => {
    const writer = new BatchWriter({ valueBytesMax: 2 ** 20 })
    for (const [key, value] of puts) writer.put(key, value)
    return writer.finish()
  })

/** Any append that continues its own `prevIndex`. */
export const anyAppend: fc.Arbitrary<WireRpc> = fc
  .record({
    term: fc.nat(),
    prevIndex: fc.nat(2 ** 40),
    commitIndex: number,
    payloads: fc.array(batch, { maxLength: 10 }),
  })
  .map(({ term, prevIndex, commitIndex, payloads }) => ({
    type: 'append',
    term,
    prevIndex,
    prevTerm: Math.floor(term / 2),
    commitIndex,
    entryCount: payloads.length,
    entries: packEntries(
      payloads.map((bytes, n) => ({ index: prevIndex + 1 + n, term, type: 'batch', bytes })),
    ),
  }))

const memberChange: fc.Arbitrary<MemberChange> = fc.oneof(
  record({ type: is('add'), member: id, address, role: fc.constantFrom('voter', 'learner') }),
  record({ type: is('replace'), old: id, member: id, address }),
  record({ type: is('remove'), member: id }),
)

const change: fc.Arbitrary<MembershipChange> = fc.oneof(
  memberChange,
  record({ type: is('move'), member: id, address }),
  record({ type: is('transfer'), member: id }),
  record({ type: is('relieve'), member: id }),
)

const members: fc.Arbitrary<readonly Member[]> = fc
  .uniqueArray(id, { minLength: 1, maxLength: 7 })
  .map((ids) =>
    ids
      .toSorted()
      .map((each, n) => ({ id: each, address: 'h:1', role: n === 0 ? 'voter' : 'learner' })),
  )

const answer: fc.Arbitrary<ChangeAnswer> = fc.oneof(
  record({ type: is('accepted') }),
  record({ type: is('redirected'), leader: fc.option(record({ id, address })) }),
  record({ type: is('busy'), reason }),
  record({ type: is('refused'), reason }),
  record({
    type: is('planned'),
    forecast: record({ before: members, after: members, refused: fc.option(reason) }),
  }),
)

const appendReply: fc.Arbitrary<WireRpc> = fc.oneof(
  record({
    type: is('appendReply'),
    term: number,
    accepted: fc.constant(true as const),
    matchIndex: number,
  }),
  record({
    type: is('appendReply'),
    term: number,
    accepted: fc.constant(false as const),
    rejectIndex: number,
    hintIndex: number,
    hintTerm: number,
  }),
)

export const anyForward: fc.Arbitrary<WireRpc> = record({ type: is('forward'), batch })

export const anyRpc: fc.Arbitrary<WireRpc> = fc.oneof(
  record({ type: is('preVote'), ...candidacy }),
  record({ type: is('preVoteReply'), ...ballot }),
  record({ type: is('vote'), ...candidacy, isTransfer: fc.boolean() }),
  record({ type: is('timeoutNow'), term: number, lastIndex: number }),
  record({ type: is('timeoutNowDeclined'), term: number }),
  record({ type: is('forwardRefused'), reason }),
  record({ type: is('voteReply'), ...ballot }),
  anyAppend,
  appendReply,
  record({ type: is('heartbeat'), term: number, commitIndex: number, round: number }),
  record({ type: is('heartbeatReply'), term: number, round: number }),
  record({ type: is('readIndex'), term: number, id: number }),
  record({ type: is('readIndexReply'), term: number, id: number, index: number }),
  anyForward,
  record({ type: is('audit'), index: number }),
  record({ type: is('auditReply'), index: number, digest: number }),
  record({ type: is('verdict'), index: number, digest: number }),
  record({ type: is('stateWanted'), base: number }),
  record({ type: is('change'), id: number, change }),
  record({ type: is('plan'), id: number, change: memberChange }),
  record({ type: is('changeReply'), id: number, answer }),
)

/** With byte fields as plain arrays: a Buffer and a Uint8Array of the same bytes are equal here. */
export function plain(rpc: WireRpc): object {
  if (rpc.type === 'append') return { ...rpc, entries: [...rpc.entries] }
  if (rpc.type === 'snapshot') return { ...rpc, chunk: [...rpc.chunk] }
  return rpc.type === 'forward' ? { ...rpc, batch: [...rpc.batch] } : rpc
}
