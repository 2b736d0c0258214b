import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Callers } from '../../bench/callers.ts'
import { noLatencies, percentileOf, recordLatency, sumOf } from '../../bench/latencies.ts'
import {
  contentOf,
  emptyLedger,
  isDelete,
  keyOf,
  offencesIn,
  operationOf,
  type Workload,
  withoutReport,
} from '../../bench/ledger.ts'
import { createCluster } from '../../src/index.ts'
import { until } from '../support/until.ts'

const workload: Workload = { writer: 2, keys: 3, values: 'mixed' }

function ledgerOf(acknowledged: readonly number[], begun: readonly number[] = acknowledged) {
  return { acknowledged: Uint32Array.from(acknowledged), begun: Uint32Array.from(begun) }
}

test('a value tells which operation stored it, and no other value does', () => {
  const value = contentOf(workload, 1, 5)
  assert.equal(operationOf(workload, 1, value), 5)
  assert.equal(operationOf(workload, 2, value), null)
  assert.equal(operationOf(workload, 1, value.subarray(1)), null)
  assert.equal(operationOf(workload, 1, contentOf(workload, 1, 8)), null, 'the eighth is a delete')
  assert.equal(operationOf(workload, 1, 'text'), null)
  value[value.length - 1] = 255
  assert.equal(operationOf(workload, 1, value), null)
})

test('a value that is older than the acknowledged one, or newer than all, is an offence, and so is one that is missing', () => {
  const found = (operation: number) => Uint32Array.of(operation, 0, 0)
  assert.equal(offencesIn(workload, ledgerOf([5, 0, 0]), found(4)).length, 1)
  assert.equal(offencesIn(workload, ledgerOf([5, 0, 0]), found(6)).length, 1)
  assert.equal(offencesIn(workload, ledgerOf([5, 0, 0]), found(0)).length, 1)
  assert.deepEqual(offencesIn(workload, ledgerOf([5, 0, 0]), found(5)), [])
  assert.deepEqual(offencesIn(workload, ledgerOf([5, 0, 0], [6, 0, 0]), found(6)), [])
})

test('a key that is not there was deleted by the operation acknowledged, or by one under way', () => {
  const nothing = Uint32Array.of(0, 0, 0)
  assert.ok(isDelete(workload, 8))
  assert.deepEqual(offencesIn(workload, ledgerOf([8, 0, 0]), nothing), [])
  assert.deepEqual(offencesIn(workload, ledgerOf([7, 0, 0], [8, 0, 0]), nothing), [])
  assert.equal(offencesIn(workload, ledgerOf([9, 0, 0]), nothing).length, 1)
})

test('of a writer that was killed the newest operations may have happened, and no older ones', () => {
  const ledger = withoutReport(ledgerOf([9, 0, 0]))
  for (const operation of [9, 10, 13])
    assert.deepEqual(offencesIn(workload, ledger, Uint32Array.of(operation, 0, 0)), [])
  for (const operation of [8, 7, 14, 0])
    assert.equal(offencesIn(workload, ledger, Uint32Array.of(operation, 0, 0)).length, 1)
})

test('callers report what was acknowledged, and the store holds just that', async (t) => {
  const cluster = await createCluster()
  t.after(() => cluster.close())
  const many: Workload = { writer: 1, keys: 4, values: 'mixed' }
  const callers = new Callers(cluster, many, emptyLedger(many), 1)
  callers.start(3)
  let writes = 0
  await until(() => {
    writes += callers.report().writes
    return writes > 60
  }, 'some writes are acknowledged')
  const ledger = await callers.end()
  const { failures } = callers.report()
  assert.deepEqual(failures, [])
  assert.deepEqual(ledger.acknowledged, ledger.begun)
  const found = new Uint32Array(many.keys)
  for (const key of found.keys()) {
    const value = await cluster.get(keyOf(many, key))
    found[key] = value === undefined ? 0 : (operationOf(many, key, value) ?? -1)
  }
  assert.deepEqual(offencesIn(many, ledger, found), [])
})

test('callers notice a read that misses what was acknowledged', async () => {
  const forgetful = {
    put: async () => ({ revision: 1 }),
    delete: async () => true,
    get: async () => {
      await turn()
      return undefined
    },
  }
  const one: Workload = { writer: 1, keys: 1, values: 100 }
  const callers = new Callers(forgetful, one, ledgerOf([3]), 1)
  callers.start(1)
  await turn()
  await callers.end()
  const { failures, reads } = callers.report()
  assert.ok(reads > 0)
  assert.match(failures[0] ?? '', /wrong read/)
})

test('latencies of several seconds are one distribution, and percentiles are at most a tenth too high', () => {
  const [first, second] = [noLatencies(), noLatencies()]
  for (let ms = 1; ms <= 98; ms++) recordLatency(first, 1)
  recordLatency(second, 50)
  recordLatency(second, 1_000)
  const all = sumOf([first, second])
  const isAbout = (found: number, ms: number) =>
    assert.ok(found >= ms && found <= ms * 1.1, `${found}`)
  isAbout(percentileOf(all, 50), 1)
  isAbout(percentileOf(all, 99), 50)
  isAbout(percentileOf(all, 100), 1_000)
  assert.equal(percentileOf(noLatencies(), 99), 0)
})
