import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Queue } from '../../src/client/queue.ts'
import { Watchers } from '../../src/client/watchers.ts'
import { EventWriter } from '../../src/codec/event.ts'
import { packValue } from '../../src/codec/value.ts'
import { resolveOptions } from '../../src/options.ts'
import { openChannel } from '../support/channel.ts'
import { take } from '../support/cluster.ts'

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
