/**
 * Values of users as bytes: MessagePack, with extensions for what it lacks (typed arrays, sets, undefined).
 * The main thread packs a value once, at the call, and unpacks it once, when it is read; in between it is
 * opaque. What may be stored is in storable.ts.
 */
import { addExtension, Packr } from 'msgpackr'
import { asBuffer } from './bytes.ts'
import { packTransient } from './msgpack.ts'
import { hasFields, inspectValue, needsDisguise } from './storable.ts'

const packr = new Packr({
  useRecords: false,
  // Sets and typed arrays keep their type.
  moreTypes: true,
  // Any number of keys, and two bytes less for every small object.
  variableMapSize: true,
  // What is read must not change with the page it was read from.
  copyBuffers: true,
  useToJSON: false,
})

/**
 * @returns a view into a shared buffer, valid until the next call: copy it
 * @throws TypeError for what cannot be stored, naming its path in the value
 * @throws SkiffError `SKIFF_TOO_LARGE` where that is certain before packing
 */
export function packValue(value: unknown): Uint8Array {
  const disguise = inspectValue(value)
  return packTransient(packr, disguise ? disguised(value) : value)
}

/** The value, sharing no memory with `bytes`. */
export function unpackValue(bytes: Uint8Array): unknown {
  // A view of its own, because msgpackr leaves a property on what it is given; a Buffer, because the
  // Buffers it makes are of the class of their source.
  return packr.unpack(asBuffer(bytes))
}

/** Stands for a number or string that msgpackr would change. */
class Disguise {
  readonly value: unknown

  constructor(value: unknown) {
    this.value = value
  }
}

/** Any number but 0, which msgpackr takes for undefined. */
const disguiseType = 1

addExtension({
  Class: Disguise,
  type: disguiseType,
  // -0 travels as 0. A marked string gets a character in front, so that the mark is not at its beginning.
  write: ({ value }: Disguise) => (typeof value === 'string' ? `.${value}` : 0),
  read: (datum: unknown) => (typeof datum === 'string' ? datum.slice(1) : -0),
})

/** A copy in which everything that needs it is disguised. */
function disguised(value: unknown): unknown {
  if (needsDisguise(value)) return new Disguise(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Array.from(value, (element) => disguised(element))
  if (value instanceof Set) return new Set(Array.from(value, disguised))
  if (!hasFields(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, disguised(field)]))
}
