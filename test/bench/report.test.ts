import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reachedOf } from '../../bench/goals.ts'
import { chartsOf, pictureOf } from '../../bench/report/charts.ts'
import { noLife } from '../../bench/report/life.ts'
import { renderBenchPage } from '../../bench/report/page.ts'
import type { BenchReport } from '../../bench/report/report.ts'
import { renderResults } from '../../bench/report/results.ts'
import { renderRow, rowHeader } from '../../bench/report/rows.ts'
import { ratiosOf } from '../../bench/row.ts'
import { limits, row } from './rows.ts'

const rows = [
  row('skiff, 1 node', {
    opsPerSecond: [45_678.9, 40_000, 50_000],
    p50Ms: [1],
    notes: ['elections: 1'],
  }),
  row('lmdb-js, best setting', {
    opsPerSecond: [10_000, 10_000, 10_000],
    limit: { name: 'commit', percent: 12.3 },
  }),
  row('lmdb-js, best setting', { callers: 1, opsPerSecond: [500] }),
]
const ratios = ratiosOf(rows)

const report: BenchReport = {
  machine: {
    cpu: 'Abacus 2000',
    cores: 2,
    memoryGiB: 7.75,
    system: 'Linux 6.1 x64',
    libc: 'glibc 2.36',
    filesystem: 'ext4 (rw) on /dev/vda',
    fdatasync: { p50Ms: 0.3456, p99Ms: 1.5 },
  },
  node: 'v20.20.2',
  commit: 'abc1234',
  date: '2025-01-02T03:04:05.000Z',
  command: 'npm run bench -- put1 --results',
  limits,
  goals: reachedOf(rows, ratios, 2),
  rows,
  ratios,
  notes: ['put1: Redis is not measured: there is none'],
  memory: {
    bare: { rssMiB: 40, heapMiB: 4, externalMiB: 1 },
    idle: { rssMiB: 95.5, heapMiB: 8, externalMiB: 2 },
    growth: [
      { puts: 0, rssMiB: 95.5, heapMiB: 8, externalMiB: 2 },
      { puts: 1_000_000, rssMiB: 140.25, heapMiB: 9, externalMiB: 2 },
    ],
  },
  life: noLife,
}

const nothing = { rows: [], ratios: [], goals: [], notes: [], memory: null }

test('a row in the terminal stands under its header, and what happened under the row', () => {
  const [first] = rows
  assert.ok(first !== undefined)
  const [line = '', note] = renderRow(first).split('\n')
  assert.equal(line.length, rowHeader.length)
  assert.match(line, /^skiff, 1 node +100 B +put +64 +45,679 +1 +8 +12\.3 +322$/)
  assert.match(
    rowHeader,
    /^system +value +work +callers +ops\/s +p50 ms +p99 ms +CPU s\/M +RSS MiB$/,
  )
  assert.equal(note, '    elections: 1')
})

test('RESULTS.md says what was measured, where, when and how, and is always the same text', () => {
  const text = renderResults(report)
  // The tables are padded to the width of their columns.
  const lines = text.split('\n').map((line) => line.replace(/ +/g, ' '))
  for (const line of [
    '| put1, 64 callers, throughput | skiff, 1 node | lmdb-js, best setting | ≥ 3 × | 4.57 × | met | 30,000 /s | 45,679 /s | 162,009 /s | CPU of 2 cores |',
    '| put1, 1 caller, p50 | | lmdb-js, best setting | ≤ 1.1 × | not measured | – | | | | |',
    '- Data on: ext4 (rw) on /dev/vda',
    '- Write of 4 KiB and fdatasync, nothing else: p50 0.346 ms, p99 1.5 ms',
    '- Commit abc1234, 2025-01-02T03:04:05.000Z: `npm run bench -- put1 --results`',
    '# put1: durable puts: one node, against lmdb-js',
    '- skiff, 1 node, put, 64 callers: elections: 1',
    '- put1: Redis is not measured: there is none',
    'One idle node with two workers takes 55.5 MiB of RSS above Node.js itself',
    '| 1,000,000 | 140.3 | 9.0 | 2.0 |',
  ]) {
    assert.ok(lines.includes(line), `missing: ${line}\n${text}`)
  }
  assert.match(text, /\| skiff, 1 node +\| 100 B .* 45,679 \| +40,000–50,000 \|/)
  assert.match(text, /\| +12 % \(commit\) \|/)
  assert.match(text, /4\.57 × \(4–5\) \| +0\.5 × \|/)
  assert.equal(renderResults(report), text)
})

test('a run that measured all goals puts them first', () => {
  const suites = ['put1', 'put3', 'read1', 'read3']
  const all = suites.flatMap((suite) => [
    row('skiff, 1 node', { suite, work: suite.startsWith('put') ? 'put' : 'get' }),
    row('etcd, 3 members', { suite, work: suite.startsWith('put') ? 'put' : 'get' }),
  ])
  const goals = reachedOf(all, ratiosOf(all), 2)
  const text = renderResults({ ...report, rows: all, goals })
  assert.ok(text.indexOf('# Goals') > 0 && text.indexOf('# Goals') < text.indexOf('# put1'))
  assert.doesNotMatch(renderResults(report), /^# Goals/m)
  const later = renderResults(report, text)
  assert.match(later, /^# Goals/m)
})

test('the lines of a table in RESULTS.md are equally long', () => {
  const tables = renderResults(report)
    .split('\n\n')
    .filter((part) => part.startsWith('|'))
  assert.equal(tables.length, 4)
  for (const table of tables) {
    const lengths = table
      .trimEnd()
      .split('\n')
      .map((line) => line.length)
    assert.equal(new Set(lengths).size, 1, table)
  }
})

test('a part of RESULTS.md that was not measured now stays as it was', () => {
  const restart = {
    keys: 10,
    state: 'believed',
    readyP50Ms: 1,
    readyMaxMs: 2,
    tailEntries: 3,
  } as const
  const life = { ...noLife, restart: [restart] }
  const before = renderResults(report)
  const both = renderResults({ ...report, ...nothing, life }, before)
  assert.ok(both.startsWith(before.slice(0, before.indexOf('# memory'))))
  assert.match(both, /^# restart: /m)
  assert.match(both, /^\| believed +\| +10 \|/m)
  assert.match(both, /^# memory: /m)
  assert.equal(renderResults({ ...report, ...nothing, life: noLife }, both), both)
})

test('the page holds goals, plots and tables, loads nothing, and text in it is text', () => {
  const html = renderBenchPage({ ...report, notes: ['put1: <b>'] })
  for (const piece of ['Abacus 2000', '<h2>Goals</h2>', 'put1: by callers', '≥ 3 ×', '45,679'])
    assert.ok(html.includes(piece), piece)
  assert.match(html, /&lt;b>/)
  assert.doesNotMatch(html, /<b>|<script|https?:|NaN|Infinity/)
})

test('a curve is one system, by what the axis tells; a single node is where all ways of several begin', () => {
  const scaled = [
    row('skiff, 1 node', { suite: 'scale-nodes', nodes: 1 }),
    row('skiff, 3 nodes in one process', { suite: 'scale-nodes', nodes: 3 }),
    row('skiff, 5 nodes in one process', { suite: 'scale-nodes', nodes: 5 }),
  ]
  const [chart] = chartsOf(scaled)
  assert.equal(chart?.title, 'scale-nodes: put, 64 callers')
  const curves = chart?.drawing.panels[0]?.curves ?? []
  assert.deepEqual(
    curves.map(({ name, points }) => [name, points.map(([x]) => x)]),
    [
      ['skiff, members', [1]],
      ['skiff, members in one process', [1, 3, 5]],
    ],
  )
})

test('of rows without puts there is no picture for the README', () => {
  assert.equal(pictureOf([row('skiff, 1 node', { suite: 'read1' })]), null)
  assert.equal(pictureOf(rows)?.panels[0]?.title, 'puts, one node, 100 B')
})
