/**
 * The network between members. Member n listens on 127.0.1.n and tells the others 127.0.2.n, where a proxy
 * takes what they dial and passes it on, as the weather allows. Weather is ruled per direction, from one
 * member to another, whichever of the two has dialled. Who dials is read in the first message of the
 * handshake, which is not encrypted.
 *
 * What is held up is not lost: TCP would send it again until the cut is healed. Then it arrives, however
 * late, also what a process had said that is dead by then.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * `held`: nothing arrives until it is open again · `reset`: connections between the two are reset, also
 * new ones. `delayMs` is added to whatever passes.
 */
export interface Weather {
  readonly passage: 'open' | 'held' | 'reset'
  readonly delayMs: number
}

export const fair: Weather = { passage: 'open', delayMs: 0 }
export const held: Weather = { passage: 'held', delayMs: 0 }

/** What the weather has done so far. */
export interface Effects {
  heldBytes: number
  delayedBytes: number
  resets: number
}

/** Bytes that wait in one direction of a connection, before its sender is made to wait. */
const pipeBytesMax = 2 ** 20
/** The dialler's name stands within so many bytes; beyond them it is a stranger. */
const helloBytesMax = 4_096

export function listenHost(member: number): string {
  return `127.0.1.${member}`
}

export function advertisedHost(member: number): string {
  return `127.0.2.${member}`
}

export class Proxies {
  readonly effects: Effects = { heldBytes: 0, delayedBytes: 0, resets: 0 }
  readonly #weather = new Map<string, Weather>()
  readonly #servers = new Map<number, Server>()
  readonly #connections = new Set<Connection>()

  /** Resolves with the port at which the member must listen, too. */
  async open(member: number): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(member, socket))
    this.#servers.set(member, server)
    server.listen(0, advertisedHost(member))
    await once(server, 'listening')
    return this.#portOf(member)
  }

  between(from: number | null, to: number | null): Weather {
    return this.#weather.get(`${from} ${to}`) ?? fair
  }

  rule(from: number, to: number, weather: Weather): void {
    this.#weather.set(`${from} ${to}`, weather)
    for (const connection of this.#connections) connection.feel()
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.reset()
    const closed = [...this.#servers.values()].map((server) => once(server.close(), 'close'))
    await Promise.all(closed)
  }

  #accept(member: number, dialler: Socket): void {
    const host = listenHost(member)
    const listener = connect({ host, port: this.#portOf(member), noDelay: true })
    const connection = new Connection(this, member, dialler, listener)
    this.#connections.add(connection)
    const ended = [dialler, listener].map((socket) => once(socket, 'close'))
    void Promise.allSettled(ended).then(() => this.#connections.delete(connection))
  }

  #portOf(member: number): number {
    const address = this.#servers.get(member)?.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }
}

class Connection {
  readonly #proxies: Proxies
  /** `null` until it has said who it is. */
  #dialler: number | null = null
  readonly #sockets: readonly Socket[]
  readonly #pipes: readonly [there: Pipe, back: Pipe]
  #hello = ''

  constructor(proxies: Proxies, member: number, dialler: Socket, listener: Socket) {
    const { effects } = proxies
    const there = new Pipe(dialler, listener, effects, () => proxies.between(this.#dialler, member))
    const back = new Pipe(listener, dialler, effects, () => proxies.between(member, this.#dialler))
    this.#proxies = proxies
    this.#sockets = [dialler, listener]
    this.#pipes = [there, back]
    dialler.on('data', (chunk: Buffer) => {
      this.#recognise(chunk)
      there.take(chunk)
    })
    listener.on('data', (chunk: Buffer) => back.take(chunk))
  }

  /** The weather may have changed. */
  feel(): void {
    if (this.#pipes.some(({ weather }) => weather.passage === 'reset')) {
      this.#proxies.effects.resets++
      this.reset()
    } else {
      for (const pipe of this.#pipes) pipe.pump()
    }
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #recognise(chunk: Buffer): void {
    if (this.#dialler !== null || this.#hello.length > helloBytesMax) return
    this.#hello += chunk.toString('latin1')
    const name = /127\.0\.2\.(\d+):\d/.exec(this.#hello)?.[1]
    if (name === undefined) return
    this.#dialler = Number(name)
    this.feel()
  }
}

/** One direction of a connection. */
class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #effects: Effects
  readonly #weather: () => Weather
  readonly #waiting: { readonly chunk: Buffer; readonly due: number }[] = []
  #waitingBytes = 0
  #ended = false
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, effects: Effects, weather: () => Weather) {
    this.#from = from
    this.#to = to
    this.#effects = effects
    this.#weather = weather
    // Resets are part of the weather; 'close' follows.
    from.on('error', () => undefined)
    from.once('close', () => {
      this.#ended = true
      this.pump()
    })
    to.on('drain', () => this.pump())
    to.once('close', () => {
      clearTimeout(this.#timer)
      this.#waiting.length = 0
      from.resume()
    })
  }

  get weather(): Weather {
    return this.#weather()
  }

  take(chunk: Buffer): void {
    if (this.#to.destroyed) return
    const { passage, delayMs } = this.weather
    if (passage === 'held') this.#effects.heldBytes += chunk.length
    if (delayMs > 0) this.#effects.delayedBytes += chunk.length
    this.#waiting.push({ chunk, due: performance.now() + delayMs })
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > pipeBytesMax) this.#from.pause()
    this.pump()
  }

  /** Passes on what may pass, in order. */
  pump(): void {
    if (this.weather.passage === 'held' || this.#to.destroyed) return
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#to.writableNeedDrain) return
      if (next.due > performance.now()) {
        this.#pumpAt(next.due)
        return
      }
      this.#waiting.shift()
      this.#waitingBytes -= next.chunk.length
      this.#to.write(next.chunk)
    }
    if (this.#ended) this.#to.destroySoon()
    else this.#from.resume()
  }

  #pumpAt(due: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.pump(), due - performance.now())
  }
}
