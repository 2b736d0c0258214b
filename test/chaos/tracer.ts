/** Makes system calls of a running process fail, by strace. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { within } from './complaints.ts'

/** Attaching to all threads of a process takes so long at most. */
const attachMs = 10_000
/** It lets its process go on by then. */
const detachMs = 3_000

export interface Injection {
  readonly calls: readonly string[]
  readonly error: 'EIO' | 'ENOSPC'
  /** Which one fails, counted per thread from now on; all that follow, too. */
  readonly nth: number
}

export class Tracer {
  readonly #strace: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #trace: string

  private constructor(strace: ChildProcess, trace: string) {
    this.#strace = strace
    this.#trace = trace
    this.#exited = once(strace, 'exit')
    // Not installed: nobody is traced, which is noticed.
    this.#exited.catch(() => undefined)
    // It must not outlive us.
    const kill = (): boolean => strace.kill('SIGKILL')
    process.on('exit', kill)
    strace.once('exit', () => process.off('exit', kill))
  }

  /** `null` where it cannot be had. `trace` is a file for what strace sees. */
  static async attach(
    pid: number,
    { calls, error, nth }: Injection,
    trace: string,
  ): Promise<Tracer | null> {
    const names = calls.join(',')
    const inject = `inject=${names}:error=${error}:when=${nth}+`
    const args = ['-f', '-q', '-p', `${pid}`, '-e', `trace=${names}`, '-e', inject, '-o', trace]
    const tracer = new Tracer(spawn('strace', args, { stdio: 'ignore' }), trace)
    const attached = await within(attachMs, () => tracer.#hasEnded || isTraced(pid))
    if (attached && !tracer.#hasEnded) return tracer
    await tracer.detach()
    return null
  }

  /** A call has failed. */
  get hasStruck(): boolean {
    return readFileSync(this.#trace, 'utf8').includes('(INJECTED)')
  }

  async detach(): Promise<void> {
    if (this.#hasEnded) return
    this.#strace.kill('SIGINT')
    // It may wait forever for a process that was aborted meanwhile.
    if (!(await within(detachMs, () => this.#hasEnded))) this.#strace.kill('SIGKILL')
    await this.#exited
  }

  get #hasEnded(): boolean {
    const { exitCode, signalCode, pid } = this.#strace
    return pid === undefined || exitCode !== null || signalCode !== null
  }
}

/** Every thread of it. */
function isTraced(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const statuses = threads.map((n) => readFileSync(`/proc/${pid}/task/${n}/status`, 'utf8'))
    return statuses.every((status) => /^TracerPid:\s+[1-9]/m.test(status))
  } catch (error) {
    // The process, or a thread of it, has ended since it was listed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
