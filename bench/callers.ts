/**
 * Callers in a closed loop over one store: each writes, waits for the answer, and writes again, to keys of
 * which this process is the only writer (ledger.ts). Now and then one reads, and checks what it finds.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf, SkiffError } from '../src/errors.ts'
import type { Store } from '../src/store.ts'
import { noLatencies, recordLatency } from './latencies.ts'
import {
  contentOf,
  isDelete,
  keyOf,
  type Ledger,
  offencesIn,
  operationOf,
  type Workload,
} from './ledger.ts'
import { randomIntegers } from './load/random.ts'
import type { Report } from './member.ts'

const operationsPerRead = 8
/** After a failure, so that a node that refuses everything is not asked all the time. */
const refusedMs = 50
const failuresMax = 20
/** How a failure begins that no machine excuses. */
export const wrongRead = 'wrong read'

export type LoadReport = Omit<Report, 'memory' | 'status'>

type Written = Pick<Store, 'put' | 'get' | 'delete'>

export class Callers {
  readonly #store: Written
  readonly #workload: Workload
  readonly #ledger: Ledger
  readonly #random: (below: number) => number
  /** Keys with an operation under way. */
  readonly #busy: Uint8Array
  #running = true
  #calls: Promise<unknown> = Promise.resolve()
  #acknowledgedAt = performance.now()
  #recent = nothingYet()

  constructor(store: Written, workload: Workload, ledger: Ledger, seed: number) {
    this.#store = store
    this.#workload = workload
    this.#ledger = ledger
    this.#random = randomIntegers(seed)
    this.#busy = new Uint8Array(workload.keys)
  }

  start(count: number): void {
    this.#acknowledgedAt = performance.now()
    this.#calls = Promise.all(Array.from({ length: count }, () => this.#call()))
  }

  /** Of what has happened since the last. */
  report(): LoadReport {
    const { changed, ...recent } = this.#recent
    this.#recent = nothingYet()
    const keys = Uint32Array.from(changed)
    const operations = keys.map((key) => this.#ledger.acknowledged[key] ?? 0)
    return { ...recent, keys, operations }
  }

  async end(): Promise<Ledger> {
    this.#running = false
    await this.#calls
    return this.#ledger
  }

  async #call(): Promise<void> {
    while (this.#running) {
      const key = this.#freeKey()
      this.#busy[key] = 1
      try {
        if (this.#random(operationsPerRead) === 0) await this.#read(key)
        else await this.#write(key)
      } catch (error) {
        this.#fail(
          error instanceof SkiffError
            ? `${error.code} ${error.outcome}: ${error.message}`
            : messageOf(error),
        )
        await pause(refusedMs)
      } finally {
        this.#busy[key] = 0
      }
    }
  }

  #freeKey(): number {
    for (;;) {
      const key = this.#random(this.#workload.keys)
      if (this.#busy[key] === 0) return key
    }
  }

  async #write(key: number): Promise<void> {
    const { acknowledged, begun } = this.#ledger
    const operation = (begun[key] ?? 0) + 1
    begun[key] = operation
    const startMs = performance.now()
    const name = keyOf(this.#workload, key)
    if (isDelete(this.#workload, operation)) await this.#store.delete(name)
    else await this.#store.put(name, contentOf(this.#workload, key, operation))
    const endMs = performance.now()
    acknowledged[key] = operation
    const recent = this.#recent
    recent.writes++
    recent.changed.add(key)
    recordLatency(recent.latencies, endMs - startMs)
    recent.longestGapMs = Math.max(recent.longestGapMs, endMs - this.#acknowledgedAt)
    this.#acknowledgedAt = endMs
  }

  async #read(key: number): Promise<void> {
    const value = await this.#store.get(keyOf(this.#workload, key))
    this.#recent.reads++
    const operation = value === undefined ? 0 : operationOf(this.#workload, key, value)
    const { acknowledged, begun } = this.#ledger
    const [least, most] = [acknowledged[key] ?? 0, begun[key] ?? 0]
    const ofThis = { acknowledged: Uint32Array.of(least), begun: Uint32Array.of(most) }
    const offence =
      operation === null
        ? 'a strange value'
        : offencesIn(this.#workload, ofThis, Uint32Array.of(operation))[0]
    if (offence !== undefined) this.#fail(`${wrongRead} of key ${key}: ${offence}`)
  }

  #fail(reason: string): void {
    const { failures } = this.#recent
    this.#recent.failureCount++
    if (failures.length < failuresMax) failures.push(reason)
  }
}

/** Where there are no callers. */
export function reportNothing(): LoadReport {
  const { changed: _, ...recent } = nothingYet()
  return { ...recent, keys: new Uint32Array(0), operations: new Uint32Array(0) }
}

function nothingYet() {
  const failures: string[] = []
  return {
    writes: 0,
    reads: 0,
    failures,
    failureCount: 0,
    latencies: noLatencies(),
    longestGapMs: 0,
    changed: new Set<number>(),
  }
}
