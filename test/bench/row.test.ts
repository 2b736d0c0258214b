import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goals, reachedOf } from '../../bench/goals.ts'
import { noLatencies, recordLatency } from '../../bench/latencies.ts'
import { limitOf } from '../../bench/limits/limits.ts'
import type { LoadResult } from '../../bench/load/profile.ts'
import { medianOf, ratiosOf } from '../../bench/row.ts'
import { type Run, rowOf } from '../../bench/suites/measured.ts'
import { sumOf } from '../../bench/sync-count.ts'
import { limits, row } from './rows.ts'

test('a median of an even number lies between the two in the middle', () => {
  assert.equal(medianOf([3, 1, 2]), 2)
  assert.equal(medianOf([4, 1, 2, 3]), 2.5)
  assert.equal(medianOf([]), 0)
})

test('ratios are medians over pairs of runs that followed each other, under the same load only', () => {
  const fast = row('skiff, 1 node', { opsPerSecond: [40, 10, 90] })
  const peer = row('lmdb-js, best setting', { opsPerSecond: [10, 5, 30] })
  const other = row('lmdb-js, best setting', { callers: 1 })
  const ratios = ratiosOf([fast, peer, other])
  assert.deepEqual(
    ratios.map(({ metric, against }) => [metric, against]),
    [
      ['opsPerSecond', peer.system],
      ['p50Ms', peer.system],
      ['p99Ms', peer.system],
    ],
  )
  const [throughput] = ratios
  assert.deepEqual([throughput?.ratio, throughput?.least, throughput?.most], [3, 2, 4])
})

test('a peer whose name begins like ours is a peer', () => {
  const ours = row('skiff, 3 members, on the leader', {})
  const rust = row('skiff-rs, 3 members', {})
  assert.deepEqual(
    [...new Set(ratiosOf([ours, rust]).map(({ against }) => against))],
    [rust.system],
  )
})

test('every goal of a suite that ran is told: met, not met, or not measured', () => {
  const rows = [
    row('skiff, 1 node', { callers: 1_000, opsPerSecond: [500] }),
    row('lmdb-js, best setting', { callers: 1_000, opsPerSecond: [100] }),
    row('skiff, 1 node', { callers: 64, opsPerSecond: [200] }),
    row('lmdb-js, best setting', { callers: 64, opsPerSecond: [100] }),
  ]
  const reached = reachedOf(rows, ratiosOf(rows), 2)
  assert.deepEqual(
    reached.map(({ goal, system, isMet }) => [goal.callers, system, isMet]),
    [
      [1_000, 'skiff, 1 node', true],
      [64, 'skiff, 1 node', false],
      [1, null, null],
    ],
  )
  assert.deepEqual(
    reached.map(({ sides }) => sides),
    [
      { wanted: 400, measured: 500, bound: { name: 'CPU of 2 cores', value: 2e6 / 12.345 } },
      { wanted: 300, measured: 200, bound: { name: 'CPU of 2 cores', value: 2e6 / 12.345 } },
      null,
    ],
  )
  assert.ok(goals.every(({ suite }) => suite.startsWith('put') || suite.startsWith('read')))
})

test('one caller is held against what its put consists of, many against what the log takes', () => {
  assert.equal(limitOf(row('lmdb-js, best setting', {}), limits), null)
  const single = limitOf(row('skiff, 1 node', { callers: 1, p50Ms: [1] }), limits)
  assert.deepEqual(single, { name: 'commit + hop', percent: 50 })
  const triple = limitOf(row('skiff, 3 nodes', { callers: 1, nodes: 3, p50Ms: [2] }), limits)
  assert.deepEqual(triple, { name: 'commit + socket + 2 hops', percent: 50 })
  const many = limitOf(row('skiff, 1 node', { callers: 64, opsPerSecond: [50_000] }), limits)
  assert.deepEqual(many, { name: 'log commits of 64', percent: 50 })
})

function run(operations: number, isEmbedded: boolean, syncs: number | null): Run {
  const latencies = noLatencies()
  for (let n = 0; n < operations; n++) recordLatency(latencies, n + 1)
  const result: LoadResult = {
    operations,
    operationsInAll: operations * 2,
    elapsedMs: 500,
    latencies,
    callLatencies: noLatencies(),
    called: operations,
    missed: 0,
    unanswered: 0,
    failures: { SKIFF_TIMEOUT: 2 },
    firstFailure: 'no answer',
    generator: { cpuSeconds: 1, writtenBytes: 1_000, rssMiB: 10 },
    others: { cpuSeconds: 3, writtenBytes: 5_000, rssMiB: 20 },
    threads: {
      mainSeconds: 0.5,
      busiestOtherSeconds: 0.25,
      collections: 0,
      collectionsMs: 0,
      longestCollectionMs: 0,
      delayP99Ms: 0,
      longestDelayMs: 0,
    },
    notes: ['elections'],
  }
  return {
    outcome: { result, syncs, notes: result.notes },
    isEmbedded,
    pace: { type: 'closed', callers: 4 },
  }
}

const named = {
  suite: 'put1',
  system: 'skiff, 1 node',
  nodes: 1,
  keys: 10,
  valueBytes: 100,
  putPercent: 100,
  distribution: 'uniform',
} as const

test('a row is the medians of its runs, with how far they lie apart, and hides nothing that happened', () => {
  const made = rowOf(named, [run(100, true, 50), run(300, true, 60), run(200, true, 40)])
  assert.equal(made.opsPerSecond, 400)
  assert.deepEqual(made.spread.opsPerSecond, [200, 600])
  assert.equal(made.work, 'put')
  assert.equal(made.callers, 4)
  assert.equal(made.runs.length, 3)
  assert.equal(made.syncsPerOperation, 0.1)
  assert.deepEqual(made.notes, ['elections', '2 failed with SKIFF_TIMEOUT (first: no answer)'])
})

test('the program that makes the load counts as part of the system where it holds the store, else beside it', () => {
  const within = rowOf(named, [run(100, true, null)])
  assert.equal(within.cpuSecondsPerMillion, 40_000)
  assert.equal(within.generatorCpuSecondsPerMillion, null)
  assert.equal(within.mainCpuSecondsPerMillion, 5_000)
  assert.equal(within.busiestOtherCpuSecondsPerMillion, 2_500)
  assert.equal(within.writtenBytesPerOperation, 60)
  assert.equal(within.syncsPerOperation, null)
  const beside = rowOf(named, [run(100, false, null)])
  assert.equal(beside.cpuSecondsPerMillion, 30_000)
  assert.equal(beside.mainCpuSecondsPerMillion, null)
  assert.equal(beside.generatorCpuSecondsPerMillion, 10_000)
  assert.equal(beside.rssMiB, 20)
})

test('what perf counts is added up', () => {
  const text = `# started on Wed

1201,,syscalls:sys_enter_fdatasync,129570,100.00,,
3,,syscalls:sys_enter_fsync,129570,100.00,,
<not counted>,,syscalls:sys_enter_msync,0,100.00,,
`
  assert.equal(sumOf(text), 1_204)
})
