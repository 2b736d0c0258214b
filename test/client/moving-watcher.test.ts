/** A watch that moves from node to node, over watchers in the hands of the test. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MovingWatcher } from '../../src/client/moving-watcher.ts'
import { Watchers } from '../../src/client/watchers.ts'
import { EventWriter } from '../../src/codec/event.ts'
import { packValue } from '../../src/codec/value.ts'
import { SkiffError } from '../../src/errors.ts'
import { resolveOptions, type WatchOptions } from '../../src/options.ts'
import { openChannel } from '../support/channel.ts'
import { brief, take } from '../support/cluster.ts'

const everywhere = { hasLive: () => true, hasLiveMember: () => true }
const crash = new SkiffError('SKIFF_CRASHED', 'not-applied', 'it broke')

function putAt(revision: number): Uint8Array {
  const writer = new EventWriter()
  writer.put(revision, Buffer.from('k'), Uint8Array.from(packValue(revision)), null)
  return writer.finish()
}

/** Each opening is on another node. */
function openMoving(t: TestContext, options: WatchOptions = {}) {
  const nodes: Watchers[] = []
  const openings: (number | null)[] = []
  const open = (from: WatchOptions) => {
    const node = new Watchers(openChannel(t).port, resolveOptions())
    nodes.push(node)
    const asked = { ...options, ...from }
    openings.push(asked.fromRevision ?? null)
    return node.watch('', asked)
  }
  return { watcher: new MovingWatcher(open, everywhere, options), nodes, openings }
}

test('it goes on behind the last event it has given, however often it moves', async (t) => {
  const { watcher, nodes, openings } = openMoving(t)
  nodes[0]?.watching(1, 3)
  await watcher.ready
  nodes[0]?.events(putAt(4))
  nodes[0]?.events(putAt(5))
  nodes[0]?.failAll(crash)
  const events = take(watcher, 4)
  await watcher.ready
  while (nodes.length < 2) await Promise.resolve()
  nodes[1]?.watching(1, 5)
  nodes[1]?.events(putAt(6))
  while (watcher.revision < 6) await Promise.resolve()
  nodes[1]?.failAll(crash)
  while (nodes.length < 3) await Promise.resolve()
  nodes[2]?.history(1, putAt(7))
  assert.deepEqual((await events).map(brief), ['4 put k 4', '5 put k 5', '6 put k 6', '7 put k 7'])
  assert.deepEqual(openings, [null, 6, 7])
})

test('one that has seen nothing goes on where it began; one that has not begun, with the present', async (t) => {
  const begun = openMoving(t)
  begun.nodes[0]?.watching(1, 3)
  await begun.watcher.ready
  begun.nodes[0]?.failAll(crash)
  void begun.watcher.next()
  while (begun.nodes.length < 2) await Promise.resolve()
  assert.deepEqual(begun.openings, [null, 4])

  const early = openMoving(t)
  early.nodes[0]?.failAll(crash)
  while (early.nodes.length < 2) await Promise.resolve()
  assert.deepEqual(early.openings, [null, null])
})

test('one whose node found its state to be wrong ends, for what it has told may be; where the disk fails it moves', async (t) => {
  const storage = (revision: number | null) =>
    new SkiffError('SKIFF_STORAGE', 'not-applied', 'the state was wrong', { revision })
  const wrong = openMoving(t)
  wrong.nodes[0]?.failAll(storage(4))
  await assert.rejects(wrong.watcher.next(), { code: 'SKIFF_STORAGE', revision: 4 })
  assert.equal(wrong.nodes.length, 1)

  const failed = openMoving(t)
  failed.nodes[0]?.failAll(storage(null))
  while (failed.nodes.length < 2) await Promise.resolve()
})
