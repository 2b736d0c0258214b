/** What every attack is held to, wherever it goes, and what it tells. */
import type { Input } from './generate.ts'

/** An input may hold up its thread for so long. */
export const turnMsMax = 100
/** What a run at the listener may leave behind. Above what the collector and the compiler keep by themselves. */
export const heldBytesMax: number = 16 * 2 ** 20
/** What the process may grow by while it runs, garbage included. */
export const residentBytesMax: number = 256 * 2 ** 20

export interface KindReport {
  inputs: number
  accepted: number
  ms: number
}

/** An input that broke a promise: enough to do it again. */
export class Offence extends Error {
  override readonly name = 'Offence'

  constructor(seed: number, { kind, bytes }: Input, cause: unknown) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    const hex = Buffer.from(bytes).toString('hex')
    super(`seed ${seed}, kind '${kind}': ${reason}\ninput ${hex}`, { cause })
  }
}

export function newReports(kinds: readonly string[]): ReadonlyMap<string, KindReport> {
  return new Map(kinds.map((kind) => [kind, { inputs: 0, accepted: 0, ms: 0 }]))
}
