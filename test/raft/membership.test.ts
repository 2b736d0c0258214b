/** The history of members, and what may follow what. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Configuration,
  checkMembers,
  checkStep,
  configurationOf,
  decodeConfiguration,
  encodeConfiguration,
  everyone,
  firstStep,
  lastStep,
  MembershipLog,
  noMembership,
  promote,
} from '../../src/raft/membership.ts'
import { membersOf } from './harness.ts'

const at = (index: number, ...voters: string[]) => ({
  index,
  ...configurationOf(membersOf(voters)),
})

test('the last membership counts, and a truncation brings the former one back', () => {
  const log = new MembershipLog([at(1, 'a')])
  log.append(at(4, 'a', 'b'))
  assert.deepEqual(log.quorum.voters, ['a', 'b'])
  log.truncate(4)
  assert.deepEqual(log.latest, at(1, 'a'))
  log.truncate(1)
  assert.deepEqual(log.latest, noMembership)
  assert.deepEqual(log.quorum.voters, [])
})

test('memberships come in the order of the log', () => {
  const log = new MembershipLog([at(4, 'a')])
  assert.throws(() => log.append(at(4, 'b')), /membership 4 after 4/)
})

test('a server may campaign until the membership without it is committed', () => {
  const log = new MembershipLog([at(1, 'a', 'b'), at(4, 'b')])
  log.committed(3)
  assert.equal(log.mayCampaign('a'), true)
  log.committed(4)
  assert.equal(log.mayCampaign('a'), false)
  assert.equal(log.mayCampaign('b'), true)
  assert.equal(log.isVoter('a'), false)
})

test('what is committed is not brought back', () => {
  const log = new MembershipLog([at(1, 'a'), at(4, 'a', 'b'), at(6, 'a', 'b', 'c')])
  log.committed(5)
  log.truncate(6)
  assert.deepEqual(log.latest, at(4, 'a', 'b'))
})

const joint: Configuration = {
  members: membersOf(['a', 'b', 'd']),
  promotions: [],
  outgoing: membersOf(['a', 'b', 'c']),
}

test('paper §6: in a joint configuration voters of either side vote, and may campaign', () => {
  const log = new MembershipLog([at(1, 'a', 'b', 'c')])
  log.append({ index: 4, ...joint })
  for (const id of ['a', 'b', 'c', 'd']) {
    assert.equal(log.isVoter(id), true)
    assert.equal(log.mayCampaign(id), true)
  }
  log.append({ index: 5, ...lastStep(joint) })
  assert.equal(log.isVoter('c'), false)
  assert.equal(log.mayCampaign('c'), true)
  log.committed(5)
  assert.equal(log.mayCampaign('c'), false)
})

test('a truncation brings back the joint configuration, a snapshot may be one', () => {
  const log = new MembershipLog([{ index: 4, ...joint }])
  log.append({ index: 5, ...lastStep(joint) })
  log.truncate(5)
  assert.deepEqual(log.quorum.voters, ['a', 'b', 'd', 'c'])
  log.restore({ index: 7, ...lastStep(joint) })
  assert.deepEqual(log.quorum.voters, ['a', 'b', 'd'])
})

test('whom a joint configuration concerns: who leaves is a voter still, whatever it will be', () => {
  const demoted = { ...joint, members: membersOf(['a', 'd'], ['b']) }
  const all = ['a', 'b', 'c', 'd'].map((id) => ({ id, address: id, role: 'voter' }))
  assert.deepEqual(everyone(joint), all)
  assert.deepEqual(everyone(demoted), all)
  assert.equal(everyone(lastStep(joint)), joint.members)
})

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

test('an entry tells the members, sorted by id, and nothing else will do', () => {
  const members = [...membersOf(['b']), ...membersOf([], ['a'])]
  const decoded = decodeConfiguration(encodeConfiguration(configurationOf(members)))
  assert.deepEqual(decoded, configurationOf([...members].reverse()))
  const voter = '["a","b","voter"]'
  for (const text of [
    ...['{}', '[1]', 'null', '1', '[["a","b"]]', '[["a","b","king"]]', '[[1,"b","voter"]]'],
    ...['[["a","b","voter","stays"]]', '[["a","b","learner",1]]', '[["a","b","learner","x","y"]]'],
    ...[`{"members":[${voter}]}`, `{"members":[${voter}],"outgoing":[]}`],
    `{"members":[${voter}],"outgoing":[["a","b","learner"]]}`,
  ])
    assert.throws(
      () => decodeConfiguration(bytesOf(text)),
      /a membership|no member|no role|outgoing/,
    )
})

test('what an entry says can be read, and is what an earlier version has written', () => {
  const old = '[["a","a","voter"],["d","d","learner"]]'
  const simple = configurationOf(membersOf(['a'], ['d']))
  assert.deepEqual(decodeConfiguration(bytesOf(old)), simple)
  assert.equal(textOf(encodeConfiguration(simple)), old)
  const members = membersOf(['a'], ['d', 'e'])
  const rich = {
    members,
    promotions: [{ id: 'e', inPlaceOf: 'a' }],
    outgoing: membersOf(['a', 'b']),
  }
  const text =
    '{"members":[["a","a","voter"],["d","d","learner","stays"],["e","e","learner","a"]],' +
    '"outgoing":[["a","a","voter"],["b","b","voter"]]}'
  assert.equal(textOf(encodeConfiguration(rich)), text)
  assert.deepEqual(decodeConfiguration(bytesOf(text)), rich)
})

test('nobody is a member twice, and somebody votes', () => {
  assert.equal(checkMembers(membersOf(['a', 'b'], ['c'])), null)
  assert.match(checkMembers([...membersOf(['a']), ...membersOf([], ['a'])]) ?? '', /twice/)
  assert.match(checkMembers(membersOf([], ['a'])) ?? '', /no voter left/)
  assert.match(checkMembers([]) ?? '', /no voter left/)
})

const from = configurationOf(membersOf(['a', 'b', 'c'], ['d']))

for (const [what, to, isJoint] of [
  ['a learner more', membersOf(['a', 'b', 'c'], ['d', 'e']), false],
  ['no learner any more', membersOf(['a', 'b', 'c']), false],
  ['another address', from.members.map((each) => ({ ...each, address: `${each.id}:2` })), false],
  ['a learner that votes', membersOf(['a', 'b', 'c', 'd']), true],
  ['a voter that goes', membersOf(['a', 'b'], ['d']), true],
  ['a voter that becomes a learner', membersOf(['a', 'b'], ['c', 'd']), true],
  ['two that are swapped', membersOf(['a', 'b', 'd']), true],
  ['all others', membersOf(['d', 'e', 'f', 'g', 'h']), true],
] as const) {
  test(`paper §6: ${what} is ${isJoint ? 'a joint configuration first' : 'one plain entry'}`, () => {
    const first = firstStep(from, configurationOf(to))
    assert.deepEqual(first.outgoing, isJoint ? membersOf(['a', 'b', 'c']) : [])
    assert.equal(checkStep(from, first), null)
    const last = lastStep(first)
    assert.deepEqual(last, configurationOf(to))
    if (!isJoint) return
    assert.match(checkStep(from, last) ?? '', /without a joint configuration/)
    assert.equal(checkStep(first, last), null)
    assert.match(checkStep(first, from) ?? '', /without a joint configuration/)
    assert.match(checkStep(first, first) ?? '', /without a joint configuration/)
  })
}

test('a joint configuration is of the voters of before, and of no others', () => {
  const to = membersOf(['a', 'b', 'd'])
  const others = { ...configurationOf(to), outgoing: membersOf(['a', 'b']) }
  assert.match(checkStep(from, others) ?? '', /without a joint configuration/)
})

test('thesis §4.2.1: a promoted learner votes, and whose place it takes is gone in the same step', () => {
  const newcomers = configurationOf(membersOf(['a', 'b', 'c'], ['d', 'e']))
  const promotion = { id: 'd', inPlaceOf: 'c' }
  const to = promote(
    { ...newcomers, promotions: [promotion, { id: 'e', inPlaceOf: null }] },
    promotion,
  )
  assert.deepEqual(to.members, membersOf(['a', 'b', 'd'], ['e']))
  assert.deepEqual(to.promotions, [{ id: 'e', inPlaceOf: null }])
})
