import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WatchEvent } from '../../src/store.ts'
import type { Value } from './history.ts'
import { type Change, Violation } from './order.ts'
import { checkWatch, replay, toLog, type Watched } from './watch.ts'

type Event = WatchEvent<Value>

const log: readonly Change[] = [
  { revision: 1, key: 'a/x', value: 1 },
  { revision: 2, key: 'b/x', value: 2 },
  { revision: 3, key: 'a/x', value: 3 },
  { revision: 4, key: 'a/x', value: null },
  { revision: 5, key: 'a/y', value: 5 },
]
const one: Event = { type: 'put', key: 'a/x', value: 1, revision: 1 }
const two: Event = { type: 'put', key: 'b/x', value: 2, revision: 2 }
const three: Event = { type: 'put', key: 'a/x', value: 3, revision: 3 }
const four: Event = { type: 'delete', key: 'a/x', revision: 4 }
const five: Event = { type: 'put', key: 'a/y', value: 5, revision: 5 }
const all: Watched = {
  prefix: 'a/',
  from: 1,
  to: 5,
  previous: false,
  events: [one, three, four, five],
}
const withPrevious: Watched = {
  ...all,
  from: 2,
  previous: true,
  events: [{ ...three, previous: 1 }, { ...four, previous: 3 }, five],
}

test('what a watch should give passes: whole, resumed, of another prefix, with previous values', () => {
  checkWatch(all, log)
  checkWatch({ ...all, from: 4, events: [four, five] }, log)
  checkWatch({ ...all, to: 3, events: [one, three] }, log)
  checkWatch({ ...all, prefix: 'b/', events: [two] }, log)
  checkWatch(withPrevious, log)
})

const broken: readonly (readonly [rule: string, watched: Watched])[] = [
  ['a watch is ordered', { ...all, events: [three, one, four, five] }],
  ['a watch gives each change once', { ...all, events: [one, one, three, four, five] }],
  ['a watch keeps to its prefix', { ...all, events: [one, two, three, four, five] }],
  ['a watch keeps to its range', { ...all, from: 2 }],
  ['a watch keeps to its range', { ...all, to: 4 }],
  ['a watch misses nothing', { ...all, events: [one, three, five] }],
  ['a watch misses nothing', { ...all, events: [] }],
  ['a watch misses nothing', { ...all, from: 3, events: [four, five] }],
  ['a watch tells what happened', { ...all, events: [{ ...one, value: 9 }, three, four, five] }],
  ['a watch tells what happened', { ...all, events: [one, { ...four, revision: 3 }, four, five] }],
  [
    'a watch invents nothing',
    { ...all, events: [one, { ...five, revision: 2 }, three, four, five] },
  ],
  ['a watch tells what was there before', { ...withPrevious, events: [three, four, five] }],
  [
    'a watch tells what was there before',
    { ...all, events: [one, { ...three, previous: 1 }, four, five] },
  ],
]

for (const [n, [rule, watched]] of broken.entries()) {
  test(`refused, example ${n + 1}: ${rule}`, () => {
    assert.throws(
      () => checkWatch(watched, log),
      (error: unknown) => error instanceof Violation && error.rule === rule,
    )
  })
}

test('the events of everything are the log, and the log makes the state', () => {
  assert.deepEqual(toLog([one, two, three, four, five]), log)
  assert.deepEqual(
    [...replay(log)],
    [
      ['b/x', 2],
      ['a/y', 5],
    ],
  )
})
