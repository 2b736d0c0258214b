/**
 * Histories: what clients asked of a store, when, and what they were told. The checkers judge nothing
 * else, so that they trust no line of the store. In a file, one operation per line of JSON:
 *
 *     {"client":1,"op":"put","key":"k","value":7,"call":0.5,"return":1.5,"outcome":"ok","result":{"revision":1}}
 *
 * Other tools may write such files for our checkers and read ours; further fields are ignored. Values are
 * plain (no objects, no null), because a get answers `null` for a key that is absent.
 */
import { assert } from '../../src/raft/assert.ts'

export type Value = string | number | boolean

/**
 * `ok`: acknowledged · `not-applied`: refused, and certainly not done · `unknown`: a write that may have
 * happened, or may still.
 */
export type OperationOutcome = 'ok' | 'not-applied' | 'unknown'

interface Timed {
  /** Who asked. Retired after an unknown outcome, as one client has one operation under way. */
  readonly client: number
  readonly key: string
  /** Before it was asked; any clock and unit, as long as it is the same for the whole history. */
  readonly call: number
  /** After it was answered, at least `call`; `null` is infinity: it was never answered. */
  readonly return: number | null
  readonly outcome: OperationOutcome
}

export interface Put extends Timed {
  readonly op: 'put'
  readonly value: Value
  /** `null` where there was no answer, or where the store has no revisions. */
  readonly result: { readonly revision: number } | null
}

export interface Delete extends Timed {
  readonly op: 'delete'
  readonly value: null
  /** Whether the key existed; `null` where there was no answer, or where it shall not be judged. */
  readonly result: boolean | null
}

export interface Get extends Timed {
  readonly op: 'get'
  readonly value: null
  /** `null`: absent, if the outcome is `ok`. */
  readonly result: Value | null
}

export type Operation = Put | Delete | Get

/** Operations in one file: bounds the memory of whoever reads it. */
export const historyOperationsMax: number = 2_000_000

/** A line that is no operation; `line` counts from 1. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError'
  readonly line: number

  constructor(line: number, reason: string) {
    super(`line ${line}: ${reason}`)
    this.line = line
  }
}

export function formatHistory(history: readonly Operation[]): string {
  return history.map((operation) => `${formatOperation(operation)}\n`).join('')
}

export function formatOperation(operation: Operation): string {
  const { client, op, key, value, call, outcome, result } = operation
  return JSON.stringify({ client, op, key, value, call, return: operation.return, outcome, result })
}

/** @throws HistoryError at the first line that is no operation */
export function parseHistory(text: string): Operation[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length > historyOperationsMax) {
    throw new HistoryError(historyOperationsMax + 1, `at most ${historyOperationsMax} operations`)
  }
  return lines.map((line, n) => parseOperation(line, n + 1))
}

/** What a judge has to explain: what was acknowledged, and writes that may have happened. */
export function judgeable(history: readonly Operation[]): Operation[] {
  return history.filter(
    ({ op, outcome }) => outcome === 'ok' || (outcome === 'unknown' && op !== 'get'),
  )
}

export function groupByKey<T extends { readonly key: string }>(
  items: readonly T[],
): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(item.key)
    if (group === undefined) groups.set(item.key, [item])
    else group.push(item)
  }
  return groups
}

/** Infinity for what was never answered. */
export function returnOf(operation: Operation): number {
  return operation.return ?? Number.POSITIVE_INFINITY
}

// ── one line ────────────────────────────────────────────────────────────────────────────────────

type Fields = Readonly<Record<string, unknown>>
type Demand = (condition: boolean, expected: string) => asserts condition

function parseOperation(text: string, line: number): Operation {
  const demand: Demand = (condition, expected) => {
    if (!condition) throw new HistoryError(line, expected)
  }
  const fields = parseFields(text, demand)
  const timed = parseTimed(fields, demand)
  const { op, value, result } = fields
  const answered = timed.outcome === 'ok'
  demand(answered || result === null, 'result: null, as there was no answer')
  switch (op) {
    case 'put':
      demand(isValue(value), 'value: a string, number or boolean for a put')
      return { ...timed, op, value, result: parseRevision(result, demand) }
    case 'delete':
      demand(value === null, 'value: null for a delete')
      demand(result === null || typeof result === 'boolean', 'result: true, false or null')
      return { ...timed, op, value, result }
    case 'get':
      demand(value === null, 'value: null for a get')
      demand(result === null || isValue(result), 'result: a string, number, boolean or null')
      return { ...timed, op, value, result }
    default:
      throw new HistoryError(line, 'op: put, delete or get')
  }
}

function parseFields(text: string, demand: Demand): Fields {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch (error) {
    demand(false, `no JSON: ${(error as Error).message}`)
  }
  demand(typeof fields === 'object' && fields !== null && !Array.isArray(fields), 'a JSON object')
  return fields as Fields
}

function parseTimed(fields: Fields, demand: Demand): Timed {
  const { client, key, call, return: returned, outcome } = fields
  demand(Number.isSafeInteger(client) && Number(client) >= 0, 'client: a whole number')
  demand(typeof key === 'string', 'key: a string')
  demand(isTime(call), 'call: a number')
  demand(returned === null || isTime(returned), 'return: a number or null')
  demand(returned === null || returned >= call, 'return: not before call')
  demand(isOutcome(outcome), 'outcome: ok, not-applied or unknown')
  demand(outcome !== 'ok' || returned !== null, 'return: a number, as the outcome is ok')
  demand(outcome !== 'unknown' || returned === null, 'return: null, as the outcome is unknown')
  return { client: Number(client), key, call, return: returned, outcome }
}

function parseRevision(result: unknown, demand: Demand): { revision: number } | null {
  if (result === null) return null
  const revision = typeof result === 'object' && (result as { revision?: unknown }).revision
  demand(Number.isSafeInteger(revision) && Number(revision) > 0, 'result: {"revision":1…} or null')
  return { revision: Number(revision) }
}

function isValue(value: unknown): value is Value {
  return typeof value === 'number' ? Number.isFinite(value) : isTextOrTruth(value)
}

function isTextOrTruth(value: unknown): value is string | boolean {
  return typeof value === 'string' || typeof value === 'boolean'
}

/** For a recorder, whose callers choose the values. */
export function checkValue(value: unknown): Value {
  assert(isValue(value), `a history cannot hold ${String(value)}`)
  return value
}

function isTime(time: unknown): time is number {
  return typeof time === 'number' && Number.isFinite(time)
}

function isOutcome(outcome: unknown): outcome is OperationOutcome {
  return outcome === 'ok' || outcome === 'not-applied' || outcome === 'unknown'
}
