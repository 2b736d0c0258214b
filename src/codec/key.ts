/** What may be a key, or begin one, and the bytes it is stored as. */
import { SkiffError } from '../errors.ts'
import { keyBytesMax } from '../options.ts'
import { isWellFormed } from './storable.ts'

/**
 * @throws TypeError for what is no key: other types, '', lone surrogates
 * @throws SkiffError `SKIFF_TOO_LARGE` over `keyBytesMax` bytes of UTF-8
 */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new TypeError(`key: expected a string, got ${typeof key}`)
  if (key === '') throw new TypeError('key: must not be empty')
  if (!isWellFormed(key)) throw new TypeError('key: lone surrogates cannot be stored')
  // No character takes more than three bytes, so that most keys need not be measured.
  if (key.length * 3 <= keyBytesMax) return
  const bytes = Buffer.byteLength(key)
  if (bytes > keyBytesMax) throw tooLarge('key', bytes, keyBytesMax)
}

/** A key as it is stored, checked. */
export function keyBytes(key: unknown): Buffer {
  checkKey(key)
  return Buffer.from(key)
}

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

/** For keys and values alike. */
export function tooLarge(what: string, bytes: number, bytesMax: number): SkiffError {
  const message = `${what}: ${bytes.toLocaleString('en')} bytes, at most ${bytesMax.toLocaleString('en')}`
  return new SkiffError('SKIFF_TOO_LARGE', 'not-applied', message)
}
