import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Operation } from './history.ts'
import { judge } from './judge.ts'
import { type Change, checkOrder, isOrderKnown, Violation } from './order.ts'
import { del, get, imagine, put } from './samples.ts'

function breaks(rule: string, operations?: readonly Operation[]): (error: unknown) => true {
  return (error: unknown): true => {
    assert.ok(error instanceof Violation, String(error))
    assert.equal(error.rule, rule)
    if (operations !== undefined) assert.deepEqual(error.operations, operations)
    return true
  }
}

const first = put('k', 1, [0, 1], 1)
const second = put('k', 2, [2, 3], 2)
const log: readonly Change[] = [
  { revision: 1, key: 'k', value: 1 },
  { revision: 2, key: 'k', value: 2 },
]
const deleted: readonly Change[] = [...log, { revision: 3, key: 'k', value: null }]

// ── by the revisions alone ──────────────────────────────────────────────────────────────────────

test('writes in the order of their revisions pass, with reads that fit', () => {
  checkOrder([first, second, get('k', 1, [1, 2.5]), get('k', 2, [2.5, 4])])
})

test('two writes with one revision are refused', () => {
  const twin = put('l', 2, [0, 9], 1)
  assert.throws(() => checkOrder([first, twin]), breaks('a revision is given once', [first, twin]))
})

test('a later write with an earlier revision is refused, also on another key', () => {
  const early = put('l', 1, [0, 1], 2)
  const late = put('k', 1, [2, 3], 1)
  assert.throws(
    () => checkOrder([early, late]),
    breaks('revisions follow real time', [early, late]),
  )
})

test('a stale read is refused, with the writes that prove it', () => {
  const stale = get('k', 1, [4, 5])
  assert.throws(
    () => checkOrder([first, second, stale]),
    breaks('revisions follow real time', [second, first, stale]),
  )
})

test('a value read and then unread is refused, though both writes are still under way', () => {
  const history = [
    put('k', 1, [0, 9], 1),
    put('k', 2, [0, 9], 2),
    get('k', 2, [1, 2]),
    get('k', 1, [3, 4]),
  ]
  assert.throws(() => checkOrder(history), breaks('revisions follow real time'))
})

test('reads of two keys in an order that the revisions deny are refused', () => {
  const history = [
    put('k', 1, [0, 1], 1),
    put('k', 2, [2, 9], 2),
    put('l', 1, [2, 9], 3),
    get('l', 1, [3, 4]),
    get('k', 1, [5, 6]),
  ]
  assert.throws(() => checkOrder(history), breaks('revisions follow real time'))
  // Key by key it is fine: only what the revisions claim is wrong.
  assert.equal(judge(history).verdict, 'legal')
})

test('a read of what nobody wrote, was refused, or is yet to be written is refused', () => {
  const never = get('k', 7, [2, 3])
  assert.throws(
    () => checkOrder([first, never]),
    breaks('a read sees only what was written', [never]),
  )
  const refused: Operation = { ...put('k', 7, [0, 1]), outcome: 'not-applied' }
  assert.throws(() => checkOrder([refused, never]), breaks('a read sees only what was written'))
  const future = put('k', 7, [4, 5], 2)
  assert.throws(() => checkOrder([never, future]), breaks('a read sees nothing of the future'))
})

test('a write of unknown outcome may be read or not, at any time after its call', () => {
  const unknown = put('k', 7, [2, null])
  checkOrder([first, unknown, get('k', 1, [3, 4]), get('k', 7, [5, 6])])
})

test('without unique values, or without revisions, there is no order to judge by', () => {
  assert.equal(isOrderKnown([first, second]), true)
  assert.equal(isOrderKnown([first, { ...first, call: 0.5 }]), false)
  assert.equal(isOrderKnown([put('k', 1, [0, 1])]), false)
  assert.equal(isOrderKnown([put('k', 1, [0, null])]), true)
})

// ── with the log ────────────────────────────────────────────────────────────────────────────────

test('an acknowledged write that is not in the log is lost', () => {
  assert.throws(
    () => checkOrder([first, second], log.slice(0, 1)),
    breaks('what is acknowledged is never lost', [second]),
  )
})

test('a write in the log twice is refused', () => {
  const twice = [...log, { revision: 3, key: 'k', value: 1 }]
  assert.throws(
    () => checkOrder([first, second], twice),
    breaks('the revision told is the one in the log'),
  )
  const unknown = [put('k', 1, [0, null]), second]
  assert.throws(() => checkOrder(unknown, twice), breaks('a put happens once'))
})

test('a write in the log that was refused, or that nobody asked for, is refused', () => {
  const refused: Operation = { ...put('k', 1, [0, 1]), outcome: 'not-applied' }
  assert.throws(() => checkOrder([refused, second], log), breaks('what is refused does not happen'))
  assert.throws(() => checkOrder([second], log), breaks('only what was asked for happens'))
})

test('a read of a write that is not in the log is refused', () => {
  const unknown = put('k', 9, [0, null])
  const seen = get('k', 9, [4, 5])
  checkOrder([first, second, unknown, seen])
  const rule = 'a read sees only what happened'
  assert.throws(
    () => checkOrder([first, second, unknown, seen], log),
    breaks(rule, [unknown, seen]),
  )
})

test('a log with a gap is refused', () => {
  assert.throws(() => checkOrder([second], log.slice(1)), breaks('revisions are 1, 2, 3 …'))
})

test('a key found absent while it is there is refused', () => {
  const lies = [get('k', null, [4, 5]), del('k', false, [4, 5])]
  for (const lie of lies) {
    const rule = 'a key is found absent only while it is'
    assert.throws(() => checkOrder([first, second, lie], log), breaks(rule, [lie]))
    checkOrder([first, second, { ...lie, call: 0 }], log)
    checkOrder([first, second, lie, del('k', true, [4, 5])], deleted)
  }
})

test('a delete that found something is in the log, once for each', () => {
  const deletion = del('k', true, [4, 5])
  const rule = 'a delete finds only what exists'
  checkOrder([first, second, deletion], deleted)
  assert.throws(() => checkOrder([first, second, deletion], log), breaks(rule, [deletion]))
  const other = del('k', true, [4, 6])
  assert.throws(() => checkOrder([first, second, deletion, other], deleted), breaks(rule, [other]))
  assert.throws(() => checkOrder([del('l', true, [4, 5])], []), breaks(rule))
})

test('a delete in the log was asked for, then', () => {
  const rule = 'only what was asked for happens'
  assert.throws(() => checkOrder([first, second], deleted), breaks(rule))
  assert.throws(() => checkOrder([first, second, del('k', true, [0, 1])], deleted), breaks(rule))
  checkOrder([first, second, del('k', null, [0, null])], deleted)
})

// ── against the other judge ─────────────────────────────────────────────────────────────────────

const imagined = fc
  .record({ seed: fc.nat(), operations: fc.integer({ min: 1, max: 200 }) })
  .map((sizes) => imagine({ ...sizes, clients: 5, keys: 3, unknownChance: 0.1 }))

test('what a correct store answers passes, with its log and without', () => {
  fc.assert(
    fc.property(imagined, ({ history, log }) => {
      checkOrder(history)
      checkOrder(history, log)
    }),
    { numRuns: 300 },
  )
})

test('without deletes, whatever the search refuses, the log refuses too', () => {
  let refused = 0
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(200), (seed, at, value) => {
      const sizes = { seed, operations: 150, clients: 5, keys: 3, unknownChance: 0.1 }
      const { history, log } = imagine({ ...sizes, deletes: false })
      const reads = history.filter(({ op }) => op === 'get')
      const wrong = reads[at % reads.length]
      const falsified = history.map((one) =>
        one === wrong ? get(one.key, value > 180 ? null : value, [one.call, one.return]) : one,
      )
      if (judge(falsified).verdict !== 'illegal') return
      refused++
      assert.throws(() => checkOrder(falsified, log), Violation)
    }),
    { numRuns: 300, examples: [[2014864990, 1139944976, 1]] },
  )
  assert.ok(refused > 100, `only ${refused} were refused`)
})

test('100,000 operations are judged by their log', () => {
  const { history, log } = imagine({ seed: 5, operations: 100_000, clients: 10, keys: 100 })
  checkOrder(history, log)
  const last = log.findLast(({ value }) => value !== null)
  assert.ok(last !== undefined && log.findLast(({ key }) => key === last.key) === last)
  const end = history.reduce((latest, one) => Math.max(latest, one.return ?? 0), 0)
  const lie = get(last.key, null, [end + 1, end + 2])
  assert.throws(
    () => checkOrder([...history, lie], log),
    breaks('a key is found absent only while it is', [lie]),
  )
})
