/** What this node last heard of its cluster, and those who wait for it to change. */
import { type Outcome, SkiffError } from '../errors.ts'
import type { NodeView } from '../messages.ts'
import type { CallOptions } from '../options.ts'
import type { NodeId } from '../raft/types.ts'
import { now, onAbort, timeoutOf } from './deadline.ts'

interface Waiting {
  readonly wanted: (view: NodeView) => boolean
  readonly resolve: (view: NodeView) => void
  readonly reject: (error: unknown) => void
  readonly late: () => SkiffError
  readonly timeoutMs: number
  deadline: number
  readonly progress: () => number
  /** As it was when last looked at. */
  progressed: number
}

export class ViewBoard {
  readonly #defaultTimeoutMs: number
  readonly #waiting = new Set<Waiting>()
  #failure: ((outcome: Outcome) => SkiffError) | null = null
  view: NodeView = { role: 'follower', term: 0, leaderId: null, members: [], isJoint: false }

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

  /**
   * Resolves with the first view that is as wanted; after the deadline rejects with `late`. The deadline
   * moves on whenever `progress` does.
   */
  until(
    wanted: (view: NodeView) => boolean,
    late: () => SkiffError,
    options?: CallOptions,
    progress: () => number = standstill,
  ): Promise<NodeView> {
    return new Promise((resolve, reject) => {
      options?.signal?.throwIfAborted()
      const timeoutMs = timeoutOf(options, this.#defaultTimeoutMs)
      if (this.#failure !== null) {
        reject(this.#failure(late().outcome))
        return
      }
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
        late,
        timeoutMs,
        deadline: now() + timeoutMs,
        progress,
        progressed: progress(),
      }
      this.#waiting.add(waiting)
    })
  }

  /** The leader's id, as soon as one is known. */
  async leader(options?: CallOptions): Promise<NodeId> {
    const late = () =>
      new SkiffError('SKIFF_NO_LEADER', 'not-applied', 'no leader within the deadline')
    const { leaderId } = await this.until((view) => view.leaderId !== null, late, options)
    return leaderId ?? ''
  }

  sweep(): void {
    const time = now()
    for (const waiting of [...this.#waiting]) {
      if (hasMoved(waiting)) waiting.deadline = time + waiting.timeoutMs
      if (time >= waiting.deadline) waiting.reject(waiting.late())
    }
  }

  /** Nothing will be shown any more. What they wait for is no more certain than it would be too late. */
  failAll(failure: (outcome: Outcome) => SkiffError): void {
    this.#failure = failure
    for (const waiting of [...this.#waiting]) waiting.reject(failure(waiting.late().outcome))
  }
}

/** The progress of what has none but its end. */
function standstill(): number {
  return 0
}

function hasMoved(waiting: Waiting): boolean {
  const before = waiting.progressed
  waiting.progressed = waiting.progress()
  return waiting.progressed !== before
}
