import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { packEntries } from '../../src/codec/record.ts'
import { configurationOf, encodeConfiguration } from '../../src/raft/membership.ts'
import type { Entry } from '../../src/raft/types.ts'
import {
  keyNumber,
  numberKey,
  openLogEnvironment,
  type Table,
} from '../../src/storage/environment.ts'
import { LogStore } from '../../src/storage/log-store.ts'
import { batchEntry, noop } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import { skiff } from '../support/cluster.ts'
import { markOf } from './snapshot-stage.ts'

const nothing = { hardState: null, truncateFrom: null, entries: [] }

async function openLog(test: TestContext, path?: string): Promise<{ log: LogStore; path: string }> {
  const at = path ?? join(await temporaryDir(test), 'log')
  const { store: log } = LogStore.open(openLogEnvironment(at), at)
  defer(test, () => log.close())
  return { log, path: at }
}

function append(log: LogStore, entries: readonly Entry[], truncateFrom: number | null = null) {
  log.write({ ...nothing, truncateFrom, entries }, packEntries(entries))
}

function plain({ bytes, ...entry }: Entry) {
  return { ...entry, bytes: Buffer.from(bytes).toString('hex') }
}

test('a fresh log is empty and knows nothing', async (t) => {
  const { log } = await openLog(t)
  assert.deepEqual([log.base, log.lastIndex], [{ index: 0, term: 0 }, 0])
  assert.deepEqual(log.hardState, { term: 0, votedFor: null })
  assert.deepEqual([log.identity, log.stateMark], [null, null])
})

test('entries, term and vote are there after the log is opened again', async (t) => {
  const { log, path } = await openLog(t)
  const entries = [noop(1), batchEntry(2, [['put', 'k', 1]]), noop(3, 4)]
  const hardState = { term: 4, votedFor: '00000000000000bb' }
  log.write({ hardState, truncateFrom: null, entries }, packEntries(entries))
  await log.close()
  const { log: again } = await openLog(t, path)
  assert.deepEqual(again.hardState, hardState)
  assert.equal(again.lastIndex, 3)
  assert.equal(again.term(3), 4)
  assert.deepEqual(again.entries(1, 10, 1_000_000).map(plain), entries.map(plain))
})

test('term, vote, truncation and entries are one transaction: after a crash all of it is there, or none', async (t) => {
  const at = join(await temporaryDir(t), 'log')
  const environment = openLogEnvironment(at)
  const { store: log } = LogStore.open(environment, at)
  defer(t, () => log.close())
  append(log, [noop(1), noop(2)])
  const transaction = t.mock.method(environment, 'transactionSync')
  const entries = [noop(2, 5)]
  const hardState = { term: 5, votedFor: null }
  log.write({ hardState, truncateFrom: 2, entries }, packEntries(entries))
  assert.equal(transaction.mock.callCount(), 1)
})

test('a truncation removes an entry and all behind it, in the transaction that appends', async (t) => {
  const { log, path } = await openLog(t)
  append(log, [noop(1), noop(2), noop(3), noop(4)])
  append(log, [noop(3, 2)], 3)
  assert.deepEqual([log.lastIndex, log.term(2), log.term(3)], [3, 1, 2])
  append(log, [], 2)
  assert.equal(log.lastIndex, 1)
  await log.close()
  const { log: again } = await openLog(t, path)
  assert.equal(again.lastIndex, 1)
})

test('reads are bounded by entries and bytes, but give at least one', async (t) => {
  const { log } = await openLog(t)
  append(
    log,
    [1, 2, 3, 4].map((n) => batchEntry(n, [['put', 'k', 'x'.repeat(100)]])),
  )
  const indexes = (from: number, entries: number, bytes: number) =>
    log.entries(from, entries, bytes).map(({ index }) => index)
  assert.deepEqual(indexes(1, 10, 1_000_000), [1, 2, 3, 4])
  assert.deepEqual(indexes(2, 2, 1_000_000), [2, 3])
  assert.deepEqual(indexes(1, 10, 300), [1, 2])
  assert.deepEqual(indexes(3, 10, 1), [3])
  assert.deepEqual(indexes(5, 10, 1_000_000), [])
})

test('a gap between entries is never written', async (t) => {
  const { log, path } = await openLog(t)
  append(log, [noop(1), noop(2)])
  for (const index of [1, 2, 4])
    assert.throws(() => append(log, [noop(index)]), new RegExp(`gap: ${index} written at 3`))
  assert.throws(() => append(log, [noop(5)], 5), /truncate 5, the log ends at 2/)
  assert.throws(() => append(log, [noop(1)], 2), /gap: 1 written at 2/)
  await log.close()
  const { log: again } = await openLog(t, path)
  assert.equal(again.lastIndex, 2)
})

test('founding writes the cluster id and the first entry together, into an empty log only', async (t) => {
  const { log, path } = await openLog(t)
  const identity = {
    nodeId: '00000000000000aa',
    clusterId: 'c'.repeat(32),
    address: '127.0.0.1:1',
    starts: 1,
    lineage: [2 ** 20],
    disowned: null,
  }
  const members = [{ id: identity.nodeId, address: identity.address, role: 'voter' as const }]
  const founding = configurationOf(members)
  const bytes = encodeConfiguration(founding)
  const first: Entry = { index: 1, term: 1, type: 'membership', bytes }
  assert.throws(() => log.bootstrap(identity, first, new Uint8Array([1, 2, 3])))
  assert.deepEqual([log.identity, log.lastIndex], [null, 0], 'neither without the other')
  log.bootstrap(identity, first, packEntries([first]))
  assert.throws(() => log.bootstrap(identity, first, packEntries([first])), /only an empty log/)
  await log.close()
  const { store, memberships } = LogStore.open(openLogEnvironment(path), path)
  defer(t, () => store.close())
  assert.deepEqual(store.identity, identity)
  assert.deepEqual(store.hardState, { term: 1, votedFor: null })
  assert.deepEqual(memberships, [{ index: 1, ...founding }])
})

/** Does something to a closed log by hand. */
async function tamper(path: string, change: (table: Table) => void) {
  const environment = openLogEnvironment(path)
  change(environment.openTable('log'))
  await environment.close()
}

const damages: readonly [string, RegExp, (table: Table) => void][] = [
  [
    'a flipped bit',
    /log entry 2 .*checksum/,
    (table) => {
      const record = Buffer.from(table.get(numberKey(2)) ?? [])
      record.writeUInt8(record.readUInt8(record.length - 1) ^ 1, record.length - 1)
      table.putSync(numberKey(2), record)
    },
  ],
  [
    'an entry in the place of another',
    /log entry 2 .*holds entry 3/,
    (table) => table.putSync(numberKey(2), Buffer.from(table.get(numberKey(3)) ?? [])),
  ],
  ['a missing entry', /log entry 2 .*/, (table) => table.removeSync(numberKey(2))],
  ['a missing first entry', /log entry 1 .*/, (table) => table.removeSync(numberKey(1))],
  [
    'a record cut short',
    /log entry 3 .*too short/,
    (table) => table.putSync(numberKey(3), Buffer.alloc(5)),
  ],
]

for (const [what, message, change] of damages) {
  test(`${what} is found when the log is opened, and named`, async (t) => {
    const { log, path } = await openLog(t)
    append(
      log,
      [1, 2, 3].map((n) => batchEntry(n, [['put', 'k', n]])),
    )
    await log.close()
    await tamper(path, change)
    assert.throws(
      () => LogStore.open(openLogEnvironment(path), path),
      skiff('SKIFF_STORAGE', 'not-applied', message),
    )
  })
}

test('a term that goes back is found when the log is opened', async (t) => {
  const { log, path } = await openLog(t)
  append(log, [noop(1, 5), noop(2, 4)])
  await log.close()
  assert.throws(
    () => LogStore.open(openLogEnvironment(path), path),
    skiff('SKIFF_STORAGE', 'not-applied', /log entry 2 .*out of order/),
  )
})

// ── cut and replaced ────────────────────────────────────────────────────────────────────────────────

function entriesTo(first: number, last: number): Entry[] {
  return Array.from({ length: last + 1 - first }, (_, n) => noop(first + n))
}

/** Indexes of the rows there are, whether or not they are part of the log. */
async function rowsOf(path: string): Promise<number[]> {
  const environment = openLogEnvironment(path)
  const rows = [...environment.openTable('log').getKeys({ start: numberKey(0) })].map(keyNumber)
  await environment.close()
  return rows
}

test('a log that is cut begins behind its base, also after it is opened again', async (t) => {
  const { log, path } = await openLog(t)
  append(log, entriesTo(1, 30))
  log.recordSnapshots([markOf(20), markOf(10)], { index: 10, term: 1 })
  assert.deepEqual(
    [log.base, log.lastIndex, log.termAt(10), log.termAt(9)],
    [{ index: 10, term: 1 }, 30, 1, null],
  )
  await log.close()
  const { log: again } = await openLog(t, path)
  assert.deepEqual([again.base, again.lastIndex], [{ index: 10, term: 1 }, 30])
  assert.deepEqual(again.snapshots, [markOf(20), markOf(10)])
  assert.deepEqual(
    again.entries(11, 2, 1_000).map(({ index }) => index),
    [11, 12],
  )
})

test('no log is cut beyond its oldest snapshot, nor back', async (t) => {
  const { log } = await openLog(t)
  append(log, entriesTo(1, 30))
  const cut = (index: number) => log.recordSnapshots([markOf(20)], { index, term: 1 })
  assert.throws(() => cut(21), /cut behind 21, from 0, without a snapshot of it/)
  cut(20)
  assert.throws(() => cut(19), /cut behind 19, from 20/)
})

test('rows that were cut go little by little, with later writes, also after a restart in the middle', async (t) => {
  const { log, path } = await openLog(t)
  append(log, entriesTo(1, 1_200))
  log.recordSnapshots([markOf(1_100)], { index: 1_100, term: 1 })
  await log.close()
  assert.equal((await rowsOf(path)).length, 1_200)
  const { log: middle } = await openLog(t, path)
  append(middle, [noop(1_201)])
  await middle.close()
  const left = await rowsOf(path)
  assert.ok(left.length > 101 && left.length < 1_000, `${left.length} rows`)
  const { log: again } = await openLog(t, path)
  for (let index = 1_202; index <= 1_204; index++) append(again, [noop(index)])
  assert.deepEqual([again.base.index, again.lastIndex], [1_100, 1_204])
  await again.close()
  assert.deepEqual(
    await rowsOf(path),
    entriesTo(1_101, 1_204).map(({ index }) => index),
  )
})

test('a damaged row that was cut away is nothing to a log', async (t) => {
  const { log, path } = await openLog(t)
  append(log, entriesTo(1, 10))
  log.recordSnapshots([markOf(5)], { index: 5, term: 1 })
  await log.close()
  await tamper(path, (table) => table.putSync(numberKey(3), Buffer.from('?')))
  const { log: again } = await openLog(t, path)
  assert.equal(again.lastIndex, 10)
})

test('the entry behind the base must be there, and its term not below', async (t) => {
  for (const [change, message] of [
    [(table: Table) => table.removeSync(numberKey(6)), /log entry 6 .*/],
    [
      (table: Table) => table.putSync(numberKey(6), Buffer.from(packEntries([noop(6, 0)]))),
      /entry 6/,
    ],
  ] as const) {
    const { log, path } = await openLog(t)
    append(log, entriesTo(1, 10))
    log.recordSnapshots([markOf(5)], { index: 5, term: 1 })
    await log.close()
    await tamper(path, change)
    assert.throws(
      () => LogStore.open(openLogEnvironment(path), path),
      skiff('SKIFF_STORAGE', 'not-applied', message),
    )
  }
})

for (const index of [5, 50]) {
  test(`a snapshot takes the place of the log, which goes on behind it: entry ${index} of 10`, async (t) => {
    const { log, path } = await openLog(t)
    append(log, entriesTo(1, 10))
    const state = { bootId: 'boot', clean: false, lost: false, unproven: 0, generation: 3 }
    log.install({ ...markOf(index), term: 7 }, state)
    assert.deepEqual([log.base, log.lastIndex], [{ index, term: 7 }, index])
    append(log, [noop(index + 1, 7)])
    await log.close()
    const { log: again } = await openLog(t, path)
    assert.deepEqual(
      [again.base.index, again.lastIndex, again.term(index + 1)],
      [index, index + 1, 7],
    )
    assert.deepEqual([again.stateMark, again.snapshots], [state, [{ ...markOf(index), term: 7 }]])
    for (let next = index + 2; next < index + 5; next++) append(again, [noop(next, 7)])
    await again.close()
    assert.deepEqual(
      await rowsOf(path),
      [1, 2, 3, 4].map((n) => index + n),
    )
  })
}

test('an install is one transaction: after a crash all of it is there, or none', async (t) => {
  const at = join(await temporaryDir(t), 'log')
  const environment = openLogEnvironment(at)
  const { store: log } = LogStore.open(environment, at)
  defer(t, () => log.close())
  append(log, entriesTo(1, 10))
  const transaction = t.mock.method(environment, 'transactionSync')
  log.install(markOf(50), { bootId: 'boot', clean: false, lost: false, unproven: 0, generation: 1 })
  assert.equal(transaction.mock.callCount(), 1)
})

test('members are those of the oldest snapshot, and of all entries behind it', async (t) => {
  const at = join(await temporaryDir(t), 'log')
  const { store: log } = LogStore.open(openLogEnvironment(at), at)
  const member = (id: string) => ({ id, address: '127.0.0.1:1', role: 'voter' as const })
  const of = (...ids: string[]) => ids.map((id) => member(id.padStart(16, '0')))
  const change = (index: number, ...ids: string[]): Entry => ({
    ...noop(index),
    type: 'membership',
    bytes: encodeConfiguration(configurationOf(of(...ids))),
  })
  append(log, [change(1, 'a'), noop(2), change(3, 'a', 'b'), noop(4), change(5, 'a', 'b', 'c')])
  const older = { ...markOf(2), membership: { index: 1, ...configurationOf(of('a')) } }
  const newer = { ...markOf(4), membership: { index: 3, ...configurationOf(of('a', 'b')) } }
  log.recordSnapshots([newer, older], { index: 2, term: 1 })
  await log.close()
  const { store, memberships } = LogStore.open(openLogEnvironment(at), at)
  defer(t, () => store.close())
  assert.deepEqual(memberships, [
    { index: 1, ...configurationOf(of('a')) },
    { index: 3, ...configurationOf(of('a', 'b')) },
    { index: 5, ...configurationOf(of('a', 'b', 'c')) },
  ])
})
