/** Who has a link to us, and where it can be answered. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Admission } from '../../src/network/admission.ts'
import { ListenerHandshake } from '../../src/network/handshake.ts'
import { Incoming } from '../../src/network/incoming.ts'
import { Reception } from '../../src/network/reception.ts'
import { clusterA, helloOf } from './fixture.ts'

const dialer = '1111111111111111'

function openReception(t: TestContext) {
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
  const connection = {
    ...{ send: () => undefined, proven: () => undefined },
    ...{ ping: () => undefined, end: () => undefined },
  }
  const enter = (address: string): Incoming => {
    const incoming = new Incoming(connection, new ListenerHandshake('', answer()), reception)
    t.after(() => incoming.closed())
    reception.entered(helloOf({ nodeId: dialer, address }), incoming)
    return incoming
  }
  return { reception, enter }
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
