import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Queue } from '../../src/client/queue.ts'
import { Watchers } from '../../src/client/watchers.ts'
import { EventWriter, readEvents } from '../../src/codec/event.ts'
import { packValue } from '../../src/codec/value.ts'
import { errorToData, SkiffError } from '../../src/errors.ts'
import type { Watcher } from '../../src/index.ts'
import { resolveOptions } from '../../src/options.ts'
import { nextTurn, openChannel } from '../support/channel.ts'
import { skiff, take } from '../support/cluster.ts'

test('an event that waits owns its bytes, not those of the whole turn', async (t) => {
  const { port } = openChannel(t)
  const watchers = new Watchers(port, resolveOptions())
  const watcher = watchers.watch('k', { previous: true })
  watchers.watching(1, 0)
  const [old, fresh] = ['old', 'new'].map((text) => Uint8Array.from(packValue(text)))
  assert.ok(old !== undefined && fresh !== undefined)
  const writer = new EventWriter()
  writer.put(1, Buffer.from('k/1'), fresh, old)
  writer.delete(2, Buffer.from('k/1'), fresh)
  const turn = writer.finish()
  watchers.events(turn)
  // As if the memory of the turn were used for something else.
  turn.fill(0)
  assert.deepEqual(await take(watcher, 2), [
    { type: 'put', key: 'k/1', value: 'new', previous: 'old', revision: 1 },
    { type: 'delete', key: 'k/1', previous: 'new', revision: 2 },
  ])
})

/** One put for each of these revisions. */
function putsAt(...revisions: number[]): Uint8Array {
  const writer = new EventWriter()
  const value = Uint8Array.from(packValue('v'))
  for (const revision of revisions) writer.put(revision, Buffer.from(`k/${revision}`), value, null)
  return writer.finish()
}

test('who resumes behind the revision of a watcher gets all that it has not taken, and nothing else', async (t) => {
  const { port } = openChannel(t)
  const watchers = new Watchers(port, resolveOptions())
  const fromNow = watchers.watch('k')
  const fromPast = watchers.watch('k', { fromRevision: 3 })
  const revisions = () => [fromNow.revision, fromPast.revision]
  assert.deepEqual(revisions(), [0, 2])
  watchers.watching(1, 5)
  watchers.history(2, putsAt(3, 5))
  watchers.watching(2, 5)
  assert.deepEqual(revisions(), [5, 2])
  watchers.events(putsAt(7, 9))
  assert.deepEqual(revisions(), [5, 2])
  await take(fromNow, 1)
  await take(fromPast, 3)
  assert.deepEqual(revisions(), [7, 7])
  await take(fromNow, 1)
  await take(fromPast, 1)
  assert.deepEqual(revisions(), [9, 9])
})

test('a watcher of the future hears nothing before its revision, whatever others of its node want', async (t) => {
  const { port } = openChannel(t)
  const watchers = new Watchers(port, resolveOptions())
  const now = watchers.watch('k')
  const future = watchers.watch('k', { fromRevision: 8 })
  watchers.watching(1, 5)
  watchers.watching(2, 5)
  watchers.events(putsAt(6, 7, 8))
  const revisionsOf = async (watcher: Watcher, count: number): Promise<number[]> =>
    (await take(watcher, count)).map(({ revision }) => revision)
  assert.deepEqual(await revisionsOf(now, 3), [6, 7, 8])
  assert.deepEqual(await revisionsOf(future, 1), [8])
})

test('each event that is taken is reported once', async (t) => {
  const { port, storage } = openChannel(t)
  const watchers = new Watchers(port, resolveOptions())
  const watcher = watchers.watch('k')
  watchers.watching(1, 0)
  const reported = (): number[] =>
    storage.receive().flatMap((message) => (message.type === 'consumed' ? [message.bytes] : []))
  const bytes = (revisions: Uint8Array) =>
    [...readEvents(revisions)].reduce((sum, event) => sum + event.byteLength, 0)
  for (const turn of [putsAt(1), putsAt(2, 3, 4), putsAt(5)]) {
    watchers.events(turn)
    await take(watcher, [...readEvents(turn)].length)
    await nextTurn()
    assert.deepEqual(reported(), [bytes(turn)])
  }
})

test('a watcher that was ended or closed makes room for another', async (t) => {
  const { port } = openChannel(t)
  const watchers = new Watchers(port, resolveOptions({ watchersMax: 1 }))
  const ended = watchers.watch('k')
  assert.throws(() => watchers.watch('k'), skiff('SKIFF_OVERLOADED', 'not-applied'))
  watchers.ended(1, errorToData(new SkiffError('SKIFF_OVERLOADED', 'not-applied', 'too slow')))
  await assert.rejects(ended.next(), /too slow/)
  const closed = watchers.watch('k')
  await closed.close()
  watchers.watch('k')
})

test('a queue gives what an array would, whatever is pushed, taken and drained', () => {
  const step = fc.constantFrom('push', 'push', 'push', 'shift', 'shift', 'drain')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queue = new Queue<number>()
      const model: number[] = []
      for (const [n, what] of steps.entries()) {
        if (what === 'push') {
          queue.push(n)
          model.push(n)
        } else if (what === 'shift') assert.equal(queue.shift(), model.shift())
        else if (n % 10 === 0) assert.deepEqual(queue.drain(), model.splice(0))
        assert.equal(queue.length, model.length)
      }
    }),
  )
})
