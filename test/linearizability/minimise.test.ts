import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Get, Operation, Value } from './history.ts'
import { judge } from './judge.ts'
import { minimise, without } from './minimise.ts'
import { del, get, imagine, put } from './samples.ts'
import { searchOrder } from './wgl.ts'

function verdictOf(operations: readonly Operation[]): string {
  return searchOrder(operations, performance.now() + 1_000)
}

function smallest(operations: readonly Operation[]): readonly Operation[] {
  return minimise(operations, (fewer) => verdictOf(fewer) === 'illegal')
}

/** One of the gets that found something now finds what was put first. */
function falsify(history: readonly Operation[], at: number): readonly Operation[] {
  const first = history.find(({ op, outcome }) => op === 'put' && outcome === 'ok')
  const value: Value = first?.value ?? 'nothing was put'
  const reads = history.filter((one): one is Get => one.op === 'get' && one.result !== null)
  const wrong = reads[at % reads.length]
  return history.map((one) => (one === wrong ? { ...wrong, result: value } : one))
}

const imagined = fc
  .record({ seed: fc.nat(), operations: fc.integer({ min: 10, max: 80 }) })
  .map((sizes) => imagine({ ...sizes, clients: 4, keys: 1, unknownChance: 0.1 }).history)

test('a stale read in a long history comes down to both writes and the read', () => {
  const writes = Array.from({ length: 200 }, (_, n) => put('k', n, [10 * n, 10 * n + 5]))
  const reads = Array.from({ length: 200 }, (_, n) => get('k', n, [10 * n + 6, 10 * n + 9]))
  const stale = get('k', 120, [1_507, 1_508])
  const offence = smallest([...writes, ...reads, stale])
  assert.equal(offence.length, 3)
  const [older, newer, read] = offence
  assert.deepEqual([older, read], [writes[120], stale])
  assert.ok(newer?.op === 'put' && Number(newer.value) > 120)
})

test('a lost delete comes down to the put, the delete and the read', () => {
  const before = Array.from({ length: 50 }, (_, n) => put('k', n, [n, n + 0.5]))
  const gone = [put('k', 'x', [60, 61]), del('k', true, [62, 63]), get('k', 'x', [64, 65])]
  const after = Array.from({ length: 50 }, (_, n) => get('k', null, [70 + n, 70.5 + n]))
  assert.deepEqual(smallest([...before, ...gone, ...after]), gone)
})

test('what is smallest is still illegal, and nothing more can be left out', () => {
  let illegal = 0
  fc.assert(
    fc.property(imagined, fc.nat(), (history, at) => {
      const operations = falsify(history, at)
      if (verdictOf(operations) !== 'illegal') return
      illegal++
      const offence = smallest(operations)
      assert.equal(verdictOf(offence), 'illegal')
      for (const one of offence) assert.equal(verdictOf(without(offence, new Set([one]))), 'legal')
    }),
    { numRuns: 150 },
  )
  assert.ok(illegal > 30, `only ${illegal} of them were illegal`)
})

test('leaving out keeps legal histories legal, so that it accuses nobody wrongly', () => {
  fc.assert(
    fc.property(imagined, fc.infiniteStream(fc.boolean()), (history, chances) => {
      const dropped = new Set(history.filter(() => chances.next().value))
      assert.equal(verdictOf(without(history, dropped)), 'legal')
    }),
    { numRuns: 500 },
  )
})

test('the judge hands out the offence, of its key only', () => {
  const { history } = imagine({ seed: 3, operations: 1_000, clients: 8, keys: 8 })
  const end = Math.max(...history.map((one) => one.return ?? 0))
  const lie = [
    put('key-0', 'older', [end + 1, end + 2]),
    put('key-0', 'newer', [end + 3, end + 4]),
    get('key-0', 'older', [end + 5, end + 6]),
  ]
  const { verdict, key, offence } = judge([...history, ...lie])
  assert.deepEqual([verdict, key, offence], ['illegal', 'key-0', lie])
})
