/** What this node last heard of its cluster, and those who wait for it to change. */
import type { SkiffError } from '../errors.ts'
import type { NodeView } from '../messages.ts'
import type { CallOptions } from '../options.ts'
import { now, onAbort, timeoutOf } from './deadline.ts'

interface Waiting {
  readonly wanted: (view: NodeView) => boolean
  readonly resolve: (view: NodeView) => void
  readonly reject: (error: unknown) => void
  readonly deadline: number
  readonly late: () => SkiffError
}

export class ViewBoard {
  readonly #defaultTimeoutMs: number
  readonly #waiting = new Set<Waiting>()
  view: NodeView = { role: 'follower', term: 0, leaderId: null, members: [] }

  constructor(defaultTimeoutMs: number) {
    this.#defaultTimeoutMs = defaultTimeoutMs
  }

  show(view: NodeView): void {
    this.view = view
    for (const waiting of [...this.#waiting]) {
      if (!waiting.wanted(view)) continue
      this.#waiting.delete(waiting)
      waiting.resolve(view)
    }
  }

  /** Resolves with the first view that is as wanted; after the deadline rejects with `late`. */
  until(
    wanted: (view: NodeView) => boolean,
    late: () => SkiffError,
    options?: CallOptions,
  ): Promise<NodeView> {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#defaultTimeoutMs)
      if (wanted(this.view)) {
        resolve(this.view)
        return
      }
      const release = onAbort(options?.signal, (reason) => settle(() => reject(reason)))
      const settle = (act: () => void): void => {
        release()
        this.#waiting.delete(waiting)
        act()
      }
      const waiting: Waiting = {
        wanted,
        resolve: (view) => settle(() => resolve(view)),
        reject: (error) => settle(() => reject(error)),
        deadline: now() + timeoutMs,
        late,
      }
      this.#waiting.add(waiting)
    })
  }

  sweep(): void {
    const time = now()
    for (const waiting of [...this.#waiting])
      if (time >= waiting.deadline) waiting.reject(waiting.late())
  }

  failAll(error: SkiffError): void {
    for (const waiting of [...this.#waiting]) waiting.reject(error)
  }
}
