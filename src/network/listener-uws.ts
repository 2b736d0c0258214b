/**
 * Listens with uWebSockets.js. It is a native addon with sharp edges; the comments name each edge that
 * this file keeps from the rest.
 */
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { messageOf } from '../errors.ts'
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
  filter(track: (response: UwsResponse, change: number) => void): UwsApp
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

/** A connection that is no WebSocket yet. Of no use after `onAborted` and `upgrade`. */
interface UwsResponse {
  close(): void
  cork(act: () => void): void
  onAborted(gone: () => void): void
  onData(part: () => void): void
  upgrade(data: UwsData, key: string, protocol: string, extensions: string, context: object): void
}

interface UwsRequest {
  getHeader(name: string): string
}

interface UwsBehavior {
  readonly maxPayloadLength: number
  readonly idleTimeout: number
  readonly compression: number
  upgrade(response: UwsResponse, request: UwsRequest, context: object): void
  open(socket: UwsSocket): void
  message(socket: UwsSocket, bytes: ArrayBuffer, binary: boolean): void
  close(socket: UwsSocket): void
}

/** Only its own fields come back: what is given is copied. */
interface UwsData {
  readonly connection: UwsConnection
}

interface UwsSocket {
  getUserData(): UwsData
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
  const lobby = new Lobby<UwsConnection>((connection) => connection.drop())
  const asked = new Asked()
  const track = (response: UwsResponse, change: number): void => {
    if (change > 0) lobby.enter(new UwsConnection(response, lobby, asked))
  }
  const behavior: Omit<UwsBehavior, 'maxPayloadLength'> = {
    idleTimeout: idleTimeoutMs / 1_000,
    compression: uws.DISABLED,
    upgrade: (_response, request, context) => asked.put(request, context),
    open: (socket) => socket.getUserData().connection.open(socket, accept),
    message: (socket, bytes, binary) => socket.getUserData().connection.message(bytes, binary),
    close: (socket) => socket.getUserData().connection.closed(),
  }
  const refuseHttp = (response: UwsResponse): void => response.close()
  // Fragments are put together where we cannot count them, so the limit cannot wait for the handshake. The
  // default, 16 KiB, would close links at the first larger frame.
  return uws
    .App()
    .filter(track)
    .any('/*', refuseHttp)
    .ws('/*', { ...behavior, maxPayloadLength: handshakeBytesMax })
    .ws(peerPath, { ...behavior, maxPayloadLength: messageBytesMax })
}

type Upgrade = (response: UwsResponse, connection: UwsConnection) => void

/**
 * What was asked for a moment ago. The response given with a request is another object than the one given
 * when the connection was accepted, and nothing tells which belong together; but at the end of the request,
 * before any other connection is heard, the first one is told of its data. There are some even where there
 * are none.
 */
class Asked {
  #upgrade: Upgrade | null = null

  put(request: UwsRequest, context: object): void {
    const key = request.getHeader('sec-websocket-key')
    const protocol = request.getHeader('sec-websocket-protocol')
    const extensions = request.getHeader('sec-websocket-extensions')
    this.#upgrade = (response, connection) =>
      response.upgrade({ connection }, key, protocol, extensions, context)
  }

  take(): Upgrade | null {
    const upgrade = this.#upgrade
    this.#upgrade = null
    return upgrade
  }
}

/** From accept to close: first plain HTTP, then a WebSocket. */
class UwsConnection implements Connection {
  readonly #lobby: Lobby<UwsConnection>
  /** These two are `null` while there is none, and once closed: any use of it would throw from then on. */
  #response: UwsResponse | null
  #socket: UwsSocket | null = null
  #events: ConnectionEvents | null = null

  constructor(response: UwsResponse, lobby: Lobby<UwsConnection>, asked: Asked) {
    this.#response = response
    this.#lobby = lobby
    response.onAborted(() => this.closed())
    response.onData(() => {
      const upgrade = asked.take()
      // Not at once: the parser that has called would go on with a connection that is gone.
      if (upgrade !== null) setImmediate(() => this.#upgrade(upgrade))
    })
  }

  open(socket: UwsSocket, accept: Accept): void {
    this.#socket = socket
    this.#events = accept(this)
  }

  send(bytes: Uint8Array): void {
    const socket = this.#socket
    // Ended behind the owner's back, who hears of it through `close` like of any other loss.
    if (socket?.send(bytes, true) === sendDropped) socket.end(1013, 'too slow')
  }

  proven(): void {
    this.#lobby.leave(this)
  }

  end(code: number, reason: string): void {
    const socket = this.#socket
    this.#socket = null
    this.#events = null
    // Calls `closed` below before it returns.
    socket?.end(code, reason)
  }

  /** Whatever it is by now. */
  drop(): void {
    this.#response?.close()
    this.#socket?.close()
  }

  message(bytes: ArrayBuffer, binary: boolean): void {
    this.#events?.message(new Uint8Array(bytes), binary)
  }

  closed(): void {
    this.#response = null
    this.#socket = null
    this.#lobby.leave(this)
    this.#events?.closed()
    this.#events = null
  }

  #upgrade(upgrade: Upgrade): void {
    const response = this.#response
    this.#response = null
    response?.cork(() => upgrade(response, this))
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
