/** A store that hands every operation on, to whichever store serves at the moment. */
import type {
  AddServerOptions,
  CallOptions,
  ChangeOptions,
  ReadOptions,
  ScanRange,
  WatchOptions,
  WriteOptions,
} from '../options.ts'
import type { Member } from '../raft/types.ts'
import type { Changed, Entry, Membership, Store, Watcher } from '../store.ts'

export abstract class ForwardingStore implements Store, Membership {
  /** @throws SkiffError when none does */
  protected abstract serving(): Store & Membership

  put(key: string, value: unknown, options?: WriteOptions): Promise<{ revision: number }> {
    return this.#ask((store) => store.put(key, value, options))
  }

  get<T = unknown>(key: string, options?: ReadOptions): Promise<T | undefined> {
    return this.#ask((store) => store.get<T>(key, options))
  }

  entry<T = unknown>(key: string, options?: ReadOptions): Promise<Entry<T> | undefined> {
    return this.#ask((store) => store.entry<T>(key, options))
  }

  delete(key: string, options?: WriteOptions): Promise<boolean> {
    return this.#ask((store) => store.delete(key, options))
  }

  keys(prefix?: string, options?: ReadOptions): Promise<string[]> {
    return this.#ask((store) => store.keys(prefix, options))
  }

  prefixes(options?: ReadOptions): Promise<string[]> {
    return this.#ask((store) => store.prefixes(options))
  }

  scan<T = unknown>(range?: ScanRange, options?: ReadOptions): AsyncIterableIterator<Entry<T>> {
    return this.serving().scan<T>(range, options)
  }

  watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T> {
    return this.serving().watch<T>(prefix, options)
  }

  waitForLeader(options?: CallOptions): Promise<string> {
    return this.#ask((store) => store.waitForLeader(options))
  }

  members(options?: CallOptions): Promise<readonly Member[]> {
    return this.#ask((store) => store.members(options))
  }

  addServer<Plan extends boolean = false>(
    address: string,
    options?: AddServerOptions<Plan>,
  ): Promise<Changed<Plan>> {
    return this.#ask((store) => store.addServer(address, options))
  }

  removeServer<Plan extends boolean = false>(
    id: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>> {
    return this.#ask((store) => store.removeServer(id, options))
  }

  replaceServer<Plan extends boolean = false>(
    id: string,
    address: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>> {
    return this.#ask((store) => store.replaceServer(id, address, options))
  }

  transferLeadership(to?: string, options?: CallOptions): Promise<void> {
    return this.#ask((store) => store.transferLeadership(to, options))
  }

  /** No `async`, which would be a promise more for each that hands on; what is thrown is a rejection all the same. */
  #ask<T>(call: (store: Store & Membership) => Promise<T>): Promise<T> {
    try {
      return call(this.serving())
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
