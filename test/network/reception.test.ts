/** Who has a link to us, and where it can be answered. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Admission } from '../../src/network/admission.ts'
import { ListenerHandshake } from '../../src/network/handshake.ts'
import { aliveTimeoutMs, Incoming } from '../../src/network/incoming.ts'
import { Reception } from '../../src/network/reception.ts'
import type { Refusal } from '../../src/network/refusal.ts'
import { clusterA, helloOf } from './fixture.ts'

const dialer = '1111111111111111'

/** Whether there is somebody at the other end who answers a ping. */
type Line = 'answers' | 'is dead'

function openReception(t: TestContext, line: Line = 'answers') {
  const identity = {
    nodeId: '2222222222222222',
    incarnation: 1,
    ancestors: [],
    address: 'here:1',
    clusterId: clusterA,
  }
  const answer = () => helloOf({ purpose: 'answer' })
  const reception = new Reception({
    secret: '',
    admission: new Admission({
      ...{ identity, adoptable: false, met: new Map() },
      ...{ adopt: async () => undefined, meet: async () => undefined },
    }),
    answer,
    frame: () => undefined,
    linked: () => undefined,
  })
  const ends: number[] = []
  const dial = (): Incoming => {
    const connection = {
      ...{ send: () => undefined, proven: () => undefined },
      ping: () => line === 'answers' && incoming.alive(),
      end: (code: number) => ends.push(code),
    }
    const incoming = new Incoming(connection, new ListenerHandshake('', answer()), reception)
    t.after(() => incoming.closed())
    return incoming
  }
  const enter = (address: string): Incoming => {
    const incoming = dial()
    reception.entered(helloOf({ nodeId: dialer, address }), incoming)
    return incoming
  }
  const admit = (incarnation: number): Promise<Refusal | null> => {
    return reception.admit(helloOf({ nodeId: dialer, incarnation }), dial())
  }
  return { reception, enter, admit, ends }
}

test('who has dialled us can be answered while it is there, and not when it has left', (t) => {
  const { reception, enter } = openReception(t)
  assert.equal(reception.addressOf(dialer), null)
  const incoming = enter('there:1')
  assert.equal(reception.addressOf(dialer), 'there:1')
  incoming.closed()
  assert.equal(reception.addressOf(dialer), null)
})

test('a link that was replaced takes nothing with it', (t) => {
  const { reception, enter } = openReception(t)
  const older = enter('there:1')
  enter('there:2')
  older.closed()
  assert.equal(reception.addressOf(dialer), 'there:2')
})

test('while the other end of a link answers, another process of its node is not let in', async (t) => {
  const { enter, admit, ends } = openReception(t)
  enter('there:1')
  const verdict = await admit(2)
  assert.equal(verdict?.kind, 'occupied')
  assert.match(verdict?.reason ?? '', /runs at there:1, started as 1/)
  assert.equal(await admit(1), null, 'the same process may, as often as it likes')
  assert.deepEqual(ends, [])
})

test('a link that nobody answers on any more makes room for the next process of its node', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { reception, enter, admit, ends } = openReception(t, 'is dead')
  enter('there:1')
  const verdict = admit(2)
  t.mock.timers.tick(aliveTimeoutMs)
  assert.equal(await verdict, null)
  assert.deepEqual([ends, reception.addressOf(dialer)], [[4409], null])
})

test('a link that is closed while it is asked for a sign of life makes room, too', async (t) => {
  const { enter, admit } = openReception(t, 'is dead')
  const older = enter('there:1')
  const verdict = admit(2)
  older.closed()
  assert.equal(await verdict, null)
})
