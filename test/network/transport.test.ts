import assert from 'node:assert/strict'
import Module from 'node:module'
import { type TestContext, test } from 'node:test'
import { Network } from '../../src/network/network.ts'
import type { Transport } from '../../src/options.ts'

const open = (transport: 'auto' | Transport, host = 'localhost') =>
  Network.listen({ host, port: 0, secret: '', transport })

/** As on a machine whose C library is too old. */
function breakUws(t: TestContext): void {
  const loader = Module as unknown as { _load(request: string, ...rest: unknown[]): unknown }
  const load = loader._load
  t.mock.method(loader, '_load', (request: string, ...rest: unknown[]) => {
    if (request.startsWith('uWebSockets.js')) throw new Error('GLIBC_2.38 not found')
    return load(request, ...rest)
  })
}

test('auto takes uWebSockets.js where it loads', async (t) => {
  const network = await open('auto')
  t.after(() => network.close())
  assert.equal(network.transport, 'uws')
})

test('auto takes ws where uWebSockets.js does not load', async (t) => {
  breakUws(t)
  const network = await open('auto')
  t.after(() => network.close())
  assert.equal(network.transport, 'ws')
})

test('whoever insists on uWebSockets.js hears why it does not load', async (t) => {
  breakUws(t)
  await assert.rejects(open('uws'), {
    code: 'SKIFF_CONFIG',
    message: /does not load on .*ABI \d+; use transport 'ws'.*GLIBC_2\.38 not found/,
  })
})

test('a host that is not of this machine, or of none, is refused', async () => {
  for (const transport of ['uws', 'ws'] as const) {
    for (const host of ['203.0.113.7', 'no-such-host.invalid']) {
      await assert.rejects(open(transport, host), {
        code: 'SKIFF_CONFIG',
        message: new RegExp(`cannot listen on ${host}:0`),
      })
    }
  }
})
