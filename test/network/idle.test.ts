/** What no end of a dead connection can tell: ws has no idle timeout of its own, so its socket gets one. */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { idleTimeoutMs } from '../../src/network/listener.ts'
import { until } from '../support/until.ts'
import { link, openNode } from './fixture.ts'

test('ws: a connection on which nothing passes for its time is closed', async (t) => {
  const { mock } = t.mock.method(Socket.prototype, 'setTimeout')
  const dialer = await openNode(t, { transport: 'ws' })
  const node = await openNode(t, { transport: 'ws' })
  await link(dialer, node)
  const timed = mock.calls.filter((call) => call.arguments[0] === idleTimeoutMs)
  assert.equal(timed.length, 1)
  const socket = timed[0]?.this
  assert.ok(socket instanceof Socket && socket.localPort === node.network.port)
  // As its timer does.
  socket.emit('timeout')
  await until(() => dialer.peers.length === 2, 'the loss')
  assert.deepEqual(dialer.peers.at(-1), { id: node.id, up: false })
})
