/**
 * The listening side of the network as its makers provide it (listener-uws.ts, listener-ws.ts). A
 * listener accepts, hands over messages and closes; it knows nothing of handshakes, frames or peers.
 */
import type { Transport } from '../options.ts'

/** One accepted connection. After `end`, or once it was closed, its methods do nothing. */
export interface Connection {
  /** Only for the few small messages of a handshake: one that finds no room closes the connection. */
  send(bytes: Uint8Array): void
  /** Its peer knows the secret: it no longer takes up the room of strangers (lobby.ts). */
  proven(): void
  /** Asks it for a sign of life. */
  ping(): void
  end(code: number, reason: string): void
}

/** What its owner wants to hear of it. */
export interface ConnectionEvents {
  /** The bytes are lent: they are gone when the call returns. */
  message(bytes: Uint8Array, binary: boolean): void
  /** The answer to a ping. */
  alive(): void
  /** Nothing follows. Not called when the owner ended it itself. */
  closed(): void
}

export type Accept = (connection: Connection) => ConnectionEvents

export interface ListenAt {
  /** An address of this machine. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Messages of `messageBytesMax` are taken on this path, of `handshakeBytesMax` on any other. */
  readonly peerPath: string
}

export interface Listener {
  readonly transport: Transport
  readonly port: number
  /** Ends every connection; the port is free when it resolves. */
  close(): Promise<void>
}

/** A connection on which nothing, not even a ping, has passed for so long is closed. */
export const idleTimeoutMs: number = 32_000
