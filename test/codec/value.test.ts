/** Values of users: what comes back equal, and what is refused before it could come back changed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { packValue, unpackValue } from '../../src/codec/value.ts'

function roundTrip(value: unknown): unknown {
  return unpackValue(Uint8Array.from(packValue(value)))
}

function comesBackEqual(value: unknown): void {
  assert.deepStrictEqual(roundTrip(value), value)
}

function refused(value: unknown, message: string): void {
  assert.throws(() => packValue(value), { name: 'TypeError', message })
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
const bytes = fc.uint8Array({ maxLength: 300 })
const key = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .filter((text) => text !== '__proto__' && !text.startsWith('\ufeff'))

const storable = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, -0, NaN, Infinity, -Infinity, 2 ** 53, '\ufeff'),
    fc.integer(),
    fc.double(),
    fc.maxSafeInteger(),
    int64,
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.date({ noInvalidDate: true }),
    bytes,
    bytes.map((array) => Buffer.from(array)),
    fc.float32Array({ maxLength: 20 }),
    fc.bigInt64Array({ maxLength: 20 }),
    fc.array(fc.oneof(tie('value'), fc.constant(undefined)), { maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 8 }).map((members) => new Set(members)),
    fc.dictionary(key, fc.oneof(tie('value'), fc.constant(undefined)), {
      maxKeys: 20,
      noNullPrototype: true,
    }),
  ),
})).value

test('whatever can be stored comes back equal', () => {
  fc.assert(fc.property(storable, comesBackEqual), { numRuns: 2_000 })
})

test('numbers keep their sign, and stay apart from bigints', () => {
  for (const number of [0, -0, 1, -1, 0.1, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308, 5e-324]) {
    comesBackEqual(number)
    comesBackEqual({ deep: [number, new Set([[number]])] })
  }
  for (const bigint of [0n, -1n, 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n]) comesBackEqual(bigint)
})

test('dates of every age come back, and invalid ones as invalid', () => {
  for (const time of [0, 1, -1, 999, 2 ** 32 * 1_000, -8.64e15, 8.64e15])
    comesBackEqual(new Date(time))
  // assert finds no two invalid dates equal.
  assert.equal(String(roundTrip([new Date(Number.NaN)])), 'Invalid Date')
})

test('every kind of typed array comes back as its kind', () => {
  const source = Uint8Array.from({ length: 32 }, (_, index) => index * 7).buffer
  comesBackEqual(source)
  comesBackEqual(new DataView(source))
  comesBackEqual(Buffer.from(source))
  for (const kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array]) {
    comesBackEqual(new kind(source))
  }
  for (const kind of [Int32Array, Uint32Array, Float32Array, Float64Array]) {
    comesBackEqual({ typed: new kind(source) })
  }
  comesBackEqual([new BigInt64Array(source), new BigUint64Array(source)])
})

test('objects of more than 65,535 keys come back whole', () => {
  comesBackEqual(Object.fromEntries(Array.from({ length: 70_000 }, (_, n) => [`k${n}`, n])))
})

test('data that looks like machinery is only data', () => {
  comesBackEqual({ toJSON: 1, constructor: 'Ford', hasOwnProperty: false, length: 3 })
  comesBackEqual({ '': { ' ': 1 }, '0': 'zero', 'a.b': [] })
})

test('instances of classes come back as plain objects with their own fields', () => {
  class Point {
    x = 1
    y = -0
    #hidden = 2
    get sum(): number {
      return this.x + this.#hidden
    }
    toJSON(): string {
      return 'never asked'
    }
  }
  assert.deepStrictEqual(roundTrip({ at: new Point() }), { at: { x: 1, y: -0 } })
  assert.deepStrictEqual(roundTrip(Object.assign(Object.create(null), { a: 1 })), { a: 1 })
})

test('what was read shares no memory with where it was read from', () => {
  const value = { buffer: Buffer.from('abc'), array: new Float64Array([1]), text: 'x'.repeat(200) }
  const page = Buffer.from(packValue(value))
  const read = unpackValue(page)
  page.fill(0xff)
  assert.deepStrictEqual(read, value)
  assert.deepEqual(Object.keys(page.subarray()), Object.keys(page), 'no property is left behind')
})

test('functions and symbols are refused by their path', () => {
  const noop = (): void => {}
  refused(noop, 'value: functions cannot be stored')
  refused({ user: { onClick: noop } }, 'value.user.onClick: functions cannot be stored')
  refused({ toJSON: noop }, 'value.toJSON: functions cannot be stored')
  refused([1, { 'a b': [Symbol('s')] }], 'value[1]["a b"][0]: symbols cannot be stored')
  refused({ tags: new Set(['a', noop]) }, 'value.tags[1]: functions cannot be stored')
  refused(class {}, 'value: functions cannot be stored')
})

test('undefined is refused as a value, and kept inside of one', () => {
  refused(undefined, 'value: undefined cannot be stored')
  comesBackEqual({ a: undefined, b: [undefined] })
})

test('cycles are refused as cycles, depth as depth', () => {
  const self: Record<string, unknown> = {}
  self.self = self
  refused(self, `value${'.self'.repeat(12)}…: cycles cannot be stored`)
  const tree = { children: [{ parent: null as unknown }] }
  tree.children.push({ parent: tree })
  assert.throws(() => packValue(tree), /^TypeError: value\.children\[1\]\.parent.*: cycles cannot/)
  refused(nested(101), `value${'[0]'.repeat(12)}…: nesting deeper than 100 cannot be stored`)
  comesBackEqual(nested(100))
})

function nested(depth: number): unknown {
  let value: unknown[] = []
  for (let level = 1; level < depth; level++) value = [value]
  return value
}

test('what msgpackr would change without a word is refused', () => {
  refused({ m: new Map([[1, 2]]) }, 'value.m: an instance of Map cannot be stored')
  refused([new WeakMap()], 'value[0]: an instance of WeakMap cannot be stored')
  refused(new WeakSet(), 'value: an instance of WeakSet cannot be stored')
  refused({ p: Promise.resolve() }, 'value.p: an instance of Promise cannot be stored')
  refused(/x/, 'value: an instance of RegExp cannot be stored')
  refused(new RangeError('x'), 'value: an instance of RangeError cannot be stored')
  refused(Object(5), 'value: an instance of Number cannot be stored')
  refused(new (class Bag extends Set {})(), 'value: an instance of Bag cannot be stored')
  refused(new (class Day extends Date {})(), 'value: an instance of Day cannot be stored')
  refused(new (class Raw extends Uint8Array {})(2), 'value: an instance of Raw cannot be stored')
  refused(new SharedArrayBuffer(1), 'value: an instance of SharedArrayBuffer cannot be stored')
  refused({ n: 2n ** 64n }, 'value.n: bigints beyond 64 bits cannot be stored')
  refused({ n: -(2n ** 63n) - 1n }, 'value.n: bigints beyond 64 bits cannot be stored')
  refused(
    { home: new URL('http://localhost/') },
    'value.home: an instance of URL has no fields of its own, nothing of it would be stored',
  )
})

test('keys and texts that have no equal in UTF-8 are refused', () => {
  refused({ t: 'a\ud800' }, 'value.t: lone surrogates cannot be stored')
  assert.throws(() => packValue({ '\udc00': 1 }), /keys with lone surrogates cannot be stored/)
  refused(
    JSON.parse('{"a":{"__proto__":1}}'),
    'value.a.__proto__: the key __proto__ cannot be stored',
  )
  assert.throws(() => packValue({ '\ufeffid': 1 }), /byte order mark/)
})

test('what cannot fit is refused before it fills the memory', () => {
  const tooLarge = { code: 'SKIFF_TOO_LARGE', outcome: 'not-applied' }
  let shared: unknown = 'leaf'
  for (let level = 0; level < 60; level++) shared = { left: shared, right: shared }
  assert.throws(() => packValue(shared), tooLarge)
  assert.throws(() => packValue(new Array(2 ** 32 - 1)), tooLarge)
  assert.throws(() => packValue({ text: 'x'.repeat(2 ** 23) }), tooLarge)
  assert.throws(() => packValue([Buffer.alloc(2 ** 23)]), tooLarge)
})

test('a refused value leaves nothing behind', () => {
  const first = {
    get a(): never {
      throw new Error('from the getter')
    },
  }
  assert.throws(() => packValue(first), /from the getter/)
  refused([{ b: [Symbol('s')] }], 'value[0].b[0]: symbols cannot be stored')
  comesBackEqual({ c: 'x'.repeat(3_000_000) })
  comesBackEqual({ d: 1 })
})

test('a getter that stores another value disturbs neither', () => {
  const inner: unknown[] = []
  const outer = {
    before: -0,
    get middle(): string {
      inner.push(roundTrip('y'.repeat(3_000_000)))
      return 'm'
    },
    after: 'z'.repeat(100),
  }
  assert.deepStrictEqual(roundTrip(outer), { before: -0, middle: 'm', after: 'z'.repeat(100) })
  assert(inner.length > 0 && inner.every((text) => text === 'y'.repeat(3_000_000)))
})

test('a byte order mark survives where msgpackr has no native part', () => {
  const module = new URL('../../src/codec/value.js', import.meta.url).href
  const script = `
    const { packValue, unpackValue } = await import(${JSON.stringify(module)})
    const { isNativeAccelerationEnabled } = await import('msgpackr')
    const text = '\\ufeff' + 'é'.repeat(100)
    const back = unpackValue(Buffer.from(packValue({ text, again: [text + text] })))
    console.log(isNativeAccelerationEnabled, back.text === text, back.again[0] === text + text)`
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: new URL('.', import.meta.url),
    env: { ...process.env, MSGPACKR_NATIVE_ACCELERATION_DISABLED: 'true' },
    encoding: 'utf8',
  })
  assert.equal(output.trim(), 'false true true')
})
