/** A standing link, over dials in the hands of the test. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SkiffError } from '../../src/errors.ts'
import type { Dial, DialEvents } from '../../src/network/dialer.ts'
import { Link } from '../../src/network/link.ts'
import { type Refusal, refusal } from '../../src/network/refusal.ts'
import { linkBytesMax } from '../../src/options.ts'

const peer = { id: '00000000000000bb', address: '127.0.0.1:1' }
const error = new SkiffError('SKIFF_CONFIG', 'not-applied', 'lost')

/** Without the spread of its waits, and with time in the hands of the test. */
function openLink(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  t.mock.method(Math, 'random', () => 1)
  const dials: DialEvents[] = []
  const sent: number[] = []
  const buffered = { bytes: 0 }
  const dial = (_: unknown, events: DialEvents): Dial => {
    dials.push(events)
    return {
      get bufferedBytes() {
        return buffered.bytes
      },
      send: (message: Uint8Array) => sent.push(message.length),
      abort: (reason: SkiffError) => events.down({ error: reason, refusal: null }),
    } as unknown as Dial
  }
  const link = new Link({ peer, dial, changed: () => undefined })
  t.after(() => link.close())
  const fail = (why: Refusal | null = null): void => dials.at(-1)?.down({ error, refusal: why })
  /** Until it dials again. */
  const waitedMs = (): number => {
    const before = dials.length
    for (let ms = 1; ; ms++) {
      t.mock.timers.tick(1)
      if (dials.length > before) return ms
    }
  }
  return { link, dials, sent, buffered, fail, waitedMs }
}

const identity = {
  ...{ nodeId: peer.id, incarnation: 1, ancestors: [], address: peer.address, clusterId: null },
}

test('it waits longer after every failure up to a second, and shortly again once it was up', (t) => {
  const { dials, fail, waitedMs } = openLink(t)
  const waits = (count: number): number[] =>
    Array.from({ length: count }, () => {
      fail()
      return waitedMs()
    })
  assert.deepEqual(waits(6), [50, 100, 200, 400, 800, 1_000])
  dials.at(-1)?.up(identity)
  assert.deepEqual(waits(2), [50, 100])
})

test('after a refusal it waits longer, unless the peer is only not ready', (t) => {
  const { fail, waitedMs } = openLink(t)
  fail(refusal('membership', 'none of ours'))
  assert.equal(waitedMs(), 500)
  fail(refusal('unavailable', 'not ready'))
  assert.equal(waitedMs(), 100)
  fail(refusal('occupied', 'the process before is there still'))
  assert.equal(waitedMs(), 200)
})

test('what waits in the socket counts: a frame that would be too much ends the link', (t) => {
  const { link, dials, sent, buffered } = openLink(t)
  dials.at(-1)?.up(identity)
  buffered.bytes = linkBytesMax - 10
  link.send(new Uint8Array(10))
  assert.deepEqual([sent.length, link.status().up], [1, true])
  link.send(new Uint8Array(11))
  assert.deepEqual([sent.length, link.status().up], [1, false])
  assert.match(link.status().reason ?? '', new RegExp(`more than ${linkBytesMax} bytes`))
})
