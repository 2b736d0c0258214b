/** Bugs of the callers' side: what waits, for how long, and what is told to whom. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/client')

export const clientBugs: readonly Mutant[] = [
  plant(
    'watchers.ts',
    'a watch from a revision to come hears of what other watchers on the node hear before',
    '    this.#liveFrom = Math.max(revision + 1, this.#fromRevision)',
    '    this.#liveFrom = revision + 1',
  ),
  plant(
    'questions.ts',
    'a refused question does not free its load',
    'for (const caller of this.take(id)) caller.reject(errorFromData(error))',
    'for (const caller of this.#asked.get(id)?.callers ?? []) caller.reject(errorFromData(error))\n    this.#asked.delete(id)',
  ),
  plant(
    'deadline.ts',
    'a signal keeps every call that it was given to',
    '    release()\n    if (!aborted) act()',
    '    if (!aborted) act()',
  ),
  plant(
    'reads.ts',
    'a confirmed read sees the state as it was last read',
    'this.#state.refresh()\n    for (const caller',
    'for (const caller',
  ),
  plant(
    'reads.ts',
    'what was confirmed is read though the state was found to be wrong since',
    'if (this.#board.isStateBad) {\n      this.#askAgain(ids)\n      return\n    }',
    '',
  ),
  plant(
    'moving-watcher.ts',
    'nobody hears that a watch was told of what never was',
    "if (error.code === 'SKIFF_STORAGE' && error.revision !== null) return false",
    '',
  ),
  plant(
    'reads.ts',
    'whoever catches up trusts the board',
    'this.#wait(timeoutMs, options?.signal, reject, () => resolve())',
    'if (this.#board.leadsAlone) resolve()\n      else this.#wait(timeoutMs, options?.signal, reject, () => resolve())',
  ),
  plant('reads.ts', 'a closed state is read', 'this.#load.checkEnd()', ''),
  plant(
    'reads.ts',
    'an answer after the end touches a closed state',
    'if (callers.length === 0) return',
    '',
  ),
  plant(
    'view.ts',
    'who waits for a view after the end waits for ever',
    'this.#failure = failure\n',
    '',
  ),
  plant(
    'watchers.ts',
    'the revision of a watcher ignores what is queued',
    'const idle = this.#queue.length === 0 && this.#liveFrom !== null',
    'const idle = this.#liveFrom !== null',
  ),
  plant(
    'watchers.ts',
    'the revision of a watcher lies before its beginning',
    'if (this.#beginsNow) this.#delivered = revision',
    '',
  ),
  plant(
    'watchers.ts',
    'what was taken is reported again and again',
    'this.#upstream.consumed(this.#consumedBytes)\n      this.#consumedBytes = 0',
    'this.#upstream.consumed(this.#consumedBytes)',
  ),
  plant(
    'watchers.ts',
    'an ended watcher still counts',
    'this.#watchers.get(id)?.end(errorFromData(error))\n    this.#watchers.delete(id)',
    'this.#watchers.get(id)?.end(errorFromData(error))',
  ),
  plant(
    'moving-watcher.ts',
    'a watch that moves gets its last event twice',
    'fromRevision: watcher.revision + 1',
    'fromRevision: watcher.revision',
  ),
  plant(
    'backlog.ts',
    'nobody is refused for a backlog',
    'return requests > Math.max(...this.#paces) * this.#waitMsMax',
    'return requests > Number.POSITIVE_INFINITY',
  ),
  plant(
    'backlog.ts',
    'a pause is taken for a pace',
    '    if (this.#windowStartMs === null || isPause)',
    '    if (this.#windowStartMs === null)',
  ),
  plant(
    'backlog.ts',
    'a window that a pause cut short counts alone',
    '...this.#paces.slice(0, 1)]',
    ']',
  ),
  plant(
    'backlog.ts',
    'the first answer of a burst ends the window',
    '    this.#windowStartMs = null\n',
    '    this.#windowStartMs = nowMs\n    this.#answers = 0\n',
  ),
  plant(
    'backlog.ts',
    'what few ask for is taken for the pace',
    'if (tookMs < windowMs || this.#heardMs === null) return',
    'if (tookMs < windowMs) return',
  ),
  plant(
    'backlog.ts',
    'an old pace holds for ever',
    '    if (nowMs > this.#measuredAtMs + memoryMs) this.#paces = []\n',
    '',
  ),
  plant(
    'backlog.ts',
    'what was measured holds while no answers come',
    'nowMs - this.#heardMs > pauseMs || this.#paces.length === 0',
    'this.#paces.length === 0',
  ),
  plant(
    'load.ts',
    'what one turn asks for counts against itself',
    'isTooLong(this.#earlier)',
    'isTooLong(this.#requests)',
  ),
]
