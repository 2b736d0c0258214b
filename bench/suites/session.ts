/** A system that runs, and the program that puts a load on it. */
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Progress } from '../../src/cli/progress.ts'
import { type Filled, Generator } from '../load/generator.ts'
import type { LoadProfile, LoadResult } from '../load/profile.ts'
import type { WatchResult } from '../load/watch-load.ts'
import { countingSyncs } from '../sync-count.ts'
import type { RunningSystem, System } from '../systems/system.ts'
import { pause, resume } from './pause.ts'

/** For keys that are there before anything is measured. Slow systems get no more than they manage. */
const fillMsMax = 60_000
const pollMs = 250
/** Of a measurement behind its end, and of an end: whoever takes longer has failed. */
const patienceMs = 60_000

export type Profile = Omit<LoadProfile, 'pids'>

export interface Outcome {
  readonly result: LoadResult
  /** `null`: not counted. */
  readonly syncs: number | null
  readonly notes: readonly string[]
}

export class Session {
  readonly system: System
  readonly isEmbedded: boolean
  readonly #dir: string
  readonly #running: RunningSystem
  readonly #generator: Generator

  private constructor(system: System, dir: string, running: RunningSystem, generator: Generator) {
    this.system = system
    this.isEmbedded = running.isEmbedded
    this.#dir = dir
    this.#running = running
    this.#generator = generator
  }

  static async open(system: System, dir: string): Promise<Session> {
    const running = await system.start(dir)
    const generator = Generator.start()
    const session = new Session(system, dir, running, generator)
    try {
      await generator.call('open', running.place)
      return session
    } catch (error) {
      await session.destroy()
      throw error
    }
  }

  async fill(keys: number, valueBytes: number): Promise<Filled> {
    const progress = new Progress(`preloading ${this.system.name}`, 'keys')
    let isFilling = true
    const filling = this.#generator.call('fill', keys, valueBytes, fillMsMax).finally(() => {
      isFilling = false
    })
    const showing = this.#show(progress, keys, () => isFilling)
    const [filled] = await Promise.all([filling, showing])
    progress.update(filled.keys, keys)
    progress.end()
    return filled
  }

  async measure(profile: Profile, countSyncs: boolean): Promise<Outcome> {
    resume(this.#pids())
    const { pids } = this.#running
    const before = await this.#running.reign()
    const msMax = profile.warmUpMs + profile.measureMs + patienceMs
    const measure = () => within(msMax, this.#generator.call('measure', { ...profile, pids }))
    const { value: result, syncs } = countSyncs
      ? await countingSyncs(this.#systemPids(), measure)
      : { value: await measure(), syncs: null }
    const after = await this.#running.reign()
    const election = before === after ? [] : [`elections: ${before}, then ${after}`]
    return { result, syncs, notes: [...result.notes, ...election] }
  }

  watch(watchers: number, profile: Profile): Promise<WatchResult> {
    const load = { ...profile, pids: this.#running.pids }
    const msMax = profile.warmUpMs + profile.measureMs + patienceMs
    return within(msMax, this.#generator.call('watch', { watchers, load }))
  }

  /** Until it is measured again. */
  pause(): void {
    if (this.system.canPause) pause(this.#pids())
  }

  async close(): Promise<void> {
    resume(this.#pids())
    try {
      if (!this.#generator.hasExited) await within(patienceMs, this.#generator.close())
    } finally {
      await this.destroy()
    }
  }

  /** Whatever state it is in. */
  async destroy(): Promise<void> {
    await this.#generator.kill()
    await this.#running.stop()
    await rm(this.#dir, { recursive: true, force: true })
  }

  #pids(): number[] {
    return [...this.#running.pids, this.#generator.pid]
  }

  #systemPids(): number[] {
    return this.isEmbedded ? this.#pids() : [...this.#running.pids]
  }

  async #show(progress: Progress, keys: number, isFilling: () => boolean): Promise<void> {
    while (isFilling()) {
      progress.update(await this.#generator.call('filled'), keys)
      await sleep(pollMs)
    }
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = new AbortController()
  const timeout = sleep(ms, null, { signal: late.signal }).then(() => {
    throw new Error(`no end after ${ms} ms`)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    late.abort()
    await timeout.catch(() => undefined)
  }
}
