/**
 * Records what clients do with a store, for the judges. A recorded client is used like the store itself;
 * calls are timed outside of it, so that what is recorded is what a caller could know. Every client may
 * have one operation under way. Reads are linearizable ones; values must differ from put to put.
 */
import { SkiffError } from '../../src/errors.ts'
import { assert } from '../../src/raft/assert.ts'
import type { Store } from '../../src/store.ts'
import { checkValue, type Operation, type Value } from './history.ts'

export interface RecordedClient {
  put(key: string, value: Value): Promise<{ revision: number }>
  get(key: string): Promise<Value | undefined>
  delete(key: string): Promise<boolean>
}

/** What is used of a store; it may be one in another process. */
type RecordedStore = Pick<Store, 'put' | 'get' | 'delete'>

type Asked = { readonly key: string } & (
  | { readonly op: 'put'; readonly value: Value }
  | { readonly op: 'get' | 'delete'; readonly value: null }
)

export class Recorder {
  readonly #operations: Operation[] = []
  /** Called, not returned. */
  readonly #open = new Set<Operation>()
  #clients = 0

  /** `store` is asked for before each operation, as nodes are replaced when they restart. */
  client(store: () => RecordedStore): RecordedClient {
    const recording = new ClientRecording(this)
    return {
      put: (key, value) =>
        recording.run({ op: 'put', key, value: checkValue(value) }, () => store().put(key, value)),
      get: (key) => recording.run({ op: 'get', key, value: null }, () => store().get<Value>(key)),
      delete: (key) => recording.run({ op: 'delete', key, value: null }, () => store().delete(key)),
    }
  }

  /** In order of the calls. What has not returned by now counts as unknown. */
  history(): Operation[] {
    return [...this.#operations, ...this.#open].sort((a, b) => a.call - b.call)
  }

  nextClient(): number {
    this.#clients++
    return this.#clients
  }

  called(client: number, asked: Asked): Operation {
    const call = performance.now()
    const operation: Operation = {
      client,
      ...asked,
      call,
      return: null,
      outcome: 'unknown',
      result: null,
    }
    this.#open.add(operation)
    return operation
  }

  /** `operation` as called, and as it ended. */
  returned(operation: Operation, ended: Operation): void {
    this.#open.delete(operation)
    this.#operations.push(ended)
  }
}

class ClientRecording {
  readonly #recorder: Recorder
  #client: number
  #busy = false

  constructor(recorder: Recorder) {
    this.#recorder = recorder
    this.#client = recorder.nextClient()
  }

  async run<T>(asked: Asked, ask: () => Promise<T>): Promise<T> {
    assert(!this.#busy, `client ${this.#client} has an operation under way`)
    this.#busy = true
    const operation = this.#recorder.called(this.#client, asked)
    try {
      const answer = await ask()
      this.#recorder.returned(operation, answered(operation, answer))
      return answer
    } catch (error) {
      this.#recorder.returned(operation, failed(operation, error))
      if (!isRefusal(error)) this.#client = this.#recorder.nextClient()
      throw error
    } finally {
      this.#busy = false
    }
  }
}

function answered(operation: Operation, answer: unknown): Operation {
  const result = operation.op === 'get' ? (answer ?? null) : answer
  return { ...operation, return: performance.now(), outcome: 'ok', result } as Operation
}

/** An error that does not say that nothing has happened leaves that open. */
function failed(operation: Operation, error: unknown): Operation {
  if (!isRefusal(error)) return operation
  return { ...operation, return: performance.now(), outcome: 'not-applied' }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof TypeError || (error instanceof SkiffError && error.outcome === 'not-applied')
  )
}
