/** Whom a node can answer: also one it was never told of. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../support/until.ts'
import { link, openNode, transports } from './fixture.ts'

const question = Uint8Array.of(1)
const answer = Uint8Array.of(2)

for (const transport of transports) {
  test(`a node that was dialled can answer, though the dialer is no peer of its own (${transport})`, async (t) => {
    const stranger = await openNode(t, { transport })
    const node = await openNode(t, { transport })
    await link(stranger, node)
    stranger.network.send(node.id, question)
    await until(() => node.frames.length > 0, 'the question')
    await until(() => {
      // What is sent before the link back is up is dropped, as with any link.
      node.network.send(stranger.id, answer)
      return stranger.frames.length > 0
    }, 'an answer')
    assert.deepEqual(stranger.frames[0]?.from, node.id)
  })

  test(`nobody is dialled who has not dialled us (${transport})`, async (t) => {
    const stranger = await openNode(t, { transport })
    const node = await openNode(t, { transport })
    node.network.send(stranger.id, answer)
    assert.deepEqual(node.network.links(), [])
  })
}
