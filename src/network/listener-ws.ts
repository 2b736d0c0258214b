/** Listens with ws on node:http, where uWebSockets.js does not load or is not wanted. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { handshakeTimeoutMs } from '../options.ts'
import { assert } from '../raft/assert.ts'
import { handshakeBytesMax } from './hello.ts'
import {
  type Accept,
  type Connection,
  idleTimeoutMs,
  type ListenAt,
  type Listener,
} from './listener.ts'
import { Lobby } from './lobby.ts'
import { messageBytesMax } from './message.ts'

/** How often node:http looks for clients that are late. Its default, half a minute, would be their time. */
const lateCheckMs = 500
/** Bytes of handshake messages waiting in a socket; beyond it the peer reads too slowly to be one. */
const sendBytesMax = 64 * 2 ** 10

export async function openWsListener(
  { host, port, peerPath }: ListenAt,
  accept: Accept,
): Promise<Listener> {
  const server = createServer(
    // How long a client may take to ask for the WebSocket; from then on the handshake has its own time.
    {
      headersTimeout: handshakeTimeoutMs,
      requestTimeout: handshakeTimeoutMs,
      connectionsCheckingInterval: lateCheckMs,
    },
    (_request, response) => response.writeHead(426, { connection: 'close' }).end(),
  )
  server.on('clientError', (_error, socket) => socket.destroy())
  const sockets = new Set<Socket>()
  const lobby = new Lobby<Socket>((socket) => socket.destroy())
  track(server, sockets, lobby)
  serveWebSockets(server, peerPath, (webSocket, socket) =>
    serve(webSocket, () => lobby.leave(socket), accept),
  )
  await bind(server, host, port)
  return {
    transport: 'ws',
    port: (server.address() as AddressInfo).port,
    close: () => closeServer(server, sockets),
  }
}

function track(server: Server, sockets: Set<Socket>, lobby: Lobby<Socket>): void {
  server.on('connection', (socket) => {
    sockets.add(socket)
    lobby.enter(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      lobby.leave(socket)
    })
  })
}

function serveWebSockets(
  server: Server,
  peerPath: string,
  serve: (webSocket: WebSocket, socket: Socket) => void,
): void {
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    // How long a peer may leave our close unanswered; not in the types yet.
    closeTimeout: handshakeTimeoutMs,
  }
  const forPeers = new WebSocketServer({ ...options, maxPayload: messageBytesMax })
  const forStrangers = new WebSocketServer({ ...options, maxPayload: handshakeBytesMax })
  server.on('upgrade', (request, socket: Socket, head) => {
    const upgrader = request.url === peerPath ? forPeers : forStrangers
    upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      socket.setTimeout(idleTimeoutMs, () => webSocket.terminate())
      serve(webSocket, socket)
    })
  })
}

function serve(webSocket: WebSocket, proven: () => void, accept: Accept): void {
  let ended = false
  const connection: Connection = {
    send(bytes) {
      if (ended) return
      if (webSocket.bufferedAmount > sendBytesMax) webSocket.terminate()
      else webSocket.send(bytes, (error) => error && webSocket.terminate())
    },
    proven,
    ping() {
      if (!ended) webSocket.ping(undefined, undefined, (error) => error && webSocket.terminate())
    },
    end(code, reason) {
      if (ended) return
      ended = true
      webSocket.close(code, reason)
    },
  }
  const events = accept(connection)
  webSocket.on('message', (data: RawData, binary) => {
    assert(Buffer.isBuffer(data), 'binaryType is nodebuffer')
    if (!ended) events.message(new Uint8Array(data.buffer, data.byteOffset, data.length), binary)
  })
  webSocket.on('pong', () => {
    if (!ended) events.alive()
  })
  // Oversized or broken WebSocket frames; 'close' follows.
  webSocket.on('error', () => webSocket.terminate())
  webSocket.on('close', () => {
    if (!ended) events.closed()
    ended = true
  })
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve, reject) => {
    // Calls back when the last socket is gone, too.
    server.close((error) => (error === undefined ? resolve() : reject(error)))
    for (const socket of sockets) socket.destroy()
  })
}
