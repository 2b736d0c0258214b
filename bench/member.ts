/**
 * A member as a process of its own that loads itself: the callers are in its process, as a program's would
 * be, so that no pipe is measured. Steered over IPC; what the process does is in member-child.ts.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ClusterOptions } from '../src/options.ts'
import type { NodeStatus } from '../src/store.ts'
import type { LatencyCounts } from './latencies.ts'
import type { Ledger, Workload } from './ledger.ts'

/** What has happened since the last report. */
export interface Report {
  /** Acknowledged. */
  readonly writes: number
  readonly reads: number
  /** Each a line; of many only the first. */
  readonly failures: readonly string[]
  readonly failureCount: number
  /** Of the writes, from call to answer. */
  readonly latencies: LatencyCounts
  /** The longest time between two acknowledged writes, the second of which came since the last report. */
  readonly longestGapMs: number
  /** Keys, and the newest operation on each that was acknowledged. */
  readonly keys: Uint32Array
  readonly operations: Uint32Array
  readonly memory: Memory
  readonly status: NodeStatus
}

export interface Memory {
  readonly rssBytes: number
  /** Of it, what is no file that is mapped; 0 where the system does not tell. */
  readonly anonymousBytes: number
  readonly heapBytes: number
}

/** All that a member has applied. */
export interface Contents {
  readonly appliedIndex: number
  readonly entries: number
  /** Of keys and values. */
  readonly bytes: number
  /** Of all entries with their revisions. */
  readonly digest: string
  /** By writer: which operation stored each key; 0: it is not there. */
  readonly found: readonly Uint32Array[]
  /** Entries that nobody has written so. */
  readonly strange: readonly string[]
}

export type MemberCalls = {
  open(options: ClusterOptions): Promise<NodeStatus>
  /** The same until its first linearizable read was answered. Returns how long that took. */
  openToRead(options: ClusterOptions): Promise<number>
  status(): NodeStatus
  /** Begins operations, each caller one after the other. */
  begin(workload: Workload, ledger: Ledger, callers: number, seed: number): void
  /** Puts every key of the workload once; the load goes on from there. */
  fill(workload: Workload): Promise<Ledger>
  report(): Report
  /** Ends the load; returns what came of it once every operation has ended. */
  end(): Promise<Ledger>
  snapshot(): Promise<number>
  /** Hands over the leadership to whoever is ready. */
  transfer(): Promise<void>
  contents(workloads: readonly Workload[]): Promise<Contents>
  close(): Promise<void>
}

export interface CallMessage {
  readonly id: number
  readonly name: keyof MemberCalls
  readonly args: readonly unknown[]
}

export type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

type Answer<Name extends keyof MemberCalls> = Awaited<ReturnType<MemberCalls[Name]>>

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Its process has, though nobody told it to. */
export class MemberEnded extends Error {
  constructor(pid: number) {
    super(`the process ${pid} of a member has ended`)
  }
}

export class LoadedMember {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<unknown>
  #calls = 0
  #hasExited = false

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (answer: AnswerMessage) => this.#hear(answer))
    this.#exited = once(child, 'exit').then(() => {
      this.#hasExited = true
      for (const { reject } of this.#waiting.values()) reject(new MemberEnded(this.pid))
      this.#waiting.clear()
    })
  }

  static start(): LoadedMember {
    const program = join(import.meta.dirname, 'member-child.js')
    // Arrays of numbers travel as such.
    return new LoadedMember(fork(program, [], { serialization: 'advanced' }))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasExited(): boolean {
    return this.#hasExited
  }

  call<Name extends keyof MemberCalls>(
    name: Name,
    ...args: Parameters<MemberCalls[Name]>
  ): Promise<Answer<Name>> {
    return new Promise((resolve, reject) => {
      if (this.#hasExited) throw new MemberEnded(this.pid)
      const id = this.#calls++
      this.#waiting.set(id, { resolve: (value) => resolve(value as Answer<Name>), reject })
      const message: CallMessage = { id, name, args }
      this.#child.send(message, (error) => {
        if (error !== null) this.#take(id)?.reject(error)
      })
    })
  }

  /** Its node in good order, then its process. */
  async close(): Promise<void> {
    await this.call('close')
    this.#child.disconnect()
    await this.#exited
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (!this.#hasExited) this.#child.kill('SIGKILL')
    await this.#exited
  }

  #hear(answer: AnswerMessage): void {
    const waiting = this.#take(answer.id)
    if ('error' in answer) waiting?.reject(new Error(answer.error))
    else waiting?.resolve(answer.value)
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }
}
