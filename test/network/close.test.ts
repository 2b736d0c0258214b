import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { link, openNode, transports } from './fixture.ts'

/** Everything a network can have under way: links up, links refused and waiting, a probe, a stranger. */
const script = `
import { connect } from 'node:net'
import { Network } from '${new URL('../../src/network/network.js', import.meta.url).href}'
const open = async (nodeId, secret) => {
  const options = { host: '127.0.0.1', port: 0, secret, transport: process.argv[1] }
  const network = await Network.listen(options)
  const address = '127.0.0.1:' + network.port
  let linked
  const up = new Promise((resolve) => { linked = resolve })
  const events = { frame() {}, peer: (_, up) => up && linked(), adopt: async () => {}, meet: async () => {} }
  const identity = { nodeId, incarnation: 1, ancestors: [], address, clusterId: 'a'.repeat(32) }
  network.start(identity, events, { adoptable: false, met: new Map() })
  return { network, up, peer: { id: nodeId, address } }
}
const a = await open('1'.repeat(16), 'x')
const b = await open('2'.repeat(16), 'x')
const c = await open('3'.repeat(16), 'y')
const nobody = { id: '4'.repeat(16), address: '127.0.0.1:1' }
a.network.setPeers([b.peer, c.peer, nobody])
b.network.setPeers([a.peer, c.peer])
await Promise.all([a.up, b.up])
a.network.send(b.peer.id, new Uint8Array(8 * 2 ** 20))
const probing = a.network.probe(b.peer.address, { timeoutMs: 60_000 }).catch((error) => error.code)
const stranger = connect(b.network.port, '127.0.0.1').on('error', () => {})
const ended = new Promise((resolve) => stranger.resume().on('close', resolve))
await new Promise((resolve) => stranger.on('connect', resolve))
await Promise.all([a.network.close(), b.network.close(), c.network.close()])
await ended
process.stdout.write(JSON.stringify([await probing, process.getActiveResourcesInfo()]))
`

for (const transport of transports) {
  test(`${transport}: nothing is left running after close, and the process ends by itself`, async () => {
    const args = ['--input-type=module', '--eval', script, transport]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      timeout: 30_000,
    })
    const [probe, resources] = JSON.parse(stdout) as [string, string[]]
    assert.equal(probe, 'SKIFF_CLOSED')
    const ours = resources.filter((name) => /TCP|Timeout|Timer|Immediate/.test(name))
    assert.deepEqual([ours, stderr], [[], ''])
  })

  test(`${transport}: sockets and timers are gone at the moment close resolves`, async (t) => {
    const running = () =>
      process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length
    const before = running()
    const a = await openNode(t, { transport })
    const b = await openNode(t, { transport })
    await Promise.all([link(a, b), link(b, a)])
    assert.ok(running() > before)
    await Promise.all([a.network.close(), b.network.close()])
    assert.equal(running(), before)
  })
}
