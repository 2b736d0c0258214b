/**
 * The control plane: calls with an answer (open, start, close) over comlink, on a port of their own. Not
 * for data: a call costs several microseconds and a promise.
 *
 * comlink drops the `code` of an error, so failures travel as data. A call on its way when the thread dies
 * would wait for ever, so callers race it with the actor's death (host.ts).
 */
import type { MessagePort } from 'node:worker_threads'
import { expose, type Remote, releaseProxy, wrap } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { SkiffError, type SkiffErrorData, toErrorData } from '../errors.ts'

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: SkiffErrorData }

/** What an actor offers. Each method takes and returns plain data; it may throw. */
export type ControlApi = Record<string, (...args: never[]) => unknown>

export function serveControl(api: ControlApi, port: MessagePort): void {
  const call = async (name: string, args: never[]): Promise<Outcome<unknown>> => {
    try {
      return { ok: true, value: await api[name]?.(...args) }
    } catch (error) {
      return { ok: false, error: toErrorData(error) }
    }
  }
  expose({ call }, nodeEndpoint(port))
}

interface Served {
  call(name: string, args: unknown[]): Promise<Outcome<unknown>>
}

type Answer<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never
type Arguments<F> = F extends (...args: infer A) => unknown ? A : never

/** The other end: calls by name, with the types of `Api`. */
export class Control<Api> {
  readonly #port: MessagePort
  readonly #remote: Remote<Served>

  constructor(port: MessagePort) {
    this.#port = port
    this.#remote = wrap<Served>(nodeEndpoint(port))
  }

  /** @throws SkiffError as raised over there */
  async call<Name extends keyof Api & string>(
    name: Name,
    ...args: Arguments<Api[Name]>
  ): Promise<Answer<Api[Name]>> {
    const outcome = await this.#remote.call(name, args as unknown[])
    if (!outcome.ok) throw SkiffError.fromData(outcome.error)
    return outcome.value as Answer<Api[Name]>
  }

  close(): void {
    this.#remote[releaseProxy]()
    this.#port.close()
  }
}
