/** Valid messages between nodes, drawn from a generator, and numbers no honest node would send. */
import { BatchWriter, sealBatch } from '../../src/codec/command.ts'
import { packEntries } from '../../src/codec/record.ts'
import type { ChangeAnswer, WireRpc } from '../../src/messages.ts'
import { configurationOf, encodeConfiguration } from '../../src/raft/membership.ts'
import type { Entry, Member } from '../../src/raft/types.ts'
import type { Random } from '../simulation/random.ts'

const numbers: readonly number[] = [0, 1, 2, 127, 128, 255, 65_536, 2 ** 32, 2 ** 53 - 1]
const addresses: readonly string[] = ['10.0.0.1:7000', '[::1]:1', 'a.example:65535']
const texts: readonly string[] = ['', 'election', 'e\u0301ß🙂', 'x'.repeat(1_000)]

/** As MessagePack: what is no unsigned integer below 2^53, or only just one. */
const absurdNumbers: readonly Buffer[] = [
  'cb433fffffffffffff', // 2^53 - 1
  'cb4340000000000000', // 2^53
  'cb7fefffffffffffff', // the largest double
  'cb7ff0000000000000', // infinity
  'cb7ff8000000000000', // not a number
  'cb8000000000000000', // -0
  'cb3ff8000000000000', // 1.5
  'cfffffffffffffffff', // uint64
  'd38000000000000000', // int64
  'd280000000', // -2^31
  'ceffffffff',
  'd0ff',
  'ff',
  '7f',
  '00',
  'c0',
  'c3',
  'a131',
  'c400',
].map((hex) => Buffer.from(hex, 'hex'))

export function absurdNumber(random: Random): Buffer {
  return random.pick(absurdNumbers)
}

/** A MessagePack array of elements that are packed already. */
export function packedElements(elements: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.of(0x90 | elements.length), ...elements])
}

export function anyMessage(random: Random): WireRpc {
  const number = (): number => random.pick(numbers)
  const granted = random.chance(0.5)
  const candidacy = { term: number(), lastIndex: number(), lastTerm: number() }
  return random.pick<() => WireRpc>([
    () => ({ type: 'preVote', ...candidacy }),
    () => ({ type: 'preVoteReply', term: number(), granted }),
    () => ({ type: 'vote', ...candidacy, isTransfer: granted }),
    () => ({ type: 'timeoutNow', term: number(), lastIndex: number() }),
    () => ({ type: 'timeoutNowDeclined', term: number() }),
    () => ({ type: 'forwardRefused', reason: random.pick(texts) }),
    () => ({ type: 'voteReply', term: number(), granted }),
    () => anyAppend(random),
    () => anyAppend(random),
    () => ({ type: 'appendReply', term: number(), accepted: true, matchIndex: number() }),
    () => anyRejection(number),
    () => ({ type: 'heartbeat', term: number(), commitIndex: number(), round: number() }),
    () => ({ type: 'heartbeatReply', term: number(), round: number() }),
    () => ({ type: 'readIndex', term: number(), id: number() }),
    () => ({ type: 'readIndexReply', term: number(), id: number(), index: number() }),
    () => ({ type: 'forward', batch: anyBatch(random) }),
    () => anyChange(random, number()),
    () => ({ type: 'changeReply', id: number(), answer: anyAnswer(random) }),
  ])()
}

function anyRejection(number: () => number): WireRpc {
  const [rejectIndex, hintIndex, hintTerm] = [number(), number(), number()]
  return {
    type: 'appendReply',
    term: number(),
    accepted: false,
    rejectIndex,
    hintIndex,
    hintTerm,
  }
}

function anyAppend(random: Random): WireRpc {
  const prevIndex = random.pick([0, 7, 2 ** 32, 2 ** 53 - 9])
  const prevTerm = random.below(3)
  const term = random.between(3, 1_000)
  const commitIndex = random.pick(numbers)
  const entries = Array.from({ length: random.below(4) }, (_, n) =>
    anyEntry(random, prevIndex + 1 + n, random.chance(0.5) ? 2 : term),
  ).sort((a, b) => a.term - b.term)
  const ordered = entries.map((entry, n) => ({ ...entry, index: prevIndex + 1 + n }))
  const block = packEntries(ordered)
  const entryCount = ordered.length
  return { type: 'append', term, prevIndex, prevTerm, commitIndex, entryCount, entries: block }
}

function anyEntry(random: Random, index: number, term: number): Entry {
  const type = random.pick(['noop', 'membership', 'batch'] as const)
  const payloads = { noop: noBytes, membership: anyMembers, batch: anyBatch }
  return { index, term, type, bytes: payloads[type](random) }
}

function noBytes(): Uint8Array {
  return new Uint8Array(0)
}

function anyMembers(random: Random): Uint8Array {
  const id = anyId(random)
  const other = anyId(random)
  const learners =
    id === other ? [] : [{ id: other, address: 'b.example:1', role: 'learner' as const }]
  const members: Member[] = [{ id, address: random.pick(addresses), role: 'voter' }, ...learners]
  return encodeConfiguration(configurationOf(members))
}

export function anyBatch(random: Random): Uint8Array {
  const writer = new BatchWriter({ valueBytesMax: 1_000 })
  for (let commands = random.between(1, 4); commands > 0; commands--) {
    const key = random.pick(['k', 'users/1', 'ключ', 'x'.repeat(60)])
    if (random.chance(0.3)) writer.delete(key)
    else writer.put(key, random.pick([true, 7, 'text', [1, 2], { a: 1 }]))
  }
  const batch = writer.finish()
  sealBatch(batch, {
    node: anyId(random),
    incarnation: random.pick(numbers),
    sequence: random.pick(numbers),
  })
  return batch
}

function anyId(random: Random): string {
  return random
    .below(2 ** 32)
    .toString(16)
    .padStart(16, '0')
}

function anyChange(random: Random, id: number): WireRpc {
  const member = anyId(random)
  const address = random.pick(addresses)
  const type = random.pick(['add', 'remove', 'transfer', 'relieve'] as const)
  if (type !== 'add') return { type: 'change', id, change: { type, member } }
  return { type: 'change', id, change: { type: 'add', member, address, role: 'voter' } }
}

function anyAnswer(random: Random): ChangeAnswer {
  const leader = { id: anyId(random), address: random.pick(addresses) }
  const reason = random.pick(texts)
  return random.pick<ChangeAnswer>([
    { type: 'accepted' },
    { type: 'redirected', leader },
    { type: 'redirected', leader: null },
    { type: 'busy', reason },
    { type: 'refused', reason },
  ])
}
