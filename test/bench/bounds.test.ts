import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundOf } from '../../bench/bounds.ts'
import { row } from './rows.ts'

const cores = 2
const spent = { cpuSecondsPerMillion: 12, busiestOtherCpuSecondsPerMillion: 5 }

test('many callers are bound by the thread or the cores that would be busy first', () => {
  const boundWith = (numbers: Parameters<typeof row>[1]) =>
    boundOf(row('skiff, 1 node', { ...spent, ...numbers }), 'opsPerSecond', cores)
  assert.deepEqual(boundWith({}), { name: 'CPU of 2 cores', value: 1e6 / 6 })
  assert.deepEqual(boundWith({ mainCpuSecondsPerMillion: 8 }), {
    name: 'main thread',
    value: 125_000,
  })
  assert.deepEqual(boundWith({ busiestOtherCpuSecondsPerMillion: 10 }), {
    name: 'busiest other thread',
    value: 100_000,
  })
  assert.deepEqual(boundWith({ generatorCpuSecondsPerMillion: 8 }), {
    name: 'CPU of 2 cores',
    value: 100_000,
  })
})

test('as many calls as there are callers are under way, so that is what a call takes', () => {
  const ours = row('skiff, 1 node', { ...spent, callers: 1_000, cpuSecondsPerMillion: 20 })
  assert.deepEqual(boundOf(ours, 'p99Ms', cores), { name: 'CPU of 2 cores', value: 10 })
})

test('one caller is bound by what its call consists of, if not by what it costs', () => {
  const limit = { name: 'commit + hop', percent: 50 }
  const ours = row('skiff, 1 node', { ...spent, callers: 1, p50Ms: [0.5], limit })
  assert.deepEqual(boundOf(ours, 'p50Ms', cores), { name: 'commit + hop', value: 0.25 })
  assert.deepEqual(boundOf(ours, 'opsPerSecond', cores), { name: 'commit + hop', value: 4_000 })
  const costly = { ...ours, cpuSecondsPerMillion: 800 }
  assert.deepEqual(boundOf(costly, 'p50Ms', cores), { name: 'CPU of 2 cores', value: 0.4 })
})

test('of what costs nothing nothing is known', () => {
  const ours = row('skiff, 1 node', { cpuSecondsPerMillion: 0 })
  assert.equal(boundOf(ours, 'opsPerSecond', cores), null)
})
