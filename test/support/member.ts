/**
 * A member as a process of its own, steered over IPC. Calls on its store fail as they do for a program
 * that has the member inside; when the process dies, what is under way has an unknown outcome. What the
 * process itself does is in member-process.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { errorFromData, SkiffError, type SkiffErrorData } from '../../src/errors.ts'
import type { CallOptions, ClusterOptions } from '../../src/options.ts'
import type { Entry, NodeStatus, Store, WatchEvent } from '../../src/store.ts'
import type { Entrance } from './threads.ts'

export type Command =
  | { readonly type: 'open'; readonly options: ClusterOptions }
  | {
      readonly type: 'put'
      readonly key: string
      readonly value: unknown
      readonly options: CallOptions
    }
  | { readonly type: 'get'; readonly key: string; readonly options: CallOptions }
  | { readonly type: 'delete'; readonly key: string; readonly options: CallOptions }
  | { readonly type: 'status' }
  /** Everything it has applied, at one moment. */
  | { readonly type: 'entries' }
  | {
      readonly type: 'watch'
      readonly watch: number
      readonly prefix: string
      readonly fromRevision: number
    }
  /** Keeps its main thread busy. */
  | { readonly type: 'block'; readonly ms: number }
  /** Terminates one of its worker threads. */
  | { readonly type: 'endThread'; readonly entrance: Entrance }
  /** A node that has stopped, in the same process. */
  | { readonly type: 'restart' }
  | { readonly type: 'close' }

export interface Failure {
  readonly name: string
  readonly message: string
  /** If it is a SkiffError. */
  readonly skiff: SkiffErrorData | null
}

export type Reply =
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly failure: Failure }
  | { readonly type: 'events'; readonly watch: number; readonly events: readonly WatchEvent[] }
  | { readonly type: 'ended'; readonly watch: number; readonly failure: Failure }

export interface WatchListener {
  events(events: readonly WatchEvent[]): void
  /** Once, and last; not when the process dies. */
  ended(error: Error): void
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** Of what a member says on stderr. */
const stderrCharactersMax = 64 * 1024

/** `wrapper` runs the process, e.g. `['strace', '-f']`. */
export function startMember(wrapper: readonly string[] = []): RemoteMember {
  const program = fileURLToPath(new URL('./member-process.js', import.meta.url))
  const [command, ...args] = [...wrapper, process.execPath, program]
  // Detached, so that it leads a group of its own, its wrapper included.
  const stdio = ['ignore', 'inherit', 'pipe', 'ipc'] as const
  return new RemoteMember(spawn(command ?? '', args, { stdio: [...stdio], detached: true }))
}

interface Caller {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly isWrite: boolean
}

/** Its store is asked for what a program does most; values are what JSON carries. */
export class RemoteMember implements Pick<Store, 'put' | 'get' | 'delete'> {
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Caller>()
  readonly #listeners = new Map<number, WatchListener>()
  #ids = 0
  #stderr = ''
  #hasExited = false

  constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (reply: Reply) => this.#hear(reply))
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(0, stderrCharactersMax)
    })
    child.once('exit', () => this.#failWaiting())
    this.exited = this.#end()
  }

  /** Of the process that was started: the wrapper, if there is one. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  async open(options: ClusterOptions): Promise<NodeStatus> {
    return (await this.#call({ type: 'open', options })) as NodeStatus
  }

  async put(key: string, value: unknown, options: CallOptions = {}): Promise<{ revision: number }> {
    return (await this.#call({ type: 'put', key, value, options })) as { revision: number }
  }

  async get<T>(key: string, options: CallOptions = {}): Promise<T | undefined> {
    return (await this.#call({ type: 'get', key, options })) as T | undefined
  }

  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.#call({ type: 'delete', key, options })) as boolean
  }

  async status(): Promise<NodeStatus> {
    return (await this.#call({ type: 'status' })) as NodeStatus
  }

  async entries(): Promise<readonly Entry[]> {
    return (await this.#call({ type: 'entries' })) as readonly Entry[]
  }

  /** Resolves when the watch is in place. It ends with the process. */
  async watch(prefix: string, fromRevision: number, listener: WatchListener): Promise<void> {
    this.#ids++
    const watch = this.#ids
    this.#listeners.set(watch, listener)
    await this.#call({ type: 'watch', watch, prefix, fromRevision })
  }

  /** Resolves with how long the main thread was busy, as it says itself. */
  async block(ms: number): Promise<number> {
    return (await this.#call({ type: 'block', ms })) as number
  }

  async endThread(entrance: Entrance): Promise<void> {
    await this.#call({ type: 'endThread', entrance })
  }

  async restart(): Promise<void> {
    await this.#call({ type: 'restart' })
  }

  /** Closes it, and lets the process end by itself. */
  async close(): Promise<Exit> {
    await this.#call({ type: 'close' })
    this.#child.disconnect()
    return this.exited
  }

  /** SIGKILL, to it and to whatever runs it. */
  async kill(): Promise<Exit> {
    if (!this.#hasExited) process.kill(-this.pid, 'SIGKILL')
    return this.exited
  }

  /** Not the event 'close': it never comes where we have disconnected first. */
  async #end(): Promise<Exit> {
    const { stderr } = this.#child
    const silent = stderr === null ? null : once(stderr, 'close')
    const [code, signal] = await once(this.#child, 'exit')
    await silent
    return { code, signal, stderr: this.#stderr }
  }

  #call(command: Command): Promise<unknown> {
    const isWrite = command.type === 'put' || command.type === 'delete'
    return new Promise((resolve, reject) => {
      if (this.#hasExited) {
        reject(new SkiffError('SKIFF_CLOSED', 'not-applied', 'the process has exited'))
        return
      }
      this.#ids++
      const id = this.#ids
      this.#waiting.set(id, { resolve, reject, isWrite })
      this.#child.send({ ...command, id }, (error) => {
        if (error !== null) this.#fail(id, error)
      })
    })
  }

  /** What comes after the end belongs to nobody: a watch may have been resumed elsewhere by then. */
  #hear(reply: Reply): void {
    if (this.#hasExited) return
    switch (reply.type) {
      case 'answer':
        this.#take(reply.id)?.resolve(reply.value)
        return
      case 'failure':
        this.#take(reply.id)?.reject(rebuild(reply.failure))
        return
      case 'events':
        this.#listeners.get(reply.watch)?.events(reply.events)
        return
      case 'ended':
        this.#listeners.get(reply.watch)?.ended(rebuild(reply.failure))
        this.#listeners.delete(reply.watch)
        return
    }
  }

  #take(id: number): Caller | undefined {
    const caller = this.#waiting.get(id)
    this.#waiting.delete(id)
    return caller
  }

  #fail(id: number, cause: Error | null): void {
    const caller = this.#take(id)
    const outcome = caller?.isWrite === true ? 'unknown' : 'not-applied'
    caller?.reject(new SkiffError('SKIFF_CRASHED', outcome, 'the process has exited', { cause }))
  }

  #failWaiting(): void {
    this.#hasExited = true
    for (const id of [...this.#waiting.keys()]) this.#fail(id, null)
    this.#listeners.clear()
  }
}

function rebuild({ name, message, skiff }: Failure): Error {
  if (skiff !== null) return errorFromData(skiff)
  return name === 'TypeError' ? new TypeError(message) : new Error(`${name}: ${message}`)
}
