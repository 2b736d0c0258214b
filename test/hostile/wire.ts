/**
 * A peer made by hand: a TCP socket that speaks just enough HTTP and WebSocket (RFC 6455) to break every
 * rule of both. Server frames are read as well as any client would; what is sent is up to the attack.
 */
import { connect, type Socket } from 'node:net'

/** How a connection ended, as its dialer saw it; `null`: without a close frame. */
export interface Ending {
  readonly code: number | null
  readonly reason: string
}

export interface FrameOptions {
  readonly opcode?: number
  readonly final?: boolean
  readonly masked?: boolean
  /** The three bits that only extensions may use. */
  readonly reserved?: number
  /** The length written into the header; the true one unless it is to lie. */
  readonly announced?: bigint
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

function upgradeRequest(path: string): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: peer',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

/** As a stranger asks, who does not know the path of the peers. */
export const upgradeBytes: Uint8Array = upgradeRequest('/')

/** Bytes of HTTP or frames that a listener may have said and nobody has read yet. */
const unreadBytesMax = 64 * 2 ** 10

/** Of what a peer has sent, as evidence. */
const sentBytesKept = 4 * 2 ** 10

/** A frame as a client sends it. The mask is zeros: valid, and the payload stays readable. */
export function webSocketFrame(payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { opcode = opcodes.binary, final = true, masked = true, reserved = 0 } = options
  const { announced = BigInt(payload.length) } = options
  const head = Buffer.of((final ? 0x80 : 0) | (reserved << 4) | opcode)
  const mask = masked ? 0x80 : 0
  return Buffer.concat([head, lengthBytes(announced, mask), Buffer.alloc(masked ? 4 : 0), payload])
}

function lengthBytes(length: bigint, mask: number): Buffer {
  if (length < 126n) return Buffer.of(mask | Number(length))
  const long = length > 0xffffn
  const bytes = Buffer.alloc(long ? 9 : 3)
  bytes[0] = mask | (long ? 127 : 126)
  if (long) bytes.writeBigUInt64BE(BigInt.asUintN(64, length), 1)
  else bytes.writeUInt16BE(Number(length), 1)
  return bytes
}

export class RawPeer {
  /** Resolves when the listener has ended the connection, or we have; never rejects. */
  readonly ended: Promise<Ending>
  readonly #socket: Socket
  #upgraded = false
  #unread: Buffer = Buffer.alloc(0)
  readonly #messages: Buffer[] = []
  #ending: Ending = { code: null, reason: '' }
  #over = false
  #sent: Buffer = Buffer.alloc(0)
  #wake: () => void = () => undefined

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (bytes) => this.#hear(bytes))
    // Reset by a listener that has heard enough; 'close' follows.
    this.#socket.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#over = true
        this.#wake()
        resolve(this.#ending)
      })
    })
  }

  get isOver(): boolean {
    return this.#over
  }

  /** What our own system has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  /** The beginning of what was written, to do it again by hand. */
  get sent(): Uint8Array {
    return this.#sent
  }

  write(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, sentBytesKept - this.#sent.length)
    if (kept.length > 0) this.#sent = Buffer.concat([this.#sent, kept])
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Says that nothing more will come, and still listens. */
  finish(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Asks for the WebSocket, as a stranger does unless it is told the path. False: refused. */
  async upgrade(path = '/'): Promise<boolean> {
    this.write(upgradeRequest(path))
    await this.#until(() => this.#upgraded)
    return this.#upgraded
  }

  /** The next message of the listener; `null` once there will be none. */
  async message(): Promise<Uint8Array | null> {
    await this.#until(() => this.#messages.length > 0)
    return this.#messages.shift() ?? null
  }

  /** Until this holds, or the connection is over. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #hear(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes])
    if (this.#unread.length > unreadBytesMax) this.destroy()
    if (!this.#upgraded) this.#readUpgrade()
    if (this.#upgraded) while (this.#readFrame());
    this.#wake()
  }

  #readUpgrade(): void {
    const end = this.#unread.indexOf('\r\n\r\n')
    if (end < 0 || !this.#unread.toString('latin1', 0, 12).includes(' 101')) return
    this.#upgraded = true
    this.#unread = this.#unread.subarray(end + 4)
  }

  /** Of a listener, whose frames are short and unmasked. */
  #readFrame(): boolean {
    const [head = 0, short = 0] = this.#unread
    const start = short === 126 ? 4 : 2
    if (this.#unread.length < start) return false
    const end = start + (short === 126 ? this.#unread.readUInt16BE(2) : short)
    if (this.#unread.length < end) return false
    this.#take(head & 0x0f, this.#unread.subarray(start, end))
    this.#unread = this.#unread.subarray(end)
    return true
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.binary) this.#messages.push(Buffer.from(payload))
    if (opcode !== opcodes.close) return
    const code = payload.length < 2 ? null : payload.readUInt16BE(0)
    this.#ending = { code, reason: payload.toString('utf8', 2) }
    // A polite end; a listener that waits for our answer before it closes is answered.
    this.write(webSocketFrame(payload, { opcode: opcodes.close }))
  }
}
