/**
 * Suite `failover`: how long no write is acknowledged when the leader of three nodes, each a process, is killed,
 * and when it hands over. The callers are on a follower, and go on by themselves.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { NodeStatus } from '../src/store.ts'
import { emptyLedger } from './ledger.ts'
import { LoadedMember } from './member.ts'

export interface FailoverRow {
  readonly how: 'leader killed' | 'leadership transferred'
  readonly repeats: number
  readonly gapP50Ms: number
  readonly gapMaxMs: number
  /** Of the callers' writes, over all repeats. */
  readonly failedWrites: number
}

export interface FailoverOptions {
  readonly scratch: string
  readonly repeats: number
  /** Something the reader of the table must know. */
  readonly onNote: (note: string) => void
}

interface Gap {
  readonly gapMs: number
  readonly failedWrites: number
  /** The first that failed. */
  readonly failure: string | null
}

const nodes = 3
const callers = 64
const keys = 10_000
const valueBytes = 100
/** Before and after each. */
const calmMs = 1_000
const pollMs = 20
const patienceMs = 60_000

export async function runFailoverSuite(options: FailoverOptions): Promise<FailoverRow[]> {
  const trio = await Trio.open(join(options.scratch, 'failover'))
  try {
    const killed = await measure('leader killed', trio, options)
    return [killed, await measure('leadership transferred', trio, options)]
  } finally {
    await trio.destroy()
  }
}

async function measure(
  how: FailoverRow['how'],
  trio: Trio,
  { repeats, onNote }: FailoverOptions,
): Promise<FailoverRow> {
  const gapsMs: number[] = []
  let failedWrites = 0
  for (let n = 0; n < repeats; n++) {
    const outcome = await trio.gap(how)
    gapsMs.push(outcome.gapMs)
    failedWrites += outcome.failedWrites
    if (outcome.failure !== null) onNote(`${how}: ${outcome.failure}`)
  }
  const sorted = gapsMs.toSorted((a, b) => a - b)
  return {
    how,
    repeats: sorted.length,
    gapP50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0,
    gapMaxMs: sorted.at(-1) ?? 0,
    failedWrites,
  }
}

/** Three members; each place keeps its directory. */
class Trio {
  readonly #scratch: string
  readonly #members: LoadedMember[] = []
  #loads = 0

  private constructor(scratch: string) {
    this.#scratch = scratch
  }

  static async open(scratch: string): Promise<Trio> {
    const trio = new Trio(scratch)
    let seed: string | null = null
    for (let n = 0; n < nodes; n++) {
      trio.#members[n] = LoadedMember.start()
      const seeds: string[] = seed === null ? [] : [seed]
      const status: NodeStatus = await trio.#open(n, seeds)
      seed ??= status.address
    }
    return trio
  }

  async gap(how: FailoverRow['how']): Promise<Gap> {
    const leader = await this.#settledLeader()
    const follower = this.#at((leader + 1) % nodes)
    // Keys of its own, of which nothing is known but what it writes.
    const workload = { writer: this.#loads++, keys, values: valueBytes }
    await follower.call('begin', workload, emptyLedger(workload), callers, 1)
    await pause(calmMs)
    await follower.call('report')
    if (how === 'leader killed') await this.#at(leader).kill()
    else await this.#at(leader).call('transfer')
    await this.#settledLeader(how === 'leader killed' ? leader : null)
    await pause(calmMs)
    // The load ends only once every caller was answered, so the gap has ended too.
    await follower.call('end')
    const { longestGapMs, failureCount, failures } = await follower.call('report')
    if (how === 'leader killed') await this.#restart(leader)
    return { gapMs: longestGapMs, failedWrites: failureCount, failure: failures[0] ?? null }
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()))
  }

  async #restart(n: number): Promise<void> {
    this.#members[n] = LoadedMember.start()
    await this.#open(n, [])
  }

  #open(n: number, join: readonly string[]): Promise<NodeStatus> {
    const options = join.length === 0 ? {} : { join: [...join] }
    return this.#at(n).call('open', { dir: this.#dir(n), ...options })
  }

  /** All that live follow it and have applied the same. */
  async #settledLeader(dead: number | null = null): Promise<number> {
    const deadlineMs = performance.now() + patienceMs
    const live = this.#members.flatMap((member, n) => (n === dead ? [] : [{ n, member }]))
    while (performance.now() < deadlineMs) {
      const statuses = await Promise.all(live.map(({ member }) => member.call('status')))
      const at = statuses.findIndex(({ role }) => role === 'leader')
      const id = statuses[at]?.id
      const all = statuses.every(({ leaderId, appliedIndex, commitIndex }) => {
        return leaderId === id && (dead !== null || appliedIndex === commitIndex)
      })
      const leader = live[at]?.n
      if (leader !== undefined && all) return leader
      await pause(pollMs)
    }
    throw new Error('the three never agreed on a leader')
  }

  #at(n: number): LoadedMember {
    const member = this.#members[n]
    if (member === undefined) throw new Error(`no member ${n}`)
    return member
  }

  #dir(n: number): string {
    return join(this.#scratch, `member-${n + 1}`)
  }
}
