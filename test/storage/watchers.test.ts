import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readEvents } from '../../src/codec/event.ts'
import { packEntries } from '../../src/codec/record.ts'
import type { StorageToNetwork } from '../../src/messages.ts'
import {
  numberKey,
  openLogEnvironment,
  openStateEnvironment,
} from '../../src/storage/environment.ts'
import { LogStore } from '../../src/storage/log-store.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { Watchers } from '../../src/storage/watchers.ts'
import { batchEntry, type Change } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'

/** Log, state and watchers of one node, without the node. */
async function openWatchers(t: TestContext, unreadBytesMax = 1_000_000) {
  const dir = await temporaryDir(t)
  const { store: log } = LogStore.open(openLogEnvironment(join(dir, 'log')), dir)
  defer(t, () => log.close())
  const state = new StateMachine(openStateEnvironment(join(dir, 'state')))
  defer(t, () => state.close())
  const watchers = new Watchers(state, log, unreadBytesMax)
  const apply = (...batches: readonly Change[][]): void => {
    const entries = batches.map((changes, n) => batchEntry(log.lastIndex + 1 + n, changes))
    log.write({ hardState: null, truncateFrom: null, entries }, packEntries(entries))
    state.apply(entries, watchers.isEmpty ? null : watchers)
  }
  return { watchers, state, apply }
}

/** Messages in a few words, in their order. */
function hear(watchers: Watchers): string[] {
  return watchers.takeMessages().flatMap(describe)
}

function describe(message: StorageToNetwork): string[] {
  switch (message.type) {
    case 'watching':
      return [`watching ${message.id} behind ${message.revision}`]
    case 'history':
      return readEvents(message.events).map((event) => `past ${event.revision} ${event.key}`)
    case 'events':
      return readEvents(message.events).map((event) => `live ${event.revision} ${event.key}`)
    case 'watchEnded':
      return [`ended ${message.id} ${message.error.code} ${message.error.revision}`]
    default:
      assert.fail(message.type)
  }
}

function puts(...keys: string[]): Change[] {
  return keys.map((key) => ['put', key, 'x'])
}

test('a snapshot ends who has missed what it stands for, and not who can read it in a log that was kept', async (t) => {
  const { watchers, apply } = await openWatchers(t)
  apply(puts('k1', 'k2'))
  watchers.pause()
  watchers.add(1, 'k', 2, false)
  watchers.resume()
  watchers.restored()
  watchers.pump()
  assert.deepEqual(hear(watchers), ['past 2 k2', 'watching 1 behind 2'])
  watchers.add(2, 'other', null, false)
  apply(puts('k3'))
  watchers.restored()
  assert.deepEqual(hear(watchers).slice(-1), ['ended 2 SKIFF_COMPACTED 1'])
})

test('events of the present are sent once, however many watch, and only if one does', async (t) => {
  const { watchers, apply } = await openWatchers(t)
  watchers.add(1, 'a/', null, false)
  watchers.add(2, 'a', null, false)
  assert.deepEqual(hear(watchers), ['watching 1 behind 0', 'watching 2 behind 0'])
  apply(puts('a/1', 'b/1', 'a2'))
  assert.deepEqual(hear(watchers), ['live 1 a/1', 'live 3 a2'])
  watchers.remove(2)
  apply(puts('a3', 'a/4'))
  assert.deepEqual(hear(watchers), ['live 5 a/4'])
})

test('the past is read a slice a turn, from the middle of a batch on, then the present follows', async (t) => {
  const { watchers, apply } = await openWatchers(t)
  for (let n = 0; n < 100; n++) apply(puts(`k${n}a`, `k${n}b`))
  watchers.add(1, 'k', 2, false)
  assert.equal(watchers.pump(), true)
  const first = hear(watchers)
  assert.equal(first[0], 'past 2 k0b')
  assert.equal(first.length, 127, '64 batches, but for one event')
  apply(puts('k-new'))
  assert.equal(watchers.pump(), false)
  const rest = hear(watchers)
  assert.deepEqual(rest.slice(-2), ['past 201 k-new', 'watching 1 behind 201'])
  assert.equal(first.length + rest.length - 1, 200)
  apply(puts('k-live'))
  assert.deepEqual(hear(watchers), ['live 202 k-live'])
})

test('a turn reads a bounded piece of the past, for all watchers together, each in its turn', async (t) => {
  const { watchers, apply } = await openWatchers(t)
  for (let n = 0; n < 40; n++) apply(puts(`k${n}`))
  // Nothing matches, so nothing is unread, and only the budget ends a turn.
  for (let id = 1; id <= 8; id++) watchers.add(id, 'none', 1, false)
  let turns = 1
  for (; watchers.pump(); turns++) assert.ok(hear(watchers).length <= 2, 'at most two caught up')
  assert.equal(turns, (8 * 40) / 64)
})

test('a reader of the past waits for room, and goes on when its events were taken', async (t) => {
  const { watchers, apply } = await openWatchers(t, 400)
  for (let n = 0; n < 30; n++) apply(puts(`k${n}`))
  watchers.add(1, 'k', 1, false)
  watchers.pump()
  const seen = hear(watchers)
  assert.ok(seen.length < 30, `${seen.length} events at once`)
  assert.equal(watchers.pump(), false, 'without room there is nothing to do')
  for (let turn = 0; turn < 30 && !seen.some((line) => line.startsWith('watching')); turn++) {
    watchers.consumed(1, 200)
    while (watchers.pump()) seen.push(...hear(watchers))
    seen.push(...hear(watchers))
  }
  assert.deepEqual(seen, [
    ...Array.from({ length: 30 }, (_, n) => `past ${n + 1} k${n}`),
    'watching 1 behind 30',
  ])
})

test('a slow watcher ends behind the events it can still have, in the middle of a batch', async (t) => {
  const { watchers, apply } = await openWatchers(t, 100)
  watchers.add(1, 'k', null, false)
  watchers.add(2, 'k2', null, false)
  hear(watchers)
  apply(puts('k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'))
  assert.deepEqual(hear(watchers), [
    'live 1 k0',
    'live 2 k1',
    'live 3 k2',
    'live 4 k3',
    'ended 1 SKIFF_SLOW_WATCHER 5',
  ])
  apply(puts('k2'))
  assert.deepEqual(hear(watchers), ['live 8 k2'])
})

test('old values count as well against a watcher that wants them', async (t) => {
  const { watchers, apply } = await openWatchers(t, 300)
  apply([['put', 'k', 'x'.repeat(400)]])
  watchers.add(1, 'k', null, true)
  watchers.add(2, 'none', null, true)
  hear(watchers)
  apply(puts('k'))
  assert.deepEqual(hear(watchers), ['ended 1 SKIFF_SLOW_WATCHER 2'])
})

test('what was taken makes room for as much, not for more', async (t) => {
  const { watchers, apply } = await openWatchers(t, 100)
  watchers.add(1, 'k', null, false)
  apply(puts('k0', 'k1', 'k2', 'k3'))
  hear(watchers)
  watchers.consumed(1, 1)
  apply(puts('k4'))
  assert.deepEqual(hear(watchers), ['ended 1 SKIFF_SLOW_WATCHER 5'])
})

test('compacted: where the oldest revisions are gone, the oldest one left is named', async (t) => {
  const { watchers, state, apply } = await openWatchers(t)
  for (let n = 0; n < 5; n++) apply(puts(`k${n}a`, `k${n}b`))
  for (const revision of [1, 3]) state.tables.revisions.removeSync(numberKey(revision))
  watchers.add(1, '', 4, false)
  watchers.pump()
  assert.deepEqual(hear(watchers), ['ended 1 SKIFF_COMPACTED 5'])
  watchers.add(2, '', 6, false)
  watchers.pump()
  assert.deepEqual(hear(watchers), [
    'past 6 k2b',
    'past 7 k3a',
    'past 8 k3b',
    'past 9 k4a',
    'past 10 k4b',
    'watching 2 behind 10',
  ])
})

test('a node that was removed ends its watchers behind what they were sent, and takes none until it is back', async (t) => {
  const { watchers, apply } = await openWatchers(t)
  for (let n = 0; n < 100; n++) apply(puts(`k${n}`))
  watchers.add(1, 'k', null, false)
  watchers.add(2, 'k', 200, false)
  watchers.add(3, 'k', 1, false)
  watchers.pump()
  hear(watchers)
  apply(puts('k100', 'other'))
  watchers.follow(true)
  assert.deepEqual(hear(watchers), [
    'live 101 k100',
    'ended 1 SKIFF_MEMBERSHIP 103',
    'ended 2 SKIFF_MEMBERSHIP 200',
    'ended 3 SKIFF_MEMBERSHIP 65',
  ])
  assert.ok(watchers.isEmpty)
  watchers.add(4, 'k', null, false)
  watchers.add(5, 'k', 7, false)
  assert.equal(watchers.pump(), false)
  assert.deepEqual(hear(watchers), ['ended 4 SKIFF_MEMBERSHIP 103', 'ended 5 SKIFF_MEMBERSHIP 7'])
  watchers.follow(false)
  watchers.add(6, 'k', null, false)
  apply(puts('k101'))
  assert.deepEqual(hear(watchers), ['watching 6 behind 102', 'live 103 k101'])
})

test('a watcher of the future hears nothing before its revision', async (t) => {
  const { watchers, apply } = await openWatchers(t)
  watchers.add(1, 'k', 3, false)
  assert.deepEqual(hear(watchers), ['watching 1 behind 0'])
  apply(puts('k1', 'k2', 'k3'), puts('k4'))
  assert.deepEqual(hear(watchers), ['live 3 k3', 'live 4 k4'])
})

test('previous values are asked for only while somebody wants them', async (t) => {
  const { watchers } = await openWatchers(t)
  assert.equal(watchers.wantsPrevious, false)
  watchers.add(1, '', null, true)
  assert.equal(watchers.wantsPrevious, true)
  watchers.remove(1)
  assert.equal(watchers.wantsPrevious, false)
})
