/**
 * A client's connection of HTTP/2 (RFC 9113) without encryption, for short requests in great number: the
 * headers come encoded, the requests of one turn of the event loop go out in one write, and no stream is an
 * object of Node's. `node:http2` costs more processor time per call than the servers that are measured
 * can spare on the same cores.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Answer {
  /** The last block of headers: the trailers, or all there is. */
  readonly headers: Buffer
  readonly body: Buffer
}

interface Stream {
  readonly id: number
  readonly chunks: Buffer[]
  /** Of the request; waits for the server's windows. */
  unsent: Buffer
  window: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const frameHeaderBytes = 9
/** What every server takes. */
const frameBytesMax = 16_384
const windowBytesDefault = 65_535
const windowBytesMax = 2 ** 31 - 1
/** Received, after which the connection's window is opened again. */
const windowRenewalBytes = 2 ** 20

const type = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const
const flag = { endStream: 0x1, acknowledged: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 }
const setting = { tableSize: 1, enablePush: 2, streamsMax: 3, windowBytes: 4 }
const settingBytes = 6

export class Http2Connection {
  readonly #socket: Socket
  readonly #streams = new Map<number, Stream>()
  /** Streams whose request has not gone out, for want of window. */
  readonly #blocked = new Set<Stream>()
  /** Requests above the number of streams that the server allows. */
  readonly #queue: (() => void)[] = []
  #nextId = 1
  #streamsMax = Number.POSITIVE_INFINITY
  #streamWindow = windowBytesDefault
  #window = windowBytesDefault
  #receivedBytes = 0
  #unsent: Buffer[] = []
  #unread: Buffer = Buffer.alloc(0)
  #failure: Error | null = null
  /** Waits for what the server allows. */
  #greeting: { resolve(): void; reject(error: Error): void } | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay()
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection has ended')))
    this.#write(preface)
    this.#write(
      encodeSettings([
        [setting.tableSize, 0],
        [setting.enablePush, 0],
        [setting.windowBytes, windowBytesMax],
      ]),
    )
    this.#write(encodeWindowUpdate(windowBytesMax - windowBytesDefault))
  }

  static async open(host: string, port: number): Promise<Http2Connection> {
    const socket = connect(port, host)
    await once(socket, 'connect')
    const connection = new Http2Connection(socket)
    await new Promise<void>((resolve, reject) => {
      connection.#greeting = { resolve, reject }
    })
    return connection
  }

  /** @param headers encoded */
  request(headers: Buffer, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const begin = () => this.#begin(headers, body, resolve, reject)
      if (this.#streams.size < this.#streamsMax) begin()
      else this.#queue.push(begin)
    })
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return
    const closed = once(this.#socket, 'close')
    this.#socket.end()
    await closed
  }

  // ── Out ─────────────────────────────────────────────────────────────────────────────────────────

  #begin(
    headers: Buffer,
    body: Buffer,
    resolve: Stream['resolve'],
    reject: Stream['reject'],
  ): void {
    if (this.#failure !== null) {
      reject(this.#failure)
      return
    }
    const id = this.#nextId
    this.#nextId += 2
    const window = this.#streamWindow
    const stream: Stream = { id, chunks: [], unsent: body, window, resolve, reject }
    this.#streams.set(id, stream)
    this.#write(encodeFrame(type.headers, flag.endHeaders, id, headers))
    this.#sendBody(stream)
  }

  #sendBody(stream: Stream): void {
    while (stream.unsent.length > 0) {
      const bytes = Math.min(frameBytesMax, this.#window, stream.window, stream.unsent.length)
      if (bytes <= 0) {
        this.#blocked.add(stream)
        return
      }
      const chunk = stream.unsent.subarray(0, bytes)
      stream.unsent = stream.unsent.subarray(bytes)
      stream.window -= bytes
      this.#window -= bytes
      const flags = stream.unsent.length === 0 ? flag.endStream : 0
      this.#write(encodeFrame(type.data, flags, stream.id, chunk))
    }
    this.#blocked.delete(stream)
  }

  #write(bytes: Buffer): void {
    // Runs when all that this turn has woken have called.
    if (this.#unsent.length === 0) process.nextTick(() => this.#flush())
    this.#unsent.push(bytes)
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#unsent)
    this.#unsent = []
    // A server that pings while the connection ends gets no answer.
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  // ── In ──────────────────────────────────────────────────────────────────────────────────────────

  #read(chunk: Buffer): void {
    const bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk])
    let at = 0
    for (let next = decodeFrame(bytes, at); next !== null; next = decodeFrame(bytes, at)) {
      at = next.end
      this.#take(next.frame)
    }
    this.#unread = bytes.subarray(at)
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case type.headers:
        this.#takeHeaders(frame)
        break
      case type.data:
        this.#takeData(frame)
        break
      case type.reset:
        this.#reject(frame.stream, `reset with code ${frame.payload.readUInt32BE()}`)
        break
      case type.settings:
        this.#takeSettings(frame)
        break
      case type.ping:
        if ((frame.flags & flag.acknowledged) === 0)
          this.#write(encodeFrame(type.ping, flag.acknowledged, 0, frame.payload))
        break
      case type.goAway:
        this.#fail(new Error('the server has ended the connection'))
        break
      case type.windowUpdate:
        this.#takeWindow(frame)
        break
    }
  }

  #takeHeaders({ flags, stream, payload }: Frame): void {
    const unread = flags & (flag.padded | flag.priority)
    if (unread !== 0 || (flags & flag.endHeaders) === 0)
      this.#reject(stream, 'headers that this client does not read')
    else if ((flags & flag.endStream) !== 0) this.#end(stream, payload)
  }

  #takeData({ flags, stream, payload }: Frame): void {
    this.#receivedBytes += payload.length
    if (this.#receivedBytes >= windowRenewalBytes) {
      this.#write(encodeWindowUpdate(this.#receivedBytes))
      this.#receivedBytes = 0
    }
    if ((flags & flag.padded) !== 0)
      this.#reject(stream, 'padded data that this client does not read')
    this.#streams.get(stream)?.chunks.push(payload)
    if ((flags & flag.endStream) !== 0) this.#end(stream, Buffer.alloc(0))
  }

  #takeSettings({ flags, payload }: Frame): void {
    if ((flags & flag.acknowledged) !== 0) return
    for (let at = 0; at < payload.length; at += settingBytes) {
      const name = payload.readUInt16BE(at)
      const value = payload.readUInt32BE(at + 2)
      if (name === setting.streamsMax) this.#streamsMax = value
      if (name === setting.windowBytes) this.#resizeWindows(value)
    }
    this.#write(encodeFrame(type.settings, flag.acknowledged, 0, Buffer.alloc(0)))
    this.#greeting?.resolve()
  }

  #resizeWindows(bytes: number): void {
    for (const stream of this.#streams.values()) stream.window += bytes - this.#streamWindow
    this.#streamWindow = bytes
    this.#sendBlocked()
  }

  #takeWindow({ stream, payload }: Frame): void {
    const bytes = payload.readUInt32BE()
    const opened = this.#streams.get(stream)
    if (stream === 0) this.#window += bytes
    else if (opened !== undefined) opened.window += bytes
    this.#sendBlocked()
  }

  #sendBlocked(): void {
    for (const stream of this.#blocked) this.#sendBody(stream)
  }

  #end(id: number, headers: Buffer): void {
    const stream = this.#remove(id)
    stream?.resolve({ headers, body: Buffer.concat(stream.chunks) })
  }

  #reject(id: number, reason: string): void {
    this.#remove(id)?.reject(new Error(reason))
  }

  #remove(id: number): Stream | undefined {
    const stream = this.#streams.get(id)
    if (stream === undefined) return undefined
    this.#streams.delete(id)
    this.#blocked.delete(stream)
    if (this.#streams.size < this.#streamsMax) this.#queue.shift()?.()
    return stream
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#greeting?.reject(this.#failure)
    for (const id of [...this.#streams.keys()]) this.#reject(id, this.#failure.message)
    for (const begin of this.#queue.splice(0)) begin()
    this.#socket.destroy()
  }
}

// ── Frames ────────────────────────────────────────────────────────────────────────────────────────

function encodeFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length)
  frame.writeUIntBE(payload.length, 0, 3)
  frame[3] = type
  frame[4] = flags
  frame.writeUInt32BE(stream, 5)
  payload.copy(frame, frameHeaderBytes)
  return frame
}

function encodeSettings(settings: readonly (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * settingBytes)
  for (const [index, [name, value]] of settings.entries()) {
    payload.writeUInt16BE(name, index * settingBytes)
    payload.writeUInt32BE(value, index * settingBytes + 2)
  }
  return encodeFrame(type.settings, 0, 0, payload)
}

/** Of the connection. */
function encodeWindowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return encodeFrame(type.windowUpdate, 0, 0, payload)
}

function decodeFrame(bytes: Buffer, at: number): { frame: Frame; end: number } | null {
  const begin = at + frameHeaderBytes
  if (bytes.length < begin) return null
  const end = begin + bytes.readUIntBE(at, 3)
  if (bytes.length < end) return null
  const frame = {
    type: bytes[at + 3] ?? 0,
    flags: bytes[at + 4] ?? 0,
    stream: bytes.readUInt32BE(at + 5) & windowBytesMax,
    payload: bytes.subarray(begin, end),
  }
  return { frame, end }
}
