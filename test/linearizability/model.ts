/**
 * The model a history is judged by: one key is a register that may be absent. Every operation comes down
 * to two numbers, the state it requires and the state it makes, so that a step of the search is two
 * comparisons. Knows nothing of time (wgl.ts).
 */
import type { Operation, Value } from './history.ts'

/** Where every key begins. Values are numbered 1, 2, 3 … as they are first read. */
export const absent: number = 0
/** The answer of `next` for an operation that cannot have happened in this state. */
export const impossible: number = -1

const anyState = -1
const anyValue = -2
const unchanged = -1

export interface Steps {
  /** A state, `anyState` or `anyValue`. By operation. */
  readonly requires: Int32Array
  /** A state, or `unchanged`. By operation. */
  readonly makes: Int32Array
}

/** Operations on one key. Values that nobody read need not be told apart: they share a number. */
export function compile(operations: readonly Operation[]): Steps {
  const numbers = new Map<Value, number>()
  for (const { op, result } of operations)
    if (op === 'get' && result !== null && !numbers.has(result))
      numbers.set(result, numbers.size + 1)
  const numberOf = (value: Value) => numbers.get(value) ?? numbers.size + 1
  const steps = operations.map((operation) => compileOne(operation, numberOf))
  return {
    requires: Int32Array.from(steps, ([requires]) => requires),
    makes: Int32Array.from(steps, ([, makes]) => makes),
  }
}

function compileOne(
  operation: Operation,
  numberOf: (value: Value) => number,
): readonly [requires: number, makes: number] {
  switch (operation.op) {
    case 'put':
      return [anyState, numberOf(operation.value)]
    case 'get':
      return [operation.result === null ? absent : numberOf(operation.result), unchanged]
    case 'delete':
      if (operation.result === null) return [anyState, absent]
      return operation.result ? [anyValue, absent] : [absent, unchanged]
  }
}

/** The state after operation `n` in `state`, or `impossible`. */
export function next({ requires, makes }: Steps, n: number, state: number): number {
  const required = requires[n] ?? impossible
  const fits =
    required === anyState || (required === anyValue ? state !== absent : state === required)
  if (!fits) return impossible
  return isRead({ requires, makes }, n) ? state : (makes[n] ?? impossible)
}

/** Does it leave every state as it is? */
export function isRead({ makes }: Steps, n: number): boolean {
  return makes[n] === unchanged
}
