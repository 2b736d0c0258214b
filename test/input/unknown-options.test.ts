import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCluster } from '../../src/index.ts'
import type { Store } from '../../src/store.ts'
import { openCluster } from '../support/cluster.ts'

test('an option that does not exist is refused, for it would have asked for something', async (t) => {
  const misspelt = { dirr: '/tmp/x' } as object
  await assert.rejects(createCluster(misspelt), {
    name: 'TypeError',
    message: /there is no "dirr"/,
  })
  for (const wrong of ['x', 5, null, []]) {
    await assert.rejects(createCluster(wrong as object), {
      name: 'TypeError',
      message: /^options:/,
    })
  }
  const store: Store = await openCluster(t)
  const odd = { ttl: 5 } as object
  await assert.rejects(store.put('k', 1, odd), { name: 'TypeError', message: /there is no "ttl"/ })
  await assert.rejects(store.delete('k', odd), TypeError)
  await assert.rejects(store.get('k', 'stale' as unknown as object), {
    message: /expected an object, got "stale"/,
  })
  await assert.rejects(store.keys('', odd), TypeError)
  assert.throws(() => store.scan('jobs/' as unknown as object), {
    message: /range: expected an object/,
  })
  assert.throws(() => store.scan({ prefx: 'jobs/' } as object), { message: /there is no "prefx"/ })
  assert.throws(() => store.watch('k', odd), TypeError)
  assert.equal(await store.get('k'), undefined, 'nothing of it happened')
})
