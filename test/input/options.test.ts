/** Options that are wrong or cannot work are refused, with the name of the option, before anything is left behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClusterOptions, createCluster } from '../../src/index.ts'
import { openCluster, skiff } from '../support/cluster.ts'

const wrongKinds: Record<string, readonly unknown[]> = {
  dir: ['', 5, null],
  nodes: [0, -1, 1.5, 8, '3', null],
  workers: [0, 17, 2.5, '2', null],
  listen: [
    '',
    'localhost',
    ':80',
    '127.0.0.1:',
    '127.0.0.1:99999',
    8080,
    'http://a:1',
    null,
    `${'a'.repeat(254)}:1`,
  ],
  advertise: ['', 5, null, 'a:1', 'a'.repeat(254)],
  join: ['127.0.0.1:1', null, { length: 0 }, [5], ['nowhere'], [null]],
  secret: ['', 5, null],
  transport: ['tcp', '', 5, null],
  heartbeatMs: [null, 0, 24, 75.5, '75', Number.NaN],
  electionTimeoutMs: [
    null,
    1_000,
    [],
    [1_000],
    [1_000, 2_000, 3_000],
    ['1000', '2000'],
    [0, 2_000],
  ],
  timeoutMs: [null, 0, -1, '1', Number.POSITIVE_INFINITY],
  requestsMax: [null, 0, -5, '1'],
  backlogMsMax: [null, 0, 1.5, '1'],
  requestBytesMax: [null, 0, 1.5],
  valueBytesMax: [null, 0, 4 * 2 ** 20 + 1],
  watchersMax: [null, -1, '0'],
  watcherBytesMax: [null, 0],
  diskFreeBytesMin: [null, -1, '0'],
}

for (const [name, values] of Object.entries(wrongKinds)) {
  test(`${name} of the wrong kind is a TypeError that names it`, async () => {
    for (const value of values) {
      await assert.rejects(
        createCluster({ [name]: value } as ClusterOptions),
        { name: 'TypeError', message: new RegExp(`^${name}`) },
        `${name}: ${JSON.stringify(value)}`,
      )
    }
  })
}

test('an election timeout below four heartbeats is SKIFF_CONFIG', async () => {
  for (const electionTimeoutMs of [
    [299, 600],
    [300, 400],
  ] as const) {
    await assert.rejects(
      createCluster({ heartbeatMs: 75, electionTimeoutMs }),
      skiff('SKIFF_CONFIG', 'not-applied', /electionTimeoutMs/),
    )
  }
})

test('a host that others are told has no port, and the message says so', async () => {
  const message = 'advertise: expected a host, without a port, got "a:1"'
  await assert.rejects(createCluster({ advertise: 'a:1' }), { name: 'TypeError', message })
})

test('a server id that is none is a TypeError', async (t) => {
  const cluster = await openCluster(t)
  for (const id of ['', 'node-1', 5, undefined, 'ABCDEF0123456789'] as string[]) {
    await assert.rejects(cluster.removeServer(id), { name: 'TypeError', message: /^id: / })
  }
})

test('an address that is none is a TypeError', async (t) => {
  const cluster = await openCluster(t)
  for (const address of ['', 'nowhere', '127.0.0.1:0x5', 5, undefined] as string[]) {
    await assert.rejects(cluster.addServer(address), { name: 'TypeError', message: /^address: / })
  }
})
