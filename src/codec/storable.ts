/**
 * What may be stored. msgpackr packs almost anything, and some of it wrongly without a word: functions as
 * undefined, Maps as objects, cycles until the stack is gone. So every value is walked before it is packed,
 * once, allocating nothing while all is well; a refusal collects its path on the way back up.
 *
 * Left out of what is stored, as with JSON and structuredClone: symbol keys, properties that are not
 * enumerable, and named properties of arrays. Holes in arrays become `undefined`. An object that is
 * referred to twice is stored twice. Getters are read; instances of classes are stored as their own fields.
 */
import { types } from 'node:util'
import { SkiffError } from '../errors.ts'
import { valueBytesCeiling } from '../options.ts'

/** Objects, arrays and sets inside one another. */
export const valueDepthMax: number = 100
/** Steps of a path shown in a message. A cycle makes paths of `valueDepthMax` steps. */
const pathStepsMax = 12

/** Where msgpackr's native part does not load, it drops this from the beginning of longer strings. */
const byteOrderMark = 0xfeff

/**
 * @returns whether something in it must be disguised before it is packed, see {@link needsDisguise}
 * @throws TypeError for what cannot be stored, naming its path
 * @throws SkiffError `SKIFF_TOO_LARGE` for what is certainly larger than any value may be
 */
export function inspectValue(value: unknown): boolean {
  if (value === undefined) throw new TypeError('value: undefined cannot be stored')
  const inspection = new Inspection()
  const refusal = inspection.check(value, 1)
  if (refusal !== null) throw new TypeError(refusal.message)
  return inspection.disguise
}

/** Would msgpackr change it silently? -0 would come back as 0, marked strings without their mark. */
export function needsDisguise(value: unknown): boolean {
  if (typeof value === 'number') return Object.is(value, -0)
  return typeof value === 'string' && isMarked(value)
}

/** Is it a container that is stored as its own fields, rather than as bytes, a date, an array or a set? */
export function hasFields(value: object): boolean {
  return !(Array.isArray(value) || types.isSet(value) || isCarried(value))
}

/** A reason, and the path to it as far as it has been walked back. */
class Refusal {
  readonly #reason: string
  /** The container that was one too deep. */
  readonly #tooDeep: object | null
  readonly #steps: string[] = []
  #cyclic = false

  constructor(reason: string, tooDeep: object | null = null) {
    this.#reason = reason
    this.#tooDeep = tooDeep
  }

  /** It happened at `key` of `container`. Who meets the deepest container again stands in a cycle. */
  at(container: object, key: string | number): this {
    this.#steps.push(step(key))
    if (container === this.#tooDeep) this.#cyclic = true
    return this
  }

  get message(): string {
    const steps = this.#steps.toReversed()
    const path = steps.slice(0, pathStepsMax).join('') + (steps.length > pathStepsMax ? '…' : '')
    return `value${path}: ${this.#cyclic ? 'cycles cannot be stored' : this.#reason}`
  }
}

class Inspection {
  disguise = false
  /** Never more than what the value takes once packed. */
  #bytes = 0

  check(value: unknown, depth: number): Refusal | null {
    switch (typeof value) {
      case 'string':
        return this.#checkString(value)
      case 'number':
        if (value === 0 && 1 / value < 0) this.disguise = true
        return null
      case 'bigint':
        return fits64Bits(value) ? null : new Refusal('bigints beyond 64 bits cannot be stored')
      case 'function':
        return new Refusal('functions cannot be stored')
      case 'symbol':
        return new Refusal('symbols cannot be stored')
      case 'object':
        return value === null ? null : this.#checkObject(value, depth)
      case 'boolean':
      case 'undefined':
        return null
    }
  }

  #checkString(value: string): Refusal | null {
    this.#count(value.length)
    if (isMarked(value)) this.disguise = true
    return isWellFormed(value) ? null : new Refusal('lone surrogates cannot be stored')
  }

  #checkObject(value: object, depth: number): Refusal | null {
    if (depth > valueDepthMax) {
      return new Refusal(`nesting deeper than ${valueDepthMax} cannot be stored`, value)
    }
    if (Array.isArray(value)) return this.#checkArray(value, depth)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) return this.#checkFields(value, depth)
    if (prototype === Set.prototype) return this.#checkMembers(value as Set<unknown>, depth)
    if (isCarried(value)) return this.#checkCarried(value)
    return refuseInstance(value) ?? this.#checkFields(value, depth)
  }

  #checkArray(array: readonly unknown[], depth: number): Refusal | null {
    this.#count(array.length)
    for (let index = 0; index < array.length; index++) {
      const refusal = this.check(array[index], depth + 1)
      if (refusal !== null) return refusal.at(array, index)
    }
    return null
  }

  #checkMembers(set: ReadonlySet<unknown>, depth: number): Refusal | null {
    this.#count(set.size)
    let position = 0
    for (const member of set) {
      const refusal = this.check(member, depth + 1)
      if (refusal !== null) return refusal.at(set, position)
      position++
    }
    return null
  }

  #checkFields(object: object, depth: number): Refusal | null {
    const fields = object as Readonly<Record<string, unknown>>
    const keys = Object.keys(fields)
    this.#count(2 * keys.length)
    for (const key of keys) {
      const refusal = refuseKey(key) ?? this.check(fields[key], depth + 1)
      if (refusal !== null) return refusal.at(object, key)
    }
    return null
  }

  #checkCarried(value: object): null {
    if (!types.isDate(value)) this.#count((value as ArrayBufferView | ArrayBuffer).byteLength)
    return null
  }

  /** Ends the walk of what cannot fit long before it fills the memory, like shared objects 40 levels deep. */
  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= valueBytesCeiling) return
    const message = `value: larger than ${valueBytesCeiling.toLocaleString('en')} bytes`
    throw new SkiffError('SKIFF_TOO_LARGE', 'not-applied', message)
  }
}

/** The prototypes of what msgpackr carries as it is. Their subclasses would come back as these. */
const carriedPrototypes: ReadonlySet<unknown> = new Set([
  Date.prototype,
  Buffer.prototype,
  ArrayBuffer.prototype,
  DataView.prototype,
  Int8Array.prototype,
  Uint8Array.prototype,
  Uint8ClampedArray.prototype,
  Int16Array.prototype,
  Uint16Array.prototype,
  Int32Array.prototype,
  Uint32Array.prototype,
  Float32Array.prototype,
  Float64Array.prototype,
  BigInt64Array.prototype,
  BigUint64Array.prototype,
])

function isCarried(value: object): boolean {
  return carriedPrototypes.has(Object.getPrototypeOf(value))
}

/** Their contents are no fields, so they would come back empty or as something else. */
const contentsInSlots: readonly ((value: unknown) => boolean)[] = [
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isPromise,
  types.isDate,
  types.isRegExp,
  types.isNativeError,
  types.isBoxedPrimitive,
  types.isAnyArrayBuffer,
  types.isArrayBufferView,
]

function refuseInstance(value: object): Refusal | null {
  if (contentsInSlots.some((holds) => holds(value))) {
    return new Refusal(`${nameOf(value)} cannot be stored`)
  }
  // A URL, an iterator, a class with #private fields only: all of it would be lost.
  if (Object.keys(value).length > 0) return null
  return new Refusal(`${nameOf(value)} has no fields of its own, nothing of it would be stored`)
}

function nameOf(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'such an object'
}

function refuseKey(key: string): Refusal | null {
  // msgpackr gives it back under another name.
  if (key === '__proto__') return new Refusal('the key __proto__ cannot be stored')
  if (!isWellFormed(key)) return new Refusal('keys with lone surrogates cannot be stored')
  return isMarked(key)
    ? new Refusal('keys that begin with a byte order mark cannot be stored')
    : null
}

function fits64Bits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value
}

function isMarked(text: string): boolean {
  return text.charCodeAt(0) === byteOrderMark
}

/** UTF-8 has no bytes for half a surrogate pair; they would come back as U+FFFD. */
export function isWellFormed(text: string): boolean {
  // In Node since 20, in TypeScript's library only since ES2024.
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

function step(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}
