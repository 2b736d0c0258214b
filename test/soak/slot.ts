/** The place of one member, whose processes come and go. */
import { join } from 'node:path'
import { emptyLedger, type Ledger, type Workload, withoutReport } from '../../bench/ledger.ts'
import { LoadedMember, type Report } from '../../bench/member.ts'
import type { ClusterOptions } from '../../src/options.ts'
import { fileSizes, stateGeneration } from './files.ts'
import type { Sample } from './samples.ts'

export class Slot {
  readonly n: number
  readonly workload: Workload
  /** What its keys must hold. */
  ledger: Ledger
  /** What failed in its processes, as lines. */
  readonly failures: string[] = []
  readonly #dir: string
  readonly #options: ClusterOptions
  #member: LoadedMember | null = null
  #isOpen = false
  #lives = 0
  #address: string | null = null
  #reportedAtMs = 0

  constructor(n: number, scratch: string, workload: Workload, options: ClusterOptions) {
    this.n = n
    this.workload = workload
    this.ledger = emptyLedger(workload)
    this.#dir = join(scratch, `member-${n + 1}`)
    this.#options = { ...options, dir: this.#dir }
  }

  /** Its process answers. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  get member(): LoadedMember {
    if (this.#member === null) throw new Error(`member ${this.n + 1} has no process`)
    return this.#member
  }

  get address(): string {
    return this.#address ?? ''
  }

  /** Of its node. */
  get folder(): string {
    return join(this.#dir, 'node-1')
  }

  get generation(): number {
    return stateGeneration(this.folder)
  }

  /** `seeds`: whom to join, the first time. */
  async open(seeds: readonly string[] = []): Promise<void> {
    this.#lives++
    this.#member = LoadedMember.start()
    const join = this.#address === null && seeds.length > 0 ? { join: [...seeds] } : {}
    const { address } = await this.#member.call('open', { ...this.#options, ...join })
    this.#address = address
    this.#isOpen = true
    this.#reportedAtMs = performance.now()
  }

  async begin(callers: number, seed: number): Promise<void> {
    await this.member.call('begin', this.workload, this.ledger, callers, seed + this.n)
  }

  async sample(startedAtMs: number): Promise<Sample> {
    const report = await this.member.call('report')
    const nowMs = performance.now()
    const ms = nowMs - this.#reportedAtMs
    this.#reportedAtMs = nowMs
    this.#learn(report)
    const { writes, reads, failureCount, longestGapMs, latencies, memory, status } = report
    return {
      atMs: nowMs - startedAtMs,
      member: this.n,
      life: this.#lives,
      ms,
      writes,
      reads,
      failures: failureCount,
      longestGapMs,
      latencies,
      memory,
      files: fileSizes(this.folder),
      status,
    }
  }

  /** Every operation has ended; from now on the ledger is exact. */
  async end(): Promise<void> {
    this.ledger = await this.member.call('end')
    this.#learn(await this.member.call('report'))
  }

  async kill(): Promise<void> {
    if (this.#isOpen) this.#learn(await this.member.call('report'))
    this.#isOpen = false
    await this.#member?.kill()
    this.ledger = withoutReport(this.ledger)
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.member.close()
  }

  /** However it is. */
  async destroy(): Promise<void> {
    this.#isOpen = false
    await this.#member?.kill()
  }

  #learn({ keys, operations, failures, failureCount }: Report): void {
    for (const [at, key] of keys.entries()) this.ledger.acknowledged[key] = operations[at] ?? 0
    this.failures.push(...failures)
    const more = failureCount - failures.length
    if (more > 0) this.failures.push(`and ${more} more`)
  }
}
