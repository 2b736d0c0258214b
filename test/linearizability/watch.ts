/**
 * What a watch promises, checked for the events one watcher was given: in order of their revisions, each
 * once, all of its prefix and range and nothing else, from exactly where it was asked to begin, and with
 * the right previous values. The list of promises is that of etcd's robustness tests. They are checked
 * against the log; that the log itself is right is for `checkOrder` to say.
 */
import type { WatchEvent, Watcher } from '../../src/store.ts'
import type { Value } from './history.ts'
import { type Change, Violation } from './order.ts'

/** What one watcher was asked for and gave. */
export interface Watched {
  readonly prefix: string
  /** First revision it had to give. */
  readonly from: number
  /** Last revision it had to give: it said that it was there. */
  readonly to: number
  /** Were previous values asked for? */
  readonly previous: boolean
  readonly events: readonly WatchEvent<Value>[]
}

/** @throws Violation */
export function checkWatch(watched: Watched, log: readonly Change[]): void {
  checkOrdered(watched)
  checkRange(watched)
  checkComplete(watched, log)
  checkPrevious(watched, log)
}

/** Takes events until the watcher has given all up to revision `to`, and closes it. */
export async function watchUpTo(
  watcher: Watcher<Value>,
  { to, ...asked }: Omit<Watched, 'events'>,
): Promise<Watched> {
  const events: WatchEvent<Value>[] = []
  while (watcher.revision < to) {
    const { done, value } = await watcher.next()
    if (done)
      throw new Violation('a watch goes on until it is closed', `ended at ${watcher.revision}`)
    events.push(value)
  }
  await watcher.close()
  return { ...asked, to, events }
}

/** The log, from the events of a watch of everything from revision 1 on. */
export function toLog(events: readonly WatchEvent<Value>[]): Change[] {
  return events.map(toChange)
}

/** The state that these changes make. */
export function replay(log: readonly Change[]): Map<string, Value> {
  const state = new Map<string, Value>()
  for (const { key, value } of log) {
    if (value === null) state.delete(key)
    else state.set(key, value)
  }
  return state
}

function toChange(event: WatchEvent<Value>): Change {
  const { revision, key } = event
  return { revision, key, value: event.type === 'put' ? event.value : null }
}

function checkOrdered({ events }: Watched): void {
  let last = 0
  for (const { revision } of events) {
    if (revision === last) throw new Violation('a watch gives each change once', `${revision}`)
    if (revision < last) throw new Violation('a watch is ordered', `${revision} after ${last}`)
    last = revision
  }
}

function checkRange({ prefix, from, to, events }: Watched): void {
  for (const { key, revision } of events) {
    if (!key.startsWith(prefix)) throw new Violation('a watch keeps to its prefix', key)
    if (revision < from || revision > to)
      throw new Violation('a watch keeps to its range', `${revision} is not in [${from}, ${to}]`)
  }
}

function checkComplete({ prefix, from, to, events }: Watched, log: readonly Change[]): void {
  const wanted = log.filter(
    ({ key, revision }) => key.startsWith(prefix) && revision >= from && revision <= to,
  )
  const given = new Map(events.map((event) => [event.revision, toChange(event)]))
  for (const change of wanted) {
    const event = given.get(change.revision)
    if (event === undefined) throw new Violation('a watch misses nothing', `${change.revision}`)
    if (event.key !== change.key || event.value !== change.value)
      throw new Violation('a watch tells what happened', JSON.stringify([event, change]))
    given.delete(change.revision)
  }
  for (const revision of given.keys()) throw new Violation('a watch invents nothing', `${revision}`)
}

function checkPrevious({ previous, events }: Watched, log: readonly Change[]): void {
  const given = new Map(events.map((event) => [event.revision, event]))
  const state = new Map<string, Value>()
  for (const { revision, key, value } of log) {
    const event = given.get(revision)
    const before = previous ? state.get(key) : undefined
    if (event !== undefined && event.previous !== before)
      throw new Violation(
        'a watch tells what was there before',
        `${revision}: ${event.previous}, it was ${before}`,
      )
    if (value === null) state.delete(key)
    else state.set(key, value)
  }
}
