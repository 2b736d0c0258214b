/**
 * The cheap judge: revisions say in which order the store claims to have changed, so nothing has to be
 * searched. Every operation bounds the moment at which a change took effect:
 *
 * - a write: not before its call, not after its return;
 * - a read: what it saw was there by its return, and what came next was not there yet at its call.
 *
 * Taken over all changes, those before cannot be later and those after cannot be earlier. Where bounds
 * cross, no moments fit the claimed order. This judges the whole store, not key by key, in a time that
 * grows like n log n.
 *
 * Given the log (every change from revision 1 on, as a watch from there tells it), it also demands that
 * what was acknowledged is in it once, that nothing else is, and that each delete and each absent key fits.
 * That these fit together it leaves to the search (wgl.ts), and without the log all that is not an
 * acknowledged put or a read of one.
 */
import { assert } from '../../src/raft/assert.ts'
import {
  type Delete,
  groupByKey,
  type Operation,
  type Put,
  returnOf,
  type Value,
} from './history.ts'

/** One change of the store. */
export interface Change {
  readonly revision: number
  readonly key: string
  /** `null`: deleted. */
  readonly value: Value | null
}

/** A broken promise, with the operations that show it. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly rule: string
  readonly operations: readonly Operation[]

  constructor(rule: string, details: string, operations: readonly Operation[] = []) {
    super(`${rule}: ${details}`)
    this.rule = rule
    this.operations = operations
  }
}

/** Values that name their writer and revisions of what was acknowledged: without them it cannot judge. */
export function isOrderKnown(history: readonly Operation[]): boolean {
  const puts = history.filter((operation) => operation.op === 'put')
  const names = new Set(puts.map(({ key, value }) => nameOf(key, value)))
  const numbered = puts.every(({ outcome, result }) => outcome !== 'ok' || result !== null)
  return numbered && names.size === puts.length
}

/** @throws Violation */
export function checkOrder(
  history: readonly Operation[],
  log: readonly Change[] | null = null,
): void {
  assert(isOrderKnown(history), 'values must be unique per key, acknowledged puts have revisions')
  const puts = history.filter((operation) => operation.op === 'put')
  if (log !== null) checkLog(log, puts)
  const timeline = new Timeline(log ?? acknowledged(puts), puts, log !== null)
  for (const operation of history) timeline.bound(operation)
  timeline.tighten()
  if (log !== null) checkAbsences(history, timeline)
}

/** What a value says about its writer. */
function nameOf(key: string, value: Value): string {
  return JSON.stringify([key, value])
}

function acknowledged(puts: readonly Put[]): Change[] {
  const changes = puts
    .filter(({ outcome }) => outcome === 'ok')
    .map(({ key, value, result }) => ({ revision: result?.revision ?? 0, key, value }))
    .sort((a, b) => a.revision - b.revision)
  for (const [n, change] of changes.entries()) {
    if (change.revision !== changes[n - 1]?.revision) continue
    const both = puts.filter(({ result }) => result?.revision === change.revision)
    throw new Violation('a revision is given once', `${change.revision}`, both)
  }
  return changes
}

// ── the log against the puts ────────────────────────────────────────────────────────────────────

function checkLog(log: readonly Change[], puts: readonly Put[]): void {
  const byName = new Map(puts.map((put) => [nameOf(put.key, put.value), put]))
  const revisions = new Map<Put, number>()
  const present = new Set<string>()
  for (const [n, { revision, key, value }] of log.entries()) {
    if (revision !== n + 1)
      throw new Violation('revisions are 1, 2, 3 …', `${revision} as number ${n + 1}`)
    if (value === null) {
      if (!present.delete(key))
        throw new Violation('only what exists is deleted', `${key} at ${revision}`)
      continue
    }
    present.add(key)
    const put = byName.get(nameOf(key, value))
    checkWriter(put, revision, key)
    if (revisions.has(put))
      throw new Violation('a put happens once', `at ${revisions.get(put)} and ${revision}`, [put])
    revisions.set(put, revision)
  }
  for (const put of puts) {
    if (put.outcome === 'ok' && !revisions.has(put))
      throw new Violation(
        'what is acknowledged is never lost',
        `revision ${put.result?.revision}`,
        [put],
      )
  }
}

function checkWriter(put: Put | undefined, revision: number, key: string): asserts put is Put {
  if (put === undefined)
    throw new Violation('only what was asked for happens', `${key} at ${revision}`)
  if (put.outcome === 'not-applied')
    throw new Violation('what is refused does not happen', `yet at ${revision}`, [put])
  if (put.outcome === 'ok' && put.result?.revision !== revision)
    throw new Violation('the revision told is the one in the log', `${revision}`, [put])
}

// ── moments ─────────────────────────────────────────────────────────────────────────────────────

/** A bound and the operation it comes from. */
interface Bound {
  readonly time: number
  readonly by: Operation | null
}

/** Positions count the changes in order of their revisions: 0, 1, 2 … */
class Timeline {
  readonly changes: readonly Change[]
  /** Positions of the changes of a key, in order. */
  readonly positions: ReadonlyMap<string, readonly number[]>
  /** When each change may have taken effect, at the earliest and at the latest. */
  readonly #earliest: Bound[]
  readonly #latest: Bound[]
  readonly #puts: ReadonlyMap<string, Put>
  /** These are all changes there were, those of unknown outcome too. */
  readonly #isWhole: boolean
  readonly #positionOf = new Map<string, number>()
  /** By position: the next change of the same key. */
  readonly #nextOf = new Map<number, number>()

  constructor(changes: readonly Change[], puts: readonly Put[], isWhole: boolean) {
    this.changes = changes
    this.#isWhole = isWhole
    this.#earliest = changes.map(() => ({ time: Number.NEGATIVE_INFINITY, by: null }))
    this.#latest = changes.map(() => ({ time: Number.POSITIVE_INFINITY, by: null }))
    this.#puts = new Map(puts.map((put) => [nameOf(put.key, put.value), put]))
    const positions = new Map<string, number[]>()
    for (const [position, { key, value }] of changes.entries()) {
      const known = positions.get(key)
      const previous = known?.at(-1)
      if (previous !== undefined) this.#nextOf.set(previous, position)
      if (value !== null) this.#positionOf.set(nameOf(key, value), position)
      if (known === undefined) positions.set(key, [position])
      else known.push(position)
    }
    this.positions = positions
  }

  earliest(position: number): number {
    return this.#earliest[position]?.time ?? Number.NEGATIVE_INFINITY
  }

  latest(position: number): number {
    return this.#latest[position]?.time ?? Number.POSITIVE_INFINITY
  }

  bound(operation: Operation): void {
    if (operation.outcome === 'not-applied') return
    if (operation.op === 'put') this.#boundPut(operation)
    if (operation.op === 'get' && operation.outcome === 'ok' && operation.result !== null)
      this.#boundGet(operation, operation.result)
  }

  /** Carries each bound on to the changes it also bounds, and looks for two that cross. */
  tighten(): void {
    for (let n = 1; n < this.changes.length; n++) {
      const before = this.#earliest[n - 1]
      if (before !== undefined) this.#notBefore(n, before)
    }
    for (let n = this.changes.length - 2; n >= 0; n--) {
      const after = this.#latest[n + 1]
      if (after !== undefined) this.#notAfter(n, after)
    }
    for (const [n, { revision }] of this.changes.entries()) {
      if (this.earliest(n) > this.latest(n)) this.#report(n, revision)
    }
  }

  #boundPut(put: Put): void {
    const position = this.#positionOf.get(nameOf(put.key, put.value))
    if (position === undefined) return
    this.#notBefore(position, { time: put.call, by: put })
    this.#notAfter(position, { time: returnOf(put), by: put })
  }

  #boundGet(get: Operation, value: Value): void {
    const name = nameOf(get.key, value)
    const put = this.#puts.get(name)
    if (put === undefined || put.outcome === 'not-applied')
      throw new Violation(
        'a read sees only what was written',
        String(value),
        put ? [put, get] : [get],
      )
    if (put.call > returnOf(get))
      throw new Violation('a read sees nothing of the future', String(value), [get, put])
    const position = this.#positionOf.get(name)
    if (position === undefined) {
      // Without the log, a put of unknown outcome has no place among the changes.
      if (!this.#isWhole) return
      throw new Violation('a read sees only what happened', String(value), [put, get])
    }
    this.#notAfter(position, { time: returnOf(get), by: get })
    const next = this.#nextOf.get(position)
    if (next !== undefined) this.#notBefore(next, { time: get.call, by: get })
  }

  #notBefore(position: number, bound: Bound): void {
    if (bound.time > this.earliest(position)) this.#earliest[position] = bound
  }

  #notAfter(position: number, bound: Bound): void {
    if (bound.time < this.latest(position)) this.#latest[position] = bound
  }

  #report(position: number, revision: number): never {
    const witnesses = [this.#latest[position]?.by, this.#earliest[position]?.by]
    const details = `revision ${revision} not after ${this.latest(position)}, nor before ${this.earliest(position)}`
    throw new Violation('revisions follow real time', details, this.#explain(witnesses))
  }

  /** With a get, the put it saw. */
  #explain(witnesses: readonly (Operation | null | undefined)[]): readonly Operation[] {
    const all = new Set<Operation>()
    for (const witness of witnesses) {
      if (witness === null || witness === undefined) continue
      const put = witness.op === 'get' && this.#puts.get(nameOf(witness.key, witness.result ?? ''))
      if (put) all.add(put)
      all.add(witness)
    }
    return [...all]
  }
}

// ── deletes and absent keys ─────────────────────────────────────────────────────────────────────

function checkAbsences(history: readonly Operation[], timeline: Timeline): void {
  const byKey = groupByKey(history)
  for (const [key, positions] of timeline.positions) {
    const operations = byKey.get(key) ?? []
    const gaps = gapsOf(positions, timeline)
    for (const operation of operations) checkAbsence(operation, gaps, timeline)
    checkDeletes(key, operations, positions, timeline)
  }
  for (const [key, operations] of byKey) {
    const lie = operations.find(({ op, result }) => op === 'delete' && result === true)
    if (lie !== undefined && !timeline.positions.has(key))
      throw new Violation('a delete finds only what exists', key, [lie])
  }
}

/** While a key is absent: from one change of it to the next, or from the beginning, or to the end. */
interface Gap {
  readonly from: number | null
  readonly to: number | null
}

function gapsOf(positions: readonly number[], timeline: Timeline): Gap[] {
  const gaps: Gap[] = [{ from: null, to: positions[0] ?? null }]
  for (const [n, from] of positions.entries())
    if (timeline.changes[from]?.value === null) gaps.push({ from, to: positions[n + 1] ?? null })
  return gaps
}

function checkAbsence(operation: Operation, gaps: readonly Gap[], timeline: Timeline): void {
  const { op, outcome, result, call } = operation
  const foundAbsent =
    outcome === 'ok' && (op === 'get' ? result === null : op === 'delete' && result === false)
  if (!foundAbsent) return
  const open = firstWhere(gaps, ({ to }) => to === null || timeline.latest(to) >= call)
  const fits =
    open !== undefined &&
    (open.from === null || timeline.earliest(open.from) <= returnOf(operation))
  if (!fits)
    throw new Violation('a key is found absent only while it is', operation.key, [operation])
}

/**
 * Each delete that found something made one change, and each such change was asked for. Which made which
 * is not told; as changes are in order of both their bounds, the delete that returned first is the best choice.
 */
function checkDeletes(
  key: string,
  operations: readonly Operation[],
  positions: readonly number[],
  timeline: Timeline,
): void {
  const waiting = operations
    .filter(
      (operation): operation is Delete => operation.op === 'delete' && mayHaveFound(operation),
    )
    .sort((a, b) => returnOf(a) - returnOf(b))
  for (const position of positions) {
    const change = timeline.changes[position]
    if (change?.value !== null) continue
    const n = waiting.findIndex(
      (deletion) =>
        deletion.call <= timeline.latest(position) &&
        returnOf(deletion) >= timeline.earliest(position),
    )
    if (n === -1)
      throw new Violation('only what was asked for happens', `deleted ${key} at ${change.revision}`)
    waiting.splice(n, 1)
  }
  const lie = waiting.find(({ outcome, result }) => outcome === 'ok' && result === true)
  if (lie !== undefined) throw new Violation('a delete finds only what exists', key, [lie])
}

function mayHaveFound({ outcome, result }: Delete): boolean {
  return outcome === 'unknown' || (outcome === 'ok' && result !== false)
}

/** Of items for which `holds` is false first, then true. */
function firstWhere<T>(items: readonly T[], holds: (item: T) => boolean): T | undefined {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const item = items[middle]
    if (item !== undefined && holds(item)) high = middle
    else low = middle + 1
  }
  return items[low]
}
