/**
 * The one load generator, for every system: a program of its own (generator-child.ts). A store that is embedded is
 * embedded in it; one that is reached over the network is a client's distance away.
 */
import { join } from 'node:path'
import { Child } from '../child.ts'
import type { ClientPlace } from './client.ts'
import type { LoadProfile, LoadResult } from './profile.ts'
import type { WatchProfile, WatchResult } from './watch-load.ts'

export type GeneratorCalls = {
  open(place: ClientPlace): Promise<void>
  /** Puts keys until all are there, or the time is over, or one was refused. */
  fill(keys: number, valueBytes: number, msMax: number): Promise<Filled>
  /** How many the fill under way has put. */
  filled(): number
  measure(profile: LoadProfile): Promise<LoadResult>
  watch(profile: WatchProfile): Promise<WatchResult>
  close(): Promise<void>
}

export interface Filled {
  /** That are there then. */
  readonly keys: number
  /** Why there are no more of them; `null`: there are, or there was no time. */
  readonly failure: string | null
}

export class Generator extends Child<GeneratorCalls> {
  static start(): Generator {
    return new Generator(join(import.meta.dirname, 'generator-child.js'))
  }
}
