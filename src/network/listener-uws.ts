/**
 * Listens with uWebSockets.js. It is a native addon with sharp edges; the comments name each edge that
 * this file keeps from the rest.
 */
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { messageOf } from '../errors.ts'
import { strangersMax } from '../options.ts'
import { handshakeBytesMax } from './hello.ts'
import {
  type Accept,
  type Connection,
  type ConnectionEvents,
  idleTimeoutMs,
  type ListenAt,
  type Listener,
} from './listener.ts'
import { Lobby } from './lobby.ts'
import { messageBytesMax } from './message.ts'

/** What we use of it, declared here because its own types differ between the versions we may load. */
export interface Uws {
  App(): UwsApp
  us_socket_local_port(listening: object): number
  readonly DISABLED: number
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number
}

interface UwsApp {
  filter(count: (response: UwsResponse, change: number) => void): UwsApp
  any(pattern: string, handle: (response: UwsResponse) => void): UwsApp
  ws(pattern: string, behavior: UwsBehavior): UwsApp
  listen(
    host: string,
    port: number,
    options: number,
    done: (listening: object | false) => void,
  ): void
  close(): void
}

/** A connection that is no WebSocket yet. */
interface UwsResponse {
  close(): void
}

interface UwsBehavior {
  readonly maxPayloadLength: number
  readonly idleTimeout: number
  readonly compression: number
  open(socket: UwsSocket): void
  message(socket: UwsSocket, bytes: ArrayBuffer, binary: boolean): void
  pong(socket: UwsSocket): void
  close(socket: UwsSocket): void
}

interface UwsSocket {
  ping(): void
  send(bytes: Uint8Array, binary: boolean): number
  end(code: number, reason: string): void
  close(): void
}

/** `send` returns it for a message it has thrown away because too much is waiting already. */
const sendDropped = 2
/** Free ports tried, where any will do and others are faster. */
const portAttemptsMax = 8

/**
 * Through `require`: a CommonJS module that throws while it is imported statically kills the process.
 * The newer build comes first where it may load; on older Nodes it would mix versions with the other.
 */
export function loadUws():
  | { readonly loaded: true; readonly module: Uws }
  | { readonly loaded: false; readonly reason: string } {
  const require = createRequire(import.meta.url)
  const nodeMajor = Number(process.versions.node.split('.')[0])
  const names = nodeMajor >= 22 ? ['uWebSockets.js-next', 'uWebSockets.js'] : ['uWebSockets.js']
  const failures: string[] = []
  for (const name of names) {
    try {
      return { loaded: true, module: require(name) as Uws }
    } catch (error) {
      failures.push(`${name}: ${messageOf(error)}`)
    }
  }
  const here = `${process.platform}-${process.arch}, Node ${process.versions.node}, ABI ${process.versions.modules}`
  return {
    loaded: false,
    reason: `uWebSockets.js does not load on ${here}; use transport 'ws'. ${failures.join('; ')}`,
  }
}

export async function openUwsListener(uws: Uws, at: ListenAt, accept: Accept): Promise<Listener> {
  const { host, port } = at
  for (let attempt = 1; ; attempt++) {
    // Never port 0: uWebSockets.js then leaves out SO_REUSEADDR, and the port could not be bound again
    // for a minute after a restart, because of connections in TIME_WAIT.
    const wanted = port === 0 ? await freePort(host) : port
    const listener = listen(uws, { ...at, port: wanted }, accept)
    if (listener !== null) return listener
    if (port !== 0 || attempt === portAttemptsMax) {
      throw new Error(`port ${wanted} is in use, or ${host} is not an address of this machine`)
    }
  }
}

function listen(uws: Uws, { host, port, peerPath }: ListenAt, accept: Accept): Listener | null {
  const app = buildApp(uws, peerPath, accept)
  let listening = false as object | false
  // Exclusive: by default several processes may listen on one port and share what comes in. The
  // callback runs before `listen` returns; a failure is `false`, without a reason.
  app.listen(host, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (result) => {
    listening = result
  })
  if (listening === false) {
    app.close()
    return null
  }
  return {
    transport: 'uws',
    port: uws.us_socket_local_port(listening),
    async close() {
      app.close()
    },
  }
}

function buildApp(uws: Uws, peerPath: string, accept: Accept): UwsApp {
  const connections = new Map<UwsSocket, UwsConnection>()
  const lobby = new Lobby<UwsConnection>((connection) => connection.drop())
  // Accepted, and no WebSocket yet. Which of them is oldest cannot be told: the newest has to go, and the
  // others go by themselves, for uWebSockets waits ten seconds for a request.
  let requests = 0
  const count = (response: UwsResponse, change: number): void => {
    requests += change
    if (change > 0 && requests > strangersMax) response.close()
  }
  const behavior: Omit<UwsBehavior, 'maxPayloadLength'> = {
    idleTimeout: idleTimeoutMs / 1_000,
    compression: uws.DISABLED,
    open(socket) {
      requests -= 1
      const connection = new UwsConnection(socket, lobby)
      connections.set(socket, connection)
      lobby.enter(connection)
      connection.attach(accept(connection))
    },
    message: (socket, bytes, binary) => connections.get(socket)?.message(bytes, binary),
    pong: (socket) => connections.get(socket)?.alive(),
    close(socket) {
      connections.get(socket)?.closed()
      connections.delete(socket)
    },
  }
  const refuseHttp = (response: UwsResponse): void => response.close()
  // Fragments are put together where we cannot count them, so the limit cannot wait for the handshake. The
  // default, 16 KiB, would close links at the first larger frame.
  return uws
    .App()
    .filter(count)
    .any('/*', refuseHttp)
    .ws('/*', { ...behavior, maxPayloadLength: handshakeBytesMax })
    .ws(peerPath, { ...behavior, maxPayloadLength: messageBytesMax })
}

class UwsConnection implements Connection {
  readonly #lobby: Lobby<UwsConnection>
  /** `null` once closed: any use of it would throw from then on. */
  #socket: UwsSocket | null
  #events: ConnectionEvents | null = null

  constructor(socket: UwsSocket, lobby: Lobby<UwsConnection>) {
    this.#socket = socket
    this.#lobby = lobby
  }

  attach(events: ConnectionEvents): void {
    this.#events = events
  }

  send(bytes: Uint8Array): void {
    const socket = this.#socket
    // Ended behind the owner's back, who hears of it through `close` like of any other loss.
    if (socket?.send(bytes, true) === sendDropped) socket.end(1013, 'too slow')
  }

  proven(): void {
    this.#lobby.leave(this)
  }

  ping(): void {
    this.#socket?.ping()
  }

  end(code: number, reason: string): void {
    const socket = this.#socket
    this.#socket = null
    this.#events = null
    this.#lobby.leave(this)
    // Calls `close` above before it returns.
    socket?.end(code, reason)
  }

  drop(): void {
    // Calls `close` above before it returns.
    this.#socket?.close()
  }

  message(bytes: ArrayBuffer, binary: boolean): void {
    this.#events?.message(new Uint8Array(bytes), binary)
  }

  alive(): void {
    this.#events?.alive()
  }

  closed(): void {
    this.#socket = null
    this.#lobby.leave(this)
    this.#events?.closed()
    this.#events = null
  }
}

/** A port that nobody listens on now; somebody may before we do. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host, port: 0, exclusive: true }, () => {
      const address = server.address()
      const port = address === null || typeof address === 'string' ? 0 : address.port
      server.close(() => resolve(port))
    })
  })
}
