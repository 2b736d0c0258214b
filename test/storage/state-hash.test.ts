/** The hash of a state: what changes it, and what does not. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { openStateEnvironment } from '../../src/storage/environment.ts'
import { isTrue, Scrub } from '../../src/storage/scrub.ts'
import { digestOf, hashedTables, noRows, StateHash } from '../../src/storage/state-hash.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { batchEntry, type Change } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'

const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 })
const rows = fc.array(fc.tuple(fc.constantFrom(...hashedTables), bytes, bytes), { maxLength: 20 })

test('the order of the rows is nothing to it, and what is taken back was never there', () => {
  fc.assert(
    fc.property(rows, rows, (some, others) => {
      const [one, two] = [new StateHash(noRows), new StateHash(noRows)]
      for (const row of [...some, ...others]) one.add(...row)
      for (const row of others) one.remove(...row)
      for (const row of [...some].reverse()) two.add(...row)
      assert.deepEqual(one.lanes, two.lanes)
    }),
  )
})

test('any bit of a row counts, and so do its table, where its key ends, and the revision', () => {
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), (key, value, at) => {
      const digest = (table: 'kv' | 'prefixes', ...row: [Uint8Array, Uint8Array]): number => {
        const hash = new StateHash(noRows)
        hash.add(table, ...row)
        return digestOf(hash, 1)
      }
      const flipped = (of: Uint8Array) =>
        of.map((byte, n) => (n === at % of.length ? byte ^ (1 << (at % 8)) : byte))
      const hash = new StateHash(noRows)
      hash.add('kv', key, value)
      const longer = Uint8Array.of(...key, value[0] ?? 0)
      const digests = [
        digest('kv', key, value),
        digest('prefixes', key, value),
        digest('kv', flipped(key), value),
        digest('kv', key, flipped(value)),
        digest('kv', longer, value.subarray(1)),
        digestOf(hash, 2),
      ]
      assert.ok(digests.every((each) => Number.isSafeInteger(each)))
      assert.equal(new Set(digests).size, digests.length)
    }),
  )
})

test('rows that are looked at while they change add up, also to the damage among them', async (t) => {
  const environment = openStateEnvironment(join(await temporaryDir(t), 'state'))
  const state = new StateMachine(environment)
  defer(t, () => state.close())
  const changes = (n: number): Change[] => [
    ...Array.from({ length: 20 }, (_, at): Change => ['put', `n${at % 3}/${(n * 7 + at) % 50}`, n]),
    ['delete', `n${n % 3}/${n % 50}`],
  ]
  for (let n = 1; n <= 20; n++) state.apply([batchEntry(n, changes(n))], null)
  for (let n = 21; n <= 60; n++) {
    const scrub = state.beginScrub()
    for (let index = n * 100; !scrub.step(5, 60); index++)
      state.apply([batchEntry(state.appliedIndex + 1, changes(index))], null)
    assert.ok(scrub.sum.equals(state.hash), `pass ${n}`)
    // lmdb renews what it reads at the end of the turn.
    await new Promise(setImmediate)
  }
  assert.ok(isTrue(environment))
  state.beginAnew(10)
  assert.ok(isTrue(environment), 'without its sessions')
  const [key] = state.tables.kv.getKeys({ start: Buffer.from([0]), limit: 1 })
  assert.ok(key !== undefined)
  const row = Buffer.from(state.tables.kv.get(key) ?? assert.fail())
  row[3] = (row[3] ?? 0) ^ 1
  environment.transactionSync(() => state.tables.kv.putSync(key, row))
  assert.ok(!isTrue(environment))
  const scrub = new Scrub(state.tables)
  await new Promise(setImmediate)
  while (!scrub.step(7, 20));
  assert.ok(!scrub.sum.equals(state.hash))
})
