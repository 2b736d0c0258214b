/**
 * What can be said of unanswered puts before any search: one whose value was read has happened by the
 * first return of such a read, so it may as well have been answered then. That is what keeps histories
 * with many unknown outcomes within reach of the search; the few puts left were never seen by anyone.
 */
import { type Operation, returnOf, type Value } from './history.ts'

/** Operations on one key; as linearizable afterwards as before. */
export function settle(operations: readonly Operation[]): readonly Operation[] {
  const puts = countPuts(operations)
  const seen = firstSeen(operations)
  return operations.map((operation) => {
    if (operation.op !== 'put' || operation.return !== null) return operation
    const { value, call } = operation
    const time = seen.get(value)
    // Another put of the same value may be the one that was read.
    if (time === undefined || puts.get(value) !== 1) return operation
    return { ...operation, outcome: 'ok', return: Math.max(call, time) }
  })
}

function countPuts(operations: readonly Operation[]): Map<Value, number> {
  const counts = new Map<Value, number>()
  for (const { op, value } of operations)
    if (op === 'put') counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

function firstSeen(operations: readonly Operation[]): Map<Value, number> {
  const times = new Map<Value, number>()
  for (const operation of operations) {
    const { op, result } = operation
    if (op !== 'get' || result === null) continue
    times.set(result, Math.min(times.get(result) ?? returnOf(operation), returnOf(operation)))
  }
  return times
}
