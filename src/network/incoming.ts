/**
 * One connection that a peer has dialled to us: the handshake within its time, then numbered frames.
 * Whatever else arrives ends it; nothing that arrives can make it throw.
 */
import { handshakeTimeoutMs } from '../options.ts'
import type { NodeId } from '../raft/types.ts'
import type { ListenerHandshake } from './handshake.ts'
import type { Hello } from './hello.ts'
import type { Connection, ConnectionEvents } from './listener.ts'
import { frameOf, nextSequence, sequenceOf } from './message.ts'
import { closeFrame, type Refusal, refusal } from './refusal.ts'

export interface Gate {
  /** May this dialer, who knows the secret, come in? Never rejects. */
  admit(dialer: Hello, incoming: Incoming): Promise<Refusal | null>
  /** It came in. */
  entered(dialer: Hello, incoming: Incoming): void
  /** The bytes are the receiver's own. */
  frame(from: NodeId, bytes: Uint8Array): void
  left(incoming: Incoming): void
}

/** How long a link that another process of its node wants to take over may leave a ping unanswered. */
export const aliveTimeoutMs: number = 500

type Phase =
  | { readonly name: 'handshake'; readonly handshake: ListenerHandshake }
  /** Proven, and not yet welcome: nothing may be said meanwhile. */
  | { readonly name: 'admission' }
  | { readonly name: 'probed' }
  | { readonly name: 'open'; readonly from: NodeId; sequence: number }
  | { readonly name: 'closed' }

export class Incoming implements ConnectionEvents {
  readonly #connection: Connection
  readonly #gate: Gate
  readonly #deadline: NodeJS.Timeout
  #phase: Phase
  /** Who asks whether it lives. */
  #asking: ((lives: boolean) => void)[] = []

  constructor(connection: Connection, handshake: ListenerHandshake, gate: Gate) {
    this.#connection = connection
    this.#gate = gate
    this.#phase = { name: 'handshake', handshake }
    this.#deadline = setTimeout(
      () => this.end(refusal('unavailable', 'handshake took too long')),
      handshakeTimeoutMs,
    )
  }

  message(bytes: Uint8Array, binary: boolean): void {
    const phase = this.#phase
    if (!binary) this.#malformed('text message')
    else if (phase.name === 'open') this.#receive(phase, bytes)
    else if (phase.name === 'handshake') this.#shakeHands(phase.handshake, bytes)
    else if (phase.name === 'admission') this.#malformed('message before the welcome')
    else if (phase.name === 'probed') this.#malformed('message after a probe')
  }

  alive(): void {
    const asking = this.#asking
    this.#asking = []
    for (const tell of asking) tell(true)
  }

  /** Does anybody answer at the other end? Only for links that are open. */
  lives(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => tell(false), aliveTimeoutMs)
      const tell = (lives: boolean): void => {
        clearTimeout(timer)
        resolve(lives)
      }
      this.#asking.push(tell)
      this.#connection.ping()
    })
  }

  closed(): void {
    if (this.#phase.name === 'closed') return
    this.#phase = { name: 'closed' }
    clearTimeout(this.#deadline)
    for (const tell of this.#asking) tell(false)
    this.#gate.left(this)
  }

  end(why: Refusal): void {
    if (this.#phase.name === 'closed') return
    const { code, reason } = closeFrame(why)
    this.closed()
    this.#connection.end(code, reason)
  }

  #shakeHands(handshake: ListenerHandshake, bytes: Uint8Array): void {
    const step = handshake.receive(bytes)
    switch (step.type) {
      case 'send':
        this.#connection.send(step.bytes)
        break
      case 'refuse':
        this.end(step.refusal)
        break
      case 'proven':
        this.#phase = { name: 'admission' }
        this.#connection.proven()
        void this.#admit(step.dialer, handshake)
        break
    }
  }

  async #admit(dialer: Hello, handshake: ListenerHandshake): Promise<void> {
    const verdict = await this.#gate.admit(dialer, this)
    if (this.#phase.name === 'closed') return
    if (verdict !== null) this.end(verdict)
    else this.#enter(dialer, handshake.welcome())
  }

  #enter(dialer: Hello, welcome: Uint8Array): void {
    clearTimeout(this.#deadline)
    const linked = dialer.purpose === 'link'
    this.#phase = linked ? { name: 'open', from: dialer.nodeId, sequence: 0 } : { name: 'probed' }
    this.#gate.entered(dialer, this)
    this.#connection.send(welcome)
  }

  #receive(phase: { readonly from: NodeId; sequence: number }, bytes: Uint8Array): void {
    const sequence = sequenceOf(bytes)
    if (sequence !== phase.sequence) {
      this.#malformed(`expected message ${phase.sequence}, got ${sequence ?? 'less than a number'}`)
      return
    }
    phase.sequence = nextSequence(sequence)
    this.#gate.frame(phase.from, frameOf(bytes))
  }

  #malformed(reason: string): void {
    this.end(refusal('malformed', reason))
  }
}
