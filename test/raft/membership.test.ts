/** The history of members, and what may follow what. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkChange,
  decodeMembership,
  encodeMembership,
  MembershipLog,
} from '../../src/raft/membership.ts'
import { membersOf } from './harness.ts'

const at = (index: number, ...voters: string[]) => ({ index, members: membersOf(voters) })

test('the last membership counts, and a truncation brings the former one back', () => {
  const log = new MembershipLog([at(1, 'a')])
  log.append(at(4, 'a', 'b'))
  assert.deepEqual(log.voters, ['a', 'b'])
  log.truncate(4)
  assert.deepEqual(log.latest, at(1, 'a'))
  log.truncate(1)
  assert.deepEqual(log.latest, { index: 0, members: [] })
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

test('an entry tells the members, sorted by id, and nothing else will do', () => {
  const members = [...membersOf(['b']), ...membersOf([], ['a'])]
  assert.deepEqual(decodeMembership(encodeMembership(members)), [...members].reverse())
  for (const text of ['{}', '[1]', '[["a","b"]]', '[["a","b","king"]]', '[[1,"b","voter"]]'])
    assert.throws(
      () => decodeMembership(new TextEncoder().encode(text)),
      /a membership|no member|no role/,
    )
})

const from = membersOf(['a', 'b', 'c'], ['d'])
const changes = [
  { to: membersOf(['a', 'b', 'c', 'd']), allowed: true },
  { to: membersOf(['a', 'b'], ['d']), allowed: true },
  { to: membersOf(['a', 'b'], ['c', 'd', 'e', 'f']), allowed: true },
  { to: from, allowed: true },
  { to: membersOf(['a']), allowed: false },
  { to: membersOf(['a', 'b', 'd']), allowed: false },
  { to: membersOf([], ['a', 'b', 'c']), allowed: false },
  { to: [], allowed: false },
]
for (const { to, allowed } of changes) {
  const names = to.map(({ id, role }) => (role === 'voter' ? id : `(${id})`)).join(' ')
  test(`a b c (d) ${allowed ? 'may' : 'may not'} become "${names}"`, () => {
    assert.equal(checkChange(from, to) === null, allowed)
  })
}
