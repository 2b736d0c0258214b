import { isWellFormed } from '../codec/storable.ts'

/**
 * What keys begin with, as it is stored.
 * @throws TypeError for what no key can begin with
 */
export function prefixBytes(prefix: unknown): Buffer {
  if (typeof prefix !== 'string') {
    throw new TypeError(`prefix: expected a string, got ${typeof prefix}`)
  }
  if (!isWellFormed(prefix)) throw new TypeError('prefix: lone surrogates cannot be stored')
  return Buffer.from(prefix)
}
