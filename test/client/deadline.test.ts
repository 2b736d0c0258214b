/** What a signal is asked to tell, and that it is not kept for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onAbort, waitingOn } from '../../src/client/deadline.ts'
import { Load } from '../../src/client/load.ts'
import { Writes } from '../../src/client/writes.ts'
import { errorToData, SkiffError } from '../../src/errors.ts'
import { resolveOptions } from '../../src/options.ts'
import { nextTurn, openChannel } from '../support/channel.ts'

test('of ten thousand calls with one signal none waits for it once it is answered', async (t) => {
  const { port } = openChannel(t)
  const options = resolveOptions()
  const writes = new Writes(port, options, new Load(options))
  const { signal } = new AbortController()
  const count = 10_000
  const batch = 200
  for (let n = 1; n <= count / batch; n++) {
    const puts = Array.from({ length: batch }, (_, k) => writes.put(`k${k}`, n, { signal }))
    const settled = Promise.allSettled(puts)
    await nextTurn()
    assert.equal(waitingOn(signal), batch)
    const error = new SkiffError('SKIFF_TIMEOUT', 'unknown', 'too late')
    if (n % 2 === 0) writes.applied(n, new Float64Array(batch).fill(n))
    else writes.refused(n, errorToData(error))
    await settled
    assert.equal(waitingOn(signal), 0)
  }
})

test('a signal tells all who wait, once, and whoever comes later at once', () => {
  const controller = new AbortController()
  const { signal } = controller
  const told: string[] = []
  onAbort(signal, (reason) => told.push(`first ${reason}`))
  const release = onAbort(signal, () => told.push('released'))
  onAbort(signal, (reason) => told.push(`second ${reason}`))
  release()
  assert.equal(waitingOn(signal), 2)
  controller.abort('stop')
  assert.equal(waitingOn(signal), 0)
  onAbort(signal, (reason) => told.push(`late ${reason}`))
  assert.deepEqual(told, ['first stop', 'second stop', 'late stop'])
})
