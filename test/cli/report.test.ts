import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  namespaceOf,
  namespaceTree,
  openHistogram,
  percentileMs,
  recordMs,
  renderBytes,
  renderFacts,
  renderTable,
  renderTree,
} from '../../src/cli/report.ts'

test('keys are counted in every namespace above them, largest first', () => {
  assert.deepEqual(namespaceTree(['b/c', 'a/x/1', 'a/x/2', 'a/y', 'top']), {
    name: '',
    keys: 5,
    children: [
      { name: 'a/', keys: 3, children: [{ name: 'x/', keys: 2, children: [] }] },
      { name: 'b/', keys: 1, children: [] },
    ],
  })
})

test('the namespace of a key ends with its last slash', () => {
  assert.deepEqual(['a/b/c', 'c', 'a/b/'].map(namespaceOf), ['a/b/', '', 'a/b/'])
})

test('a tree shows counts and bars, and sums up what is beyond its limits', () => {
  const keys = [
    ...Array.from({ length: 6 }, (_, index) => `files/big/deep/${index}`),
    ...Array.from({ length: 2 }, (_, index) => `files/small/${index}`),
    'files/one/1',
    'files/two/2',
  ]
  const tree = renderTree(namespaceTree(keys), { depthMax: 2, childrenMax: 2 })
  assert.equal(
    tree,
    [
      '└─ files/       10  ████████████████████',
      '   ├─ big/       6  ████████████',
      '   ├─ small/     2  ████',
      '   └─ … 2 more   2  ████',
    ].join('\n'),
  )
})

test('a tree of nothing is empty', () => {
  assert.equal(renderTree(namespaceTree([])), '')
})

test('percentiles are of what was recorded, in milliseconds to three figures', () => {
  const histogram = openHistogram()
  for (let ms = 1; ms <= 100; ms++) recordMs(histogram, ms)
  const near = (percent: number, ms: number) => {
    const error = Math.abs(percentileMs(histogram, percent) - ms) / ms
    assert.ok(error < 0.001, `p${percent}: ${percentileMs(histogram, percent)} for ${ms}`)
  }
  near(50, 50)
  near(99, 99)
  near(100, 100)
})

test('a percentile of nothing is 0, and a latency of nothing is recorded', () => {
  const histogram = openHistogram()
  assert.equal(percentileMs(histogram, 99), 0)
  recordMs(histogram, 0)
  assert.equal(histogram.count, 1)
})

test('a table aligns its first column to the left and numbers to the right', () => {
  assert.equal(
    renderTable(
      ['name', 'count'],
      [
        ['a', '1'],
        ['longer', '1,000'],
      ],
    ),
    'name    count\na           1\nlonger  1,000',
  )
})

test('facts are aligned behind their names', () => {
  assert.equal(
    renderFacts([
      ['a', 'x'],
      ['long', 'y'],
    ]),
    'a     x\nlong  y',
  )
})

test('bytes are given in the largest unit that leaves at least one', () => {
  assert.deepEqual([0, 1_023, 1_024, 1_572_864, 3 * 2 ** 40].map(renderBytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 MiB',
    '3.0 TiB',
  ])
})
