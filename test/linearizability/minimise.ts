/**
 * The smallest illegal history that can be found inside an illegal one, for a reader to look at. Not any
 * subset will do: without its put every get is illegal. So an operation is left out only in ways that
 * keep legal histories legal; what stays illegal then is illegal for a reason that was in the whole:
 *
 * - the end of a history: what was called later goes, what was answered later was never answered;
 * - reads, deletes that found nothing included;
 * - a put, with the gets of its value; a delete that may have met it no longer says what it found;
 * - a delete, with what found the key absent and may have met it.
 *
 * Nothing meets a write when another, kept one lies between in every order.
 *
 * One key at a time. Greedy: runs of operations first, then single ones, until none can go.
 */
import { type Operation, returnOf } from './history.ts'

/** Operations on one key; `isIllegal` must hold for them, and does for the answer. */
export function minimise(
  operations: readonly Operation[],
  isIllegal: (operations: readonly Operation[]) => boolean,
): readonly Operation[] {
  let kept = shortestPrefix(operations, isIllegal)
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    kept = dropRuns(kept, size, isIllegal)
  }
  for (;;) {
    const fewer = dropRuns(kept, 1, isIllegal)
    if (fewer.length === kept.length) return fewer
    kept = fewer
  }
}

/** Every prefix of a legal history is legal, so the first illegal one is found by halving. */
function shortestPrefix(
  operations: readonly Operation[],
  isIllegal: (operations: readonly Operation[]) => boolean,
): readonly Operation[] {
  const ends = operations
    .map(returnOf)
    .filter(Number.isFinite)
    .sort((a, b) => a - b)
  let [low, high] = [0, ends.length - 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isIllegal(prefix(operations, ends[middle] ?? 0))) high = middle
    else low = middle + 1
  }
  const shortest = prefix(operations, ends[low] ?? 0)
  return isIllegal(shortest) ? shortest : operations
}

function prefix(operations: readonly Operation[], end: number): readonly Operation[] {
  return operations
    .filter(
      ({ op, call, ...rest }) => call <= end && (op !== 'get' || (rest.return ?? call) <= end),
    )
    .map((operation) => (returnOf(operation) <= end ? operation : unanswered(operation)))
}

function unanswered(operation: Operation): Operation {
  return { ...operation, return: null, outcome: 'unknown', result: null }
}

function dropRuns(
  operations: readonly Operation[],
  size: number,
  isIllegal: (operations: readonly Operation[]) => boolean,
): readonly Operation[] {
  let kept = operations
  for (let end = kept.length; end > 0; end = Math.min(end - size, kept.length)) {
    const fewer = without(kept, new Set(kept.slice(Math.max(0, end - size), end)))
    if (isIllegal(fewer)) kept = fewer
  }
  return kept
}

/** What is left when these go, and all that could not stay legal without them. */
export function without(
  operations: readonly Operation[],
  dropped: ReadonlySet<Operation>,
): readonly Operation[] {
  const kept = operations.filter((operation) => !dropped.has(operation))
  const values = new Set([...dropped].map(({ value }) => value))
  const puts = [...dropped].filter(({ op }) => op === 'put').map((put) => reachOf(put, kept))
  const deletes = [...dropped].filter(isDeletion).map((deletion) => reachOf(deletion, kept))
  return kept
    .filter((operation) => {
      if (foundAbsent(operation)) return !deletes.some((reach) => meets(operation, reach))
      return operation.op !== 'get' || !values.has(operation.result)
    })
    .map((operation) => {
      const foundSomething = operation.op === 'delete' && operation.result === true
      if (!foundSomething || !puts.some((reach) => meets(operation, reach))) return operation
      return { ...operation, result: null }
    })
}

/** The time in which operations may have met what a write left. */
interface Reach {
  readonly from: number
  readonly to: number
}

/** Until another write, called after it had returned, has returned itself. */
function reachOf(write: Operation, kept: readonly Operation[]): Reach {
  let to = Number.POSITIVE_INFINITY
  for (const other of kept) {
    const isWrite = other.op === 'put' || isDeletion(other)
    if (isWrite && other.call > returnOf(write)) to = Math.min(to, returnOf(other))
  }
  return { from: write.call, to }
}

function meets(operation: Operation, { from, to }: Reach): boolean {
  return returnOf(operation) >= from && operation.call <= to
}

function isDeletion({ op, result }: Operation): boolean {
  return op === 'delete' && result !== false
}

function foundAbsent({ op, result, outcome }: Operation): boolean {
  if (outcome !== 'ok') return false
  return op === 'get' ? result === null : op === 'delete' && result === false
}
