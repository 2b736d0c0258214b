/** The search against histories made by hand, and against a judge that tries every order there is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Operation, Value } from './history.ts'
import { judge } from './judge.ts'
import { del, get, imagine, put, type Span } from './samples.ts'
import type { Verdict } from './wgl.ts'

const cases: readonly (readonly [
  claim: string,
  verdict: Verdict,
  history: readonly Operation[],
])[] = [
  ['nothing happened', 'legal', []],
  ['a read sees the write before it', 'legal', [put('k', 1, [0, 1]), get('k', 1, [2, 3])]],
  ['a key begins absent', 'legal', [get('k', null, [0, 1]), del('k', false, [2, 3])]],
  ['a stale read', 'illegal', [put('k', 1, [0, 1]), put('k', 2, [2, 3]), get('k', 1, [4, 5])]],
  [
    'a read during a write sees the old value or the new one',
    'legal',
    [put('k', 1, [0, 1]), put('k', 2, [2, 9]), get('k', 1, [3, 4]), get('k', 2, [5, 6])],
  ],
  [
    'the new value, then the old one, during the write',
    'illegal',
    [put('k', 1, [0, 1]), put('k', 2, [2, 9]), get('k', 2, [3, 4]), get('k', 1, [5, 6])],
  ],
  ['a lost update', 'illegal', [put('k', 1, [0, 1]), get('k', null, [2, 3])]],
  ['a value that nobody wrote', 'illegal', [put('k', 1, [0, 1]), get('k', 7, [2, 3])]],
  ['the number 1 is not the text 1', 'illegal', [put('k', 1, [0, 1]), get('k', '1', [2, 3])]],
  ['a value of another key', 'illegal', [put('k', 1, [0, 1]), get('l', 1, [2, 3])]],
  ['a value from the future', 'illegal', [get('k', 1, [0, 1]), put('k', 1, [2, 3])]],
  ['a delete that finds nothing, and lies', 'illegal', [del('k', true, [0, 1])]],
  [
    'a delete that finds something, and denies it',
    'illegal',
    [put('k', 1, [0, 1]), del('k', false, [2, 3])],
  ],
  [
    'one value, and two deletes that found it',
    'illegal',
    [put('k', 1, [0, 1]), del('k', true, [2, 5]), del('k', true, [3, 4])],
  ],
  [
    'a value that comes back after its delete',
    'illegal',
    [put('k', 1, [0, 1]), del('k', true, [2, 3]), get('k', 1, [4, 5])],
  ],
  [
    'concurrent writes may be seen in one order',
    'legal',
    [put('k', 1, [0, 5]), put('k', 2, [1, 4]), get('k', 2, [6, 7]), get('k', 2, [8, 9])],
  ],
  [
    'concurrent writes seen in two orders',
    'illegal',
    [put('k', 1, [0, 5]), put('k', 2, [1, 4]), get('k', 2, [6, 7]), get('k', 1, [8, 9])],
  ],
  [
    'an unknown write that never happens',
    'legal',
    [put('k', 1, [0, 1]), put('k', 2, [2, null]), get('k', 1, [3, 4]), get('k', 1, [5, 6])],
  ],
  [
    'an unknown write that happens late',
    'legal',
    [put('k', 1, [0, 1]), put('k', 2, [2, null]), get('k', 1, [3, 4]), get('k', 2, [5, 6])],
  ],
  [
    'an unknown write that happens before it is asked for',
    'illegal',
    [put('k', 1, [0, 1]), get('k', 2, [2, 3]), put('k', 2, [4, null])],
  ],
  [
    'an unknown write that happens twice',
    'illegal',
    [
      put('k', 2, [0, null]),
      get('k', 2, [1, 2]),
      put('k', 3, [3, 4]),
      get('k', 3, [5, 6]),
      get('k', 2, [7, 8]),
    ],
  ],
  [
    'an unknown delete that happens late',
    'legal',
    [put('k', 1, [0, 1]), del('k', null, [2, null]), get('k', 1, [3, 4]), get('k', null, [5, 6])],
  ],
  [
    'an unknown delete that happens twice',
    'illegal',
    [
      del('k', null, [0, null]),
      put('k', 1, [1, 2]),
      get('k', null, [3, 4]),
      put('k', 2, [5, 6]),
      get('k', null, [7, 8]),
    ],
  ],
  [
    'return and call at the same moment are concurrent',
    'legal',
    [put('k', 1, [0, 1]), put('k', 2, [1, 2]), get('k', 1, [3, 4])],
  ],
  [
    'a refused write does not happen',
    'illegal',
    [{ ...put('k', 1, [0, 1]), outcome: 'not-applied' }, get('k', 1, [2, 3])],
  ],
  [
    'a failed read explains nothing and is not judged',
    'legal',
    [{ ...get('k', null, [2, 3]), outcome: 'not-applied' }, put('k', 1, [0, 1])],
  ],
]

for (const [claim, verdict, history] of cases) {
  test(`${verdict}: ${claim}`, () => assert.equal(judge(history).verdict, verdict))
}

test('the key at fault is named', () => {
  const { verdict, key } = judge([put('fine', 1, [0, 1]), get('wrong', 1, [2, 3])])
  assert.deepEqual([verdict, key], ['illegal', 'wrong'])
})

// ── every order there is ────────────────────────────────────────────────────────────────────────

/** By the definition: some order of what was answered and of some of what was not explains it all. */
function isLinearizable(history: readonly Operation[]): boolean {
  const counting = history.filter(
    ({ op, outcome }) => outcome === 'ok' || (outcome === 'unknown' && op !== 'get'),
  )
  return anyOrder(counting, [])
}

function anyOrder(left: readonly Operation[], order: readonly Operation[]): boolean {
  if (left.every(({ outcome }) => outcome === 'unknown') && explains(order)) return true
  return left.some((next) =>
    anyOrder(
      left.filter((other) => other !== next),
      [...order, next],
    ),
  )
}

function explains(order: readonly Operation[]): boolean {
  const keys = new Map<string, Value>()
  return order.every((operation, n) => {
    const { op, key, call, outcome, result } = operation
    // Nobody later in the order may have returned before this one was called.
    if (order.slice(n + 1).some((later) => later.return !== null && later.return < call))
      return false
    const before = keys.get(key) ?? null
    if (op === 'get') return result === before
    if (op === 'put') keys.set(key, operation.value)
    else keys.delete(key)
    return op === 'put' || outcome === 'unknown' || result === null || result === (before !== null)
  })
}

const span: fc.Arbitrary<Span> = fc
  .tuple(fc.nat(12), fc.nat(6))
  .map(([call, length]) => [call, call + length])
const unanswered: fc.Arbitrary<Span> = fc.nat(12).map((call) => [call, null])
const key = fc.constantFrom('k', 'k', 'k', 'l')
const read = fc.option(fc.nat(3))
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(key, fc.nat(3), span).map((all) => put(...all)),
  fc.tuple(key, read, span).map((all) => get(...all)),
  fc.tuple(key, fc.boolean(), span).map((all) => del(...all)),
  fc.tuple(key, fc.nat(3), unanswered).map((all) => put(...all)),
  fc.tuple(key, fc.constant(null), unanswered).map((all) => del(...all)),
  fc.tuple(key, fc.constant(null), span).map((all) => del(...all)),
)
const anything = fc.array(operation, { minLength: 1, maxLength: 6 })
/** What a correct store could have answered, with one answer changed. */
const nearlyLegal = fc
  .record({ seed: fc.nat(), operations: fc.integer({ min: 3, max: 6 }), at: fc.nat(5), read })
  .map(({ at, read, ...sizes }) =>
    imagine({ ...sizes, clients: 3, keys: 1, unknownChance: 0.3 }).history.map((operation, n) =>
      operation.op === 'get' && n === at ? { ...operation, result: read } : operation,
    ),
  )

for (const [what, histories, runs] of [
  ['anything', anything, 6_000],
  ['a nearly legal history', nearlyLegal, 3_000],
] as const) {
  test(`the search agrees with the judge that tries every order: ${what}`, () => {
    const counts = { legal: 0, illegal: 0 }
    fc.assert(
      fc.property(histories, (history) => {
        const expected = isLinearizable(history) ? 'legal' : 'illegal'
        counts[expected]++
        assert.equal(judge(history).verdict, expected)
      }),
      { numRuns: runs },
    )
    const rarest = Math.min(counts.legal, counts.illegal)
    assert.ok(rarest > runs / 20, `both verdicts must be met: ${JSON.stringify(counts)}`)
  })
}

// ── large ones ──────────────────────────────────────────────────────────────────────────────────

test('10,000 operations of 10 clients on 100 keys are decided at once', () => {
  const { history } = imagine({ seed: 7, operations: 10_000, clients: 10, keys: 100 })
  assert.equal(judge(history, { timeoutMs: 2_000 }).verdict, 'legal')
})

test('10,000 operations of 10 clients on one key too', () => {
  const { history } = imagine({ seed: 8, operations: 10_000, clients: 10, keys: 1 })
  assert.equal(judge(history, { timeoutMs: 5_000 }).verdict, 'legal')
})

test('what a correct store answers is legal, writes of unknown outcome included', () => {
  const seeds = fc.nat()
  fc.assert(
    fc.property(seeds, (seed) => {
      const { history } = imagine({
        seed,
        operations: 600,
        clients: 8,
        keys: 8,
        unknownChance: 0.05,
      })
      assert.equal(judge(history).verdict, 'legal')
    }),
    { numRuns: 30 },
  )
})

test('a history too hard for the time is undecided, and names the key', () => {
  const puts = Array.from({ length: 40 }, (_, n) => put('hard', n, [n, 1_000 + n]))
  const history = [...puts, get('hard', 100, [2_000, 2_001])]
  const { verdict, key } = judge(history, { timeoutMs: 50 })
  assert.deepEqual([verdict, key], ['undecided', 'hard'])
})

test('a hard key does not hide the offence of another', () => {
  const puts = Array.from({ length: 40 }, (_, n) => put('hard', n, [n, 1_000 + n]))
  const history = [...puts, get('hard', 100, [2_000, 2_001]), get('wrong', 1, [0, 1])]
  const { verdict, key } = judge(history, { timeoutMs: 100 })
  assert.deepEqual([verdict, key], ['illegal', 'wrong'])
})
