/**
 * Connections whose other end has not proven the secret. Anybody can open one and say nothing, so they have
 * a room of their own, beside that of the members (reception.ts). When it is full the oldest leaves for the
 * newest: a member proves itself within a few round trips, long before its turn comes to leave.
 */
import { strangersMax } from '../options.ts'

export class Lobby<Stranger> {
  readonly #drop: (stranger: Stranger) => void
  /** Oldest first. */
  readonly #strangers = new Set<Stranger>()

  /** @param drop closes its connection at once */
  constructor(drop: (stranger: Stranger) => void) {
    this.#drop = drop
  }

  enter(stranger: Stranger): void {
    this.#strangers.add(stranger)
    if (this.#strangers.size <= strangersMax) return
    for (const oldest of this.#strangers) {
      this.#strangers.delete(oldest)
      this.#drop(oldest)
      return
    }
  }

  /** It has proven the secret, or is gone. */
  leave(stranger: Stranger): void {
    this.#strangers.delete(stranger)
  }
}
