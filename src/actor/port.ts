import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { assert } from '../raft/assert.ts'

/**
 * One end of a channel between two actors. What is posted waits in an outbox until `flush`, which
 * sends all of it as one message: the cost of a thread hop is per message, not per byte.
 */
export interface Port<Out, In> {
  /** Queues for the next flush. Buffers in `move` leave this thread and must not be used again. */
  post(message: Out, move?: readonly ArrayBuffer[]): void
  flush(): void
  /** Calls back whenever something waits; `receive` then takes it. */
  onWaiting(wake: () => void): void
  /** Everything waiting, oldest first. */
  receive(): readonly In[]
  /** Calls back when either end has been closed. */
  onClosed(ended: () => void): void
  close(): void
}

/**
 * Messages (each one flush of the other end) taken in one `receive`. The rest stays in the port and wakes the
 * actor again, so that a flood cannot keep a turn from ending.
 */
const receiveMessagesMax = 256

/** Wraps a MessagePort; works across threads and, in tests and with `workers: 1`, within one. */
export function openPort<Out, In>(raw: MessagePort): Port<Out, In> {
  let outbox: Out[] = []
  let moves = new Set<ArrayBuffer>()
  let waiting: In[] = []
  let closed = false

  return {
    post(message, move) {
      outbox.push(message)
      if (move !== undefined) for (const buffer of move) moves.add(buffer)
    },
    flush() {
      if (outbox.length === 0) return
      if (!closed) raw.postMessage(outbox, [...moves])
      outbox = []
      moves = new Set()
    },
    onWaiting(wake) {
      // The event hands us one message; `receive` drains those behind it, which then raise no event.
      raw.on('message', (message: readonly In[]) => {
        waiting = waiting.concat(message)
        wake()
      })
    },
    receive() {
      const batch = waiting
      waiting = []
      for (let n = 0; n < receiveMessagesMax; n++) {
        const next = receiveMessageOnPort(raw) as { message: readonly In[] } | undefined
        if (next === undefined) break
        for (const message of next.message) batch.push(message)
      }
      return batch
    },
    onClosed(ended) {
      raw.on('close', ended)
    },
    close() {
      closed = true
      raw.close()
    },
  }
}

/** Which of several like actors serves this peer. */
export function pick<T>(actors: readonly T[], peer: string): T {
  const actor = actors[Number.parseInt(peer.slice(-4), 16) % actors.length]
  assert(actor !== undefined, 'a node has at least one of each actor')
  return actor
}
