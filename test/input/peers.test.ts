/** Ports, addresses, secrets and bytes that do not fit. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { type Cluster, createCluster } from '../../src/index.ts'
import { defer } from '../support/cleanup.ts'
import { openCluster, portOf, quick, skiff } from '../support/cluster.ts'
import { tcpServer } from '../support/tcp.ts'

for (const transport of ['uws', 'ws'] as const) {
  test(`a port in use is SKIFF_CONFIG that names it (${transport})`, async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    defer(t, () => server.close())
    const { port } = server.address() as { port: number }
    const cluster = await openCluster(t, { transport })
    for (const listen of [`127.0.0.1:${port}`, cluster.status().address]) {
      await assert.rejects(
        createCluster({ ...quick, transport, listen }),
        skiff('SKIFF_CONFIG', 'not-applied', new RegExp(String(portOf(listen)))),
      )
    }
    await cluster.put('k', 1)
  })

  test(`garbage at the port does no harm (${transport})`, async (t) => {
    const cluster = await openCluster(t, { transport, nodes: 2, secret: 'open sesame' })
    await cluster.put('k', 1)
    for (const node of cluster.nodes) {
      await sendRaw(portOf(node.address), Buffer.alloc(100_000, 0xff))
      await sendRaw(portOf(node.address), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
      await sendRaw(portOf(node.address), Buffer.alloc(0))
      for (const bytes of [0, 1, 200, 1_000_000])
        await sendFrame(node.address, Buffer.alloc(bytes, 0xc1))
    }
    await Promise.all(cluster.nodes.map((node, n) => node.put('k', n)))
    for (const { failure, role } of cluster.status().nodes) {
      assert.equal(failure, null)
      assert.notEqual(role, 'stopped')
    }
  })
}

/** Until the connection is closed, by whomever. */
async function sendRaw(port: number, bytes: Buffer): Promise<void> {
  const socket: Socket = connect(port, '127.0.0.1', () => socket.end(bytes))
  await new Promise<void>((resolve) => {
    // Reset or ended, as the listener likes it; closed in any case.
    socket.on('error', () => undefined).on('close', () => resolve())
    socket.resume()
  })
}

async function sendFrame(address: string, bytes: Buffer): Promise<void> {
  const webSocket = new WebSocket(`ws://${address}/`)
  await new Promise<void>((resolve) => {
    webSocket.on('error', () => undefined).on('close', () => resolve())
    webSocket.on('open', () => webSocket.send(bytes))
  })
}

test('an unreachable address to join is SKIFF_CONFIG that names it', async () => {
  await assert.rejects(
    createCluster({ ...quick, join: ['127.0.0.1:1', '127.0.0.1:2'] }),
    skiff('SKIFF_CONFIG', 'not-applied', /127\.0\.0\.1:1.*ECONNREFUSED.*127\.0\.0\.1:2/),
  )
})

for (const count of [1, 4]) {
  test(`addresses where nobody answers share the deadline: ${count} of them`, async (t) => {
    const join: string[] = []
    while (join.length < count) join.push(await tcpServer(t))
    const timeoutMs = 400
    const refused = await createCluster({ ...quick, join, timeoutMs }).then(
      () => assert.fail('nobody was there'),
      (error: Error) => error,
    )
    skiff('SKIFF_CONFIG', 'not-applied')(refused)
    const waitedMs = [...refused.message.matchAll(/no answer within (\d+) ms/g)].map(([, ms]) =>
      Number(ms),
    )
    assert.equal(waitedMs.length, count)
    const rounding = count
    assert.ok(waitedMs.reduce((sum, ms) => sum + ms) <= timeoutMs + rounding, refused.message)
  })
}

async function assertUntouched(cluster: Cluster): Promise<void> {
  assert.equal((await cluster.members()).length, 1)
  await cluster.put('goes', 'on')
}

test('a wrong secret, or none, is SKIFF_UNAUTHORIZED on both sides', async (t) => {
  const cluster = await openCluster(t, { secret: 'open sesame' })
  const join = [cluster.status().address]
  for (const secret of ['open barley', undefined]) {
    await assert.rejects(
      createCluster({ ...quick, join, ...(secret === undefined ? {} : { secret }) }),
      skiff('SKIFF_UNAUTHORIZED', 'not-applied'),
    )
  }
  const stranger = await openCluster(t, { join: [] })
  await assert.rejects(
    cluster.addServer(stranger.status().address),
    skiff('SKIFF_UNAUTHORIZED', 'not-applied'),
  )
  await assertUntouched(cluster)
})

test('addServer of a server that belongs to another cluster is refused', async (t) => {
  const cluster = await openCluster(t)
  const other = await openCluster(t)
  await assert.rejects(
    cluster.addServer(other.status().address),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /wrong cluster/),
  )
  await assertUntouched(cluster)
  await assertUntouched(other)
})

test('addServer of an address where nobody listens is SKIFF_CONFIG, and changes nothing', async (t) => {
  const cluster = await openCluster(t)
  await assert.rejects(
    cluster.addServer('127.0.0.1:1'),
    skiff('SKIFF_CONFIG', 'not-applied', /ECONNREFUSED/),
  )
  await assertUntouched(cluster)
})

test('an eighth member is refused with the reason, also through a follower', async (t) => {
  const cluster = await openCluster(t, { nodes: 7, workers: 1 })
  const last = cluster.nodes.find((node) => node.status().role !== 'leader')
  for (const address of [cluster.status().address, last?.address ?? '']) {
    await assert.rejects(
      createCluster({ ...quick, workers: 1, join: [address] }),
      skiff('SKIFF_MEMBERSHIP', 'not-applied', /at most 7 members/),
    )
  }
  assert.equal((await cluster.members()).length, 7)
})
