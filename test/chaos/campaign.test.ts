/** What a campaign does itself: its deck, its checks, and what it does where a fault cannot be had. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { Random } from '../simulation/random.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import { BrokenPromise, Complaints, kept } from './complaints.ts'
import { shuffleDeck } from './deck.ts'
import { mountsBelow, SmallDisk } from './disk.ts'
import { checkRemains, entriesOf } from './ending.ts'
import { faultKinds, faults } from './faults.ts'
import { Fleet, Slot } from './fleet.ts'
import { Load } from './load.ts'
import { Proxies } from './proxy.ts'

test('a deck holds each kind once, and the same seed gives the same cards', () => {
  const deck = shuffleDeck(faultKinds, new Random(7))
  assert.deepEqual(deck.map(({ kind }) => kind).toSorted(), faultKinds.toSorted())
  assert.deepEqual(shuffleDeck(faultKinds, new Random(7)), deck)
  assert.notDeepEqual(shuffleDeck(faultKinds, new Random(8)), deck)
})

test('the log says what every member must hold, to the last revision', () => {
  const log = [
    { revision: 1, key: 'b', value: 'one' },
    { revision: 2, key: 'a', value: 'two' },
    { revision: 3, key: 'b', value: 'three' },
    { revision: 4, key: 'a', value: null },
    { revision: 5, key: 'a', value: 'four' },
  ]
  assert.deepEqual(entriesOf(log), [
    { key: 'a', value: 'four', createRevision: 5, modRevision: 5, version: 1 },
    { key: 'b', value: 'three', createRevision: 1, modRevision: 3, version: 2 },
  ])
})

test('a process that is left behind is a broken promise', async (t) => {
  const complaints = new Complaints()
  const fleet = new Fleet([], new Proxies())
  const folder = await temporaryDir(t)
  await checkRemains(folder, fleet, complaints)
  assert.equal(complaints.found.length, 0)
  const child = spawn('sleep', ['1000'])
  defer(t, async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  await checkRemains(folder, fleet, complaints)
  assert.deepEqual(complaints.found, [
    { rule: 'no process is left', details: `${child.pid} sleep` },
  ])
})

test('a mount that is left behind is a broken promise', async (t) => {
  const folder = await temporaryDir(t)
  const disk = await SmallDisk.mount(folder)
  if (disk === null) return t.skip('mounts are not permitted')
  defer(t, () => disk.unmount())
  const complaints = new Complaints()
  await checkRemains(folder, new Fleet([], new Proxies()), complaints)
  assert.deepEqual(
    complaints.found.map(({ rule }) => rule),
    ['no mount is left'],
  )
  await disk.unmount()
  assert.deepEqual(await mountsBelow(folder), [])
})

test('a small disk can be filled to a mark, to the last byte, and emptied', async (t) => {
  const folder = await temporaryDir(t)
  const disk = await SmallDisk.mount(folder)
  if (disk === null) return t.skip('mounts are not permitted')
  defer(t, () => disk.unmount())
  const size = await disk.freeBytes()
  await disk.fill(2 ** 20)
  assert.equal(await disk.freeBytes(), 2 ** 20)
  await disk.fill(0)
  assert.equal(await disk.freeBytes(), 0)
  await disk.empty()
  assert.equal(await disk.freeBytes(), size)
})

test('a fault that needs a small disk is skipped where there is none', async (t) => {
  const complaints = new Complaints()
  const folder = await temporaryDir(t)
  const slot = new Slot({ n: 1, dir: folder, disk: null, port: 1, seeds: [], complaints })
  const fleet = new Fleet([slot], new Proxies())
  const random = new Random(1)
  const load = new Load(fleet, 0, random, complaints)
  const stage = { fleet, load, folder, say: () => undefined, lost: 0 }
  for (const kind of ['disk low', 'disk full'] as const)
    assert.equal(await faults[kind](stage, slot, random), 'it has no small disk')
})

test('what should happen and fails is a broken promise of that name', async () => {
  await assert.rejects(kept('it works', Promise.reject(new Error('no'))), (error: unknown) => {
    assert.ok(error instanceof BrokenPromise)
    assert.equal(error.rule, 'it works')
    return true
  })
  assert.equal(await kept('it works', Promise.resolve(1)), 1)
})
