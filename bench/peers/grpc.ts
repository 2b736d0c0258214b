/**
 * Unary gRPC calls over a few HTTP/2 connections, many streams on each: what etcd and skiff-rs speak.
 * No compression, no deadlines: a server that does not answer ends with the run.
 */
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'

/** Server limits of streams per connection begin at 100; the callers are up to 1,000. */
const connectionsMax = 8
/** So that an answer of a MiB needs no window update in between. */
const windowBytes = 4 * 2 ** 20
const frameHeaderBytes = 5

const statusHeader = 'grpc-status'
const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_CONTENT_TYPE, HTTP2_HEADER_TE } =
  constants

type Headers = Record<string, string | string[] | number | undefined>

export class GrpcClient {
  readonly #sessions: readonly ClientHttp2Session[]
  #calls = 0

  private constructor(sessions: readonly ClientHttp2Session[]) {
    this.#sessions = sessions
  }

  /** @param address `host:port` */
  static async connect(address: string): Promise<GrpcClient> {
    const settings = { initialWindowSize: windowBytes, enablePush: false }
    const sessions = Array.from({ length: connectionsMax }, () =>
      connect(`http://${address}`, { settings }),
    )
    await Promise.all(sessions.map((session) => once(session, 'connect')))
    for (const session of sessions) {
      session.setLocalWindowSize(windowBytes)
      // The streams fail with it, and their callers hear of it there.
      session.on('error', () => {})
    }
    return new GrpcClient(sessions)
  }

  /** @param method `/package.Service/Method` */
  call(method: string, request: Buffer): Promise<Buffer> {
    const session = this.#sessions[this.#calls++ % this.#sessions.length]
    if (session === undefined) throw new Error('no connection')
    return new Promise((resolve, reject) => {
      const stream = session.request({
        [HTTP2_HEADER_METHOD]: 'POST',
        [HTTP2_HEADER_PATH]: method,
        [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        [HTTP2_HEADER_TE]: 'trailers',
      })
      receive(stream, method, resolve, reject)
      stream.end(frame(request))
    })
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#sessions.map(async (session) => {
        if (session.closed) return
        const closed = once(session, 'close')
        session.close()
        await closed
      }),
    )
  }
}

/** gRPC's own envelope: whether it is compressed, and how long it is. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.alloc(frameHeaderBytes + message.length)
  framed.writeUInt32BE(message.length, 1)
  message.copy(framed, frameHeaderBytes)
  return framed
}

function receive(
  stream: ClientHttp2Stream,
  method: string,
  resolve: (message: Buffer) => void,
  reject: (error: Error) => void,
): void {
  const chunks: Buffer[] = []
  let status: Headers = {}
  // The status is in the trailers, or in the headers where there is no message.
  const onHeaders = (headers: Headers) => {
    if (headers[statusHeader] !== undefined) status = headers
  }
  stream.on('response', onHeaders)
  stream.on('trailers', onHeaders)
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', reject)
  stream.on('close', () => {
    const failure = failureOf(status)
    if (failure !== null) reject(new Error(`${method}: ${failure}`))
    else resolve(Buffer.concat(chunks).subarray(frameHeaderBytes))
  })
}

function failureOf(headers: Headers): string | null {
  const status = headers[statusHeader]
  if (status === undefined) return 'the connection ended before the answer'
  return Number(status) === 0 ? null : `status ${status}: ${headers['grpc-message'] ?? ''}`
}
