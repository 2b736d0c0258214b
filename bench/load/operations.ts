/** Which keys, which values, put or read: the same for every system, in the same order. */
import type { Client } from './client.ts'
import type { LoadProfile } from './profile.ts'
import { type RandomIntegers, randomIntegers, scattered, zipfianRanks } from './random.ts'

export type Operation = () => Promise<unknown>

export type Loaded = Pick<Client, 'put' | 'get'>

/** Values that are put in turn; enough not to be in the first-level cache. */
const valuesMax = 1_024
const valuesMin = 4
const valuesBytesMax = 16 * 2 ** 20
const percent = 100

export function operationsOf(client: Loaded, profile: LoadProfile): Operation {
  const { putPercent, valueBytes, seed } = profile
  const random = randomIntegers(seed)
  const nextKey = keysOf(profile, random)
  const values = valuesOf(valueBytes)
  const put: Operation = () => client.put(nextKey(), pick(values, random(values.length)))
  const get: Operation = () => client.get(nextKey())
  if (putPercent === percent) return put
  if (putPercent === 0) return get
  return () => (random(percent) < putPercent ? put() : get())
}

export function keyOf(index: number): string {
  return `bench/${String(index).padStart(8, '0')}`
}

/** Random, so that nothing can compress them. */
export function valuesOf(valueBytes: number): Buffer[] {
  const random = randomIntegers(valueBytes)
  const count = Math.min(valuesMax, Math.max(valuesMin, Math.floor(valuesBytesMax / valueBytes)))
  return Array.from({ length: count }, () => {
    const value = Buffer.allocUnsafeSlow(valueBytes)
    for (let at = 0; at < valueBytes; at++) value[at] = random(256)
    return value
  })
}

export function pick<T>(values: readonly T[], index: number): T {
  const value = values[index % values.length]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}

function keysOf({ keys, distribution }: LoadProfile, random: RandomIntegers): () => string {
  if (distribution === 'uniform') return () => keyOf(random(keys))
  const nextRank = zipfianRanks(keys, random)
  return () => keyOf(scattered(nextRank(), keys))
}
