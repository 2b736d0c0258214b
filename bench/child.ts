/**
 * A program of the bench as a process of its own, whose functions are called over IPC as if they were here.
 * What it does is in a file whose end is `answerCalls(calls)`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { messageOf } from '../src/errors.ts'

/** What a program can be told to do. */
export type Calls = {
  readonly [name: string]: (...args: never[]) => unknown
}

interface CallMessage {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

type Answer<Name extends keyof All, All extends Calls> = Awaited<ReturnType<All[Name]>>

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Its process has, though nobody told it to. */
export class ChildEnded extends Error {
  constructor(pid: number, program: string) {
    super(`the process ${pid} of ${program} has ended`)
  }
}

export class Child<All extends Calls & { close(): Promise<void> }> {
  readonly #program: string
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<unknown>
  #calls = 0
  #hasExited = false

  constructor(program: string) {
    this.#program = program
    // Arrays of numbers travel as such.
    const child = fork(program, [], { serialization: 'advanced' })
    this.#child = child
    child.on('message', (answer: AnswerMessage) => this.#hear(answer))
    this.#exited = once(child, 'exit').then(() => {
      this.#hasExited = true
      for (const { reject } of this.#waiting.values()) reject(this.#ended())
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasExited(): boolean {
    return this.#hasExited
  }

  call<Name extends keyof All & string>(
    name: Name,
    ...args: Parameters<All[Name]>
  ): Promise<Answer<Name, All>> {
    return this.#send(name, args) as Promise<Answer<Name, All>>
  }

  /** In good order. */
  async close(): Promise<void> {
    await this.#send('close', [])
    this.#child.disconnect()
    await this.#exited
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (!this.#hasExited) this.#child.kill('SIGKILL')
    await this.#exited
  }

  #send(name: string, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#hasExited) throw this.#ended()
      const id = this.#calls++
      this.#waiting.set(id, { resolve, reject })
      const message: CallMessage = { id, name, args }
      this.#child.send(message, (error) => {
        if (error !== null) this.#take(id)?.reject(error)
      })
    })
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

  #ended(): ChildEnded {
    return new ChildEnded(this.pid, this.#program)
  }
}

/** In the child. `ended`: whoever started it is gone, or has let go of it. */
export function answerCalls(calls: Calls, ended: () => void): void {
  process.on('message', async ({ id, name, args }: CallMessage) => {
    const call = calls[name] as ((...args: readonly unknown[]) => unknown) | undefined
    try {
      if (call === undefined) throw new Error(`no call ${name}`)
      process.send?.({ id, value: await call(...args) })
    } catch (error) {
      process.send?.({ id, error: messageOf(error) })
    }
  })
  process.on('disconnect', ended)
}
