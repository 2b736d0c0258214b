/**
 * Redis as the durable store that people reach for: one server that syncs its append-only file before it
 * answers. Nothing is replicated, and nothing compacts the file during a run.
 */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { connect as connectSocket, type Socket } from 'node:net'
import type { PeerClient } from './peer.ts'
import { encodeCommand, type Reply, ReplyReader } from './resp.ts'
import {
  findProgram,
  freePorts,
  type RunningServer,
  type ServedPeer,
  ServerProcess,
} from './server.ts'

const program = 'redis-server'
const host = '127.0.0.1'

export const redis: ServedPeer = {
  name: 'Redis, appendfsync always',
  nodes: 1,
  unavailable: () =>
    findProgram(program) === null
      ? 'there is no redis-server: apt-get install -y redis-server'
      : null,
  start: startRedis,
}

export async function connect(target: string): Promise<PeerClient> {
  const connection = await RedisConnection.open(Number(target))
  return {
    put: (key, value) => connection.call(['SET', key, value]),
    get: async (key) => (await connection.call(['GET', key])) ?? undefined,
    close: () => connection.close(),
  }
}

async function startRedis(dir: string): Promise<RunningServer> {
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
  return { target, pids: [server.pid], stop: () => server.stop(), reign: async () => null }
}

async function ping(target: string): Promise<Buffer | null> {
  const connection = await RedisConnection.open(Number(target))
  try {
    return await connection.call(['PING'])
  } finally {
    await connection.close()
  }
}

interface Waiting {
  readonly resolve: (value: Buffer | null) => void
  readonly reject: (error: Error) => void
}

/** One connection, on which the commands of all callers follow each other without waiting for answers. */
class RedisConnection {
  readonly #socket: Socket
  readonly #reader = new ReplyReader()
  /** By number of the command. Answers come in the order of the commands. */
  readonly #waiting = new Map<number, Waiting>()
  #commands = 0
  #answers = 0
  #unsent: Buffer[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay()
    socket.on('data', (chunk) => {
      for (const reply of this.#reader.read(chunk)) this.#answer(reply)
    })
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection has ended')))
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = connectSocket(port, host)
    await once(socket, 'connect')
    return new RedisConnection(socket)
  }

  call(words: readonly (string | Buffer)[]): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      if (this.#socket.closed) return reject(new Error('the connection has ended'))
      this.#waiting.set(this.#commands++, { resolve, reject })
      // What is called in one turn of the event loop goes out in one write.
      if (this.#unsent.length === 0) setImmediate(() => this.#send())
      this.#unsent.push(encodeCommand(words))
    })
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return
    const closed = once(this.#socket, 'close')
    this.#socket.end()
    await closed
  }

  #send(): void {
    this.#socket.write(Buffer.concat(this.#unsent))
    this.#unsent = []
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting.get(this.#answers)
    if (waiting === undefined) throw new Error('an answer to no command')
    this.#waiting.delete(this.#answers++)
    if ('error' in reply) waiting.reject(new Error(reply.error))
    else waiting.resolve(reply.value)
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
