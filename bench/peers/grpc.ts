/**
 * Unary gRPC calls over a few connections, many streams on each: what etcd and skiff-rs speak. No
 * compression, no deadlines: a server that does not answer ends with the run.
 */
import { encodeCallHeaders, grpcStatusOf } from './hpack.ts'
import { Http2Connection } from './http2.ts'

/** Servers allow 100 streams or more on each; the callers are up to 1,000. */
const connectionCount = 8
const envelopeBytes = 5

/** What the numbers mean, where something went wrong. */
const statusNames: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

export class GrpcClient {
  readonly #address: string
  readonly #connections: readonly Http2Connection[]
  readonly #headers = new Map<string, Buffer>()
  #calls = 0

  private constructor(address: string, connections: readonly Http2Connection[]) {
    this.#address = address
    this.#connections = connections
  }

  /** @param address `host:port` */
  static async connect(address: string, count: number = connectionCount): Promise<GrpcClient> {
    const [host = '', port] = address.split(':')
    const open = () => Http2Connection.open(host, Number(port))
    return new GrpcClient(address, await Promise.all(Array.from({ length: count }, open)))
  }

  /** @param method `package.Service/Method` */
  async call(method: string, request: Buffer): Promise<Buffer> {
    const connection = this.#connections[this.#calls++ % this.#connections.length]
    if (connection === undefined) throw new Error('no connection')
    const { headers, body } = await connection.request(this.#headersOf(method), enveloped(request))
    const status = grpcStatusOf(headers)
    if (status !== 0) throw new Error(`${method}: ${nameOf(status)}`)
    return body.subarray(envelopeBytes)
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()))
  }

  #headersOf(method: string): Buffer {
    const known = this.#headers.get(method)
    if (known !== undefined) return known
    const headers = encodeCallHeaders(this.#address, `/${method}`)
    this.#headers.set(method, headers)
    return headers
  }
}

/** With a byte that says it is not compressed, and its length. */
function enveloped(message: Buffer): Buffer {
  const bytes = Buffer.alloc(envelopeBytes + message.length)
  bytes.writeUInt32BE(message.length, 1)
  message.copy(bytes, envelopeBytes)
  return bytes
}

function nameOf(status: number | undefined): string {
  if (status === undefined) return 'an answer without a status'
  return statusNames[status] ?? `status ${status}`
}
