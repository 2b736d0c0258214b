/**
 * The smallest illegal history that can be found inside an illegal one, for a reader to look at. Not any
 * subset will do: without its put every get is illegal. So an operation is left out only in ways that
 * keep legal histories legal; what stays illegal then is illegal for a reason that was in the whole:
 *
 * - the end of a history: what was called later goes, what was answered later was never answered;
 * - reads, deletes that found nothing included;
 * - a put, with the gets of its value; deletes after it no longer say whether they found something;
 * - a delete, with what found the key absent after it.
 *
 * One key at a time. Greedy: runs of operations first, then single ones, until none can go.
 */
import { type Operation, returnOf, type Value } from './history.ts'

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
  const values = new Set<Value>()
  let firstPut = Number.POSITIVE_INFINITY
  let firstDelete = Number.POSITIVE_INFINITY
  for (const { op, value, result, call } of dropped) {
    if (op === 'put') {
      values.add(value)
      firstPut = Math.min(firstPut, call)
    } else if (op === 'delete' && result !== false) {
      firstDelete = Math.min(firstDelete, call)
    }
  }
  return operations
    .filter((operation) => {
      if (dropped.has(operation)) return false
      if (foundAbsent(operation)) return returnOf(operation) < firstDelete
      return operation.op !== 'get' || operation.result === null || !values.has(operation.result)
    })
    .map((operation) => {
      const { op, result } = operation
      const mayHaveFound = op === 'delete' && result === true && returnOf(operation) >= firstPut
      return mayHaveFound ? { ...operation, result: null } : operation
    })
}

function foundAbsent({ op, result, outcome }: Operation): boolean {
  return (
    outcome === 'ok' && ((op === 'get' && result === null) || (op === 'delete' && result === false))
  )
}
