/**
 * Redis as the durable store that people reach for: one server that syncs its append-only file before it
 * answers. Nothing is replicated, and nothing compacts the file during a run.
 */
import { mkdir } from 'node:fs/promises'
import { Redis } from 'ioredis'
import type { Peer, PeerClient, RunningPeer } from './peer.ts'
import { findProgram, freePorts, ServerProcess } from './server.ts'

const program = 'redis-server'
const host = '127.0.0.1'

export const redis: Peer = {
  name: 'Redis, appendfsync always',
  nodes: 1,
  unavailable: () =>
    findProgram(program) === null
      ? 'there is no redis-server: apt-get install -y redis-server'
      : null,
  start: startRedis,
}

export async function connect(target: string): Promise<PeerClient> {
  const client = await openClient(target)
  return {
    put: (key, value) => client.set(key, value),
    get: async (key) => (await client.getBuffer(key)) ?? undefined,
    async close() {
      await client.quit()
    },
  }
}

async function startRedis(dir: string): Promise<RunningPeer> {
  await mkdir(dir, { recursive: true })
  const [port] = await freePorts(1)
  const settings = {
    port: String(port),
    bind: host,
    dir,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'auto-aof-rewrite-percentage': '0',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const server = new ServerProcess(program, args)
  const target = String(port)
  try {
    await server.untilReady(() => ping(target))
  } catch (error) {
    await server.stop()
    throw error
  }
  return { target, pids: [server.pid], stop: () => server.stop() }
}

async function ping(target: string): Promise<string> {
  const client = await openClient(target)
  try {
    return await client.ping()
  } finally {
    client.disconnect()
  }
}

/** One connection, on which the commands of all callers follow each other; a lost one fails them. */
async function openClient(target: string): Promise<Redis> {
  const settings = { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 }
  const client = new Redis(Number(target), host, settings)
  // The commands fail with it, and their callers hear of it there.
  client.on('error', () => {})
  await client.connect()
  return client
}
