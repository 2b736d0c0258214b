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

  async put(key: string, value: unknown, options?: WriteOptions): Promise<{ revision: number }> {
    return this.serving().put(key, value, options)
  }

  async get<T = unknown>(key: string, options?: ReadOptions): Promise<T | undefined> {
    return this.serving().get<T>(key, options)
  }

  async entry<T = unknown>(key: string, options?: ReadOptions): Promise<Entry<T> | undefined> {
    return this.serving().entry<T>(key, options)
  }

  async delete(key: string, options?: WriteOptions): Promise<boolean> {
    return this.serving().delete(key, options)
  }

  async keys(prefix?: string, options?: ReadOptions): Promise<string[]> {
    return this.serving().keys(prefix, options)
  }

  async prefixes(options?: ReadOptions): Promise<string[]> {
    return this.serving().prefixes(options)
  }

  scan<T = unknown>(range?: ScanRange, options?: ReadOptions): AsyncIterableIterator<Entry<T>> {
    return this.serving().scan<T>(range, options)
  }

  watch<T = unknown>(prefix: string, options?: WatchOptions): Watcher<T> {
    return this.serving().watch<T>(prefix, options)
  }

  async waitForLeader(options?: CallOptions): Promise<string> {
    return this.serving().waitForLeader(options)
  }

  async members(options?: CallOptions): Promise<readonly Member[]> {
    return this.serving().members(options)
  }

  async addServer<Plan extends boolean = false>(
    address: string,
    options?: AddServerOptions<Plan>,
  ): Promise<Changed<Plan>> {
    return this.serving().addServer(address, options)
  }

  async removeServer<Plan extends boolean = false>(
    id: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>> {
    return this.serving().removeServer(id, options)
  }

  async replaceServer<Plan extends boolean = false>(
    id: string,
    address: string,
    options?: ChangeOptions<Plan>,
  ): Promise<Changed<Plan>> {
    return this.serving().replaceServer(id, address, options)
  }

  async transferLeadership(to?: string, options?: CallOptions): Promise<void> {
    return this.serving().transferLeadership(to, options)
  }
}
