/**
 * The control plane: calls with an answer (open, start, close) over comlink, on a port of their own. Not
 * for data: a call costs several microseconds and a promise.
 *
 * comlink drops the `code` of an error, so failures travel as data. A call on its way when the thread dies
 * would wait forever, so callers race it with the death of its node (life.ts).
 */
import type { MessagePort } from 'node:worker_threads'
import { expose, type Remote, releaseProxy, wrap } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { errorFromData, errorToData, type SkiffErrorData } from '../errors.ts'

export type CallResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: SkiffErrorData }

/** What an actor offers. Each method takes and returns plain data; it may throw. */
export type ControlApi = Record<string, (...args: never[]) => unknown>

export function serveControl(api: ControlApi, port: MessagePort): void {
  const call = async (name: string, args: never[]): Promise<CallResult<unknown>> => {
    try {
      return { ok: true, value: await api[name]?.(...args) }
    } catch (error) {
      return { ok: false, error: errorToData(error) }
    }
  }
  expose({ call }, nodeEndpoint(port))
}

interface Served {
  call(name: string, args: unknown[]): Promise<CallResult<unknown>>
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
    const result = await this.#remote.call(name, args as unknown[])
    if (!result.ok) throw errorFromData(result.error)
    return result.value as Answer<Api[Name]>
  }

  close(): void {
    this.#remote[releaseProxy]()
    this.#port.close()
  }
}
