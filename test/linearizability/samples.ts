/** Histories for tests: single operations in short, and whole ones from a store that is only imagined. */
import { Random } from '../simulation/random.ts'
import type { Delete, Get, Operation, Put, Value } from './history.ts'
import type { Change } from './order.ts'

/** Called and returned; `null`: never. */
export type Span = readonly [call: number, returned: number | null]

export function put(key: string, value: Value, span: Span, revision: number | null = null): Put {
  return { ...timed(key, span), op: 'put', value, result: revision === null ? null : { revision } }
}

export function get(key: string, result: Value | null, span: Span): Get {
  return { ...timed(key, span), op: 'get', value: null, result }
}

export function del(key: string, result: boolean | null, span: Span): Delete {
  return { ...timed(key, span), op: 'delete', value: null, result }
}

function timed(key: string, [call, returned]: Span) {
  const outcome: 'ok' | 'unknown' = returned === null ? 'unknown' : 'ok'
  return { client: 1, key, call, return: returned, outcome }
}

export interface Imagined {
  readonly seed: number
  readonly operations: number
  readonly clients: number
  readonly keys: number
  /** Of a write never to be answered. It happens late, or not at all. Default 0. */
  readonly unknownChance?: number
  /** Default true. */
  readonly deletes?: boolean
}

/** Something that happens at one moment between its call and its return, or never. */
interface Planned {
  readonly operation: Operation
  readonly moment: number
}

/** What clients of a linearizable store see: legal by construction, with the log that proves it. */
export function imagine(sizes: Imagined): { history: Operation[]; log: Change[] } {
  const log: Change[] = []
  const state = new Map<string, Value>()
  const history = plan(sizes)
    .sort((a, b) => a.moment - b.moment)
    .map(({ operation, moment }) =>
      Number.isFinite(moment) ? answer(operation, state, log) : operation,
    )
  return { history: history.sort((a, b) => a.call - b.call), log }
}

function plan(sizes: Imagined): Planned[] {
  const { seed, operations, clients, keys, unknownChance = 0, deletes = true } = sizes
  const random = new Random(seed)
  const free = Array.from({ length: clients }, () => random.next())
  return Array.from({ length: operations }, (_, n) => {
    const client = free.indexOf(Math.min(...free))
    const call = (free[client] ?? 0) + random.next()
    const key = `key-${random.below(keys)}`
    const kind = random.below(10)
    const unknown = kind < 6 && random.chance(unknownChance)
    const moment = call + random.next() * (unknown ? 20 : 3)
    const returned = unknown ? null : moment + random.next() * 3
    free[client] = returned ?? call
    const asked =
      kind < 4 || !deletes ? put(key, n, [call, returned]) : del(key, null, [call, returned])
    const operation = kind < 6 ? asked : get(key, null, [call, returned])
    const happens = !unknown || random.chance(0.5)
    return { operation: { ...operation, client }, moment: happens ? moment : Infinity }
  })
}

function answer(operation: Operation, state: Map<string, Value>, log: Change[]): Operation {
  const { op, key, outcome } = operation
  const before = state.get(key)
  const revision = log.length + 1
  if (op === 'get') return { ...operation, result: before ?? null }
  if (op === 'delete') {
    if (state.delete(key)) log.push({ revision, key, value: null })
    return outcome === 'ok' ? { ...operation, result: before !== undefined } : operation
  }
  state.set(key, operation.value)
  log.push({ revision, key, value: operation.value })
  return outcome === 'ok' ? { ...operation, result: { revision } } : operation
}
