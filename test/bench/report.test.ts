import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noLife } from '../../bench/life-report.ts'
import {
  type BenchReport,
  type Row,
  ratiosOf,
  renderResults,
  renderRow,
  rowHeader,
} from '../../bench/report.ts'

function row(system: string, numbers: Partial<Row>): Row {
  return {
    suite: 'put1',
    system,
    nodes: 1,
    callers: 64,
    valueBytes: 100,
    keys: 1_000_000,
    opsPerSecond: 10_000,
    p50Ms: 2,
    p99Ms: 8,
    cpuSecondsPerMillion: 12.345,
    rssMiB: 321.9,
    ...numbers,
  }
}

const rows = [
  row('skiff, 1 node', { opsPerSecond: 45_678.9, p50Ms: 1, p99Ms: 4 }),
  row('lmdb-js, best setting', {}),
  row('lmdb-js, best setting', { callers: 1, opsPerSecond: 500 }),
]

const report: BenchReport = {
  life: noLife,
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
  rows,
  ratios: ratiosOf(rows),
  notes: ['an election happened'],
  memory: {
    bare: { rssMiB: 40, heapMiB: 4, externalMiB: 1 },
    idle: { rssMiB: 95.5, heapMiB: 8, externalMiB: 2 },
    growth: [
      { puts: 0, rssMiB: 95.5, heapMiB: 8, externalMiB: 2 },
      { puts: 1_000_000, rssMiB: 140.25, heapMiB: 9, externalMiB: 2 },
    ],
  },
}

test('ratios compare ours with a peer under the same load only', () => {
  const load = { suite: 'put1', system: 'skiff, 1 node', callers: 64, valueBytes: 100 }
  const against = 'lmdb-js, best setting'
  assert.deepEqual(ratiosOf(rows), [
    { ...load, against, metric: 'opsPerSecond', ratio: 4.56789 },
    { ...load, against, metric: 'p50Ms', ratio: 0.5 },
    { ...load, against, metric: 'p99Ms', ratio: 0.5 },
  ])
})

test('a row in the terminal stands under its header', () => {
  const [first] = rows
  assert.ok(first !== undefined)
  assert.equal(
    rowHeader,
    'system                           value  callers     puts/s    p50 ms    p99 ms   CPU s/M  RSS MiB',
  )
  assert.equal(
    renderRow(first),
    'skiff, 1 node                    100 B       64     45,679         1         4      12.3      322',
  )
})

test('RESULTS.md says what was measured, where, when and how, and is always the same text', () => {
  const text = renderResults(report)
  // The tables are padded to the width of their columns.
  const lines = text.split('\n').map((line) => line.replace(/ +/g, ' ').replace(/-{2,}/g, '--'))
  for (const line of [
    '- Machine: Abacus 2000, 2 cores, 7.8 GiB; Linux 6.1 x64',
    '- Data on: ext4 (rw) on /dev/vda',
    '- Write of 4 KiB and fdatasync, nothing else: p50 0.346 ms, p99 1.5 ms',
    '- Node.js v20.20.2, glibc 2.36',
    '- Commit abc1234, 2025-01-02T03:04:05.000Z',
    '- Command: `npm run bench -- put1 --results`',
    '## One node: durable puts (random keys among 1,000,000)',
    '| system | value | callers | puts/s | p50 ms | p99 ms | CPU s/M | RSS MiB |',
    '|--|--:|--:|--:|--:|--:|--:|--:|',
    '| skiff, 1 node | 100 B | 64 | 45,679 | 1 | 4 | 12.3 | 322 |',
    '| lmdb-js, best setting | 100 B | 1 | 500 | 2 | 8 | 12.3 | 322 |',
    '| skiff, 1 node | lmdb-js, best setting | 100 B | 64 | 4.57 × | 0.50 × | 0.50 × |',
    'One idle node with two workers takes 55.5 MiB of RSS above Node.js itself',
    '| 1,000,000 | 140.3 | 9.0 | 2.0 |',
    '- an election happened',
  ]) {
    assert.ok(lines.includes(line), `missing: ${line}\n${text}`)
  }
  assert.equal(renderResults(report), text)
})

test('the lines of a table in RESULTS.md are equally long', () => {
  const tables = renderResults(report)
    .split('\n\n')
    .filter((part) => part.startsWith('|'))
  assert.equal(tables.length, 3)
  for (const table of tables) {
    assert.equal(
      new Set(
        table
          .trimEnd()
          .split('\n')
          .map((line) => line.length),
      ).size,
      1,
      table,
    )
  }
})

test('RESULTS.md leaves out what was not measured', () => {
  const text = renderResults({ ...report, memory: null, notes: [], rows: [], ratios: [] })
  assert.doesNotMatch(text, /## /)
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
  const puts = renderResults(report)
  const both = renderResults({ ...report, rows: [], ratios: [], memory: null, life }, puts)
  assert.ok(both.startsWith(puts.trim()))
  assert.match(both, /^# A long life$/m)
  assert.match(both, /^\| believed +\| +10 \|/m)
  assert.equal(renderResults(report, both), both)
})
