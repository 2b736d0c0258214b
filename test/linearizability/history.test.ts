import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatHistory, HistoryError, judgeable, type Operation, parseHistory } from './history.ts'
import { del, get, imagine, put } from './samples.ts'

const line =
  '{"client":1,"op":"put","key":"k","value":7,"call":0.5,"return":1.5,"outcome":"ok","result":{"revision":1}}'

test('a history survives the way through a file', () => {
  const { history } = imagine({
    seed: 1,
    operations: 500,
    clients: 5,
    keys: 3,
    unknownChance: 0.1,
  })
  const refused: Operation = { ...put('k', 'never', [1, 2]), outcome: 'not-applied' }
  const whole = [...history, refused, get('ключ "x"\n', true, [3, 3]), del('k', null, [3, 4])]
  assert.deepEqual(parseHistory(formatHistory(whole)), whole)
})

test('any key and any value survives it', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), value, (key, value) => {
      const history = [put(key, value, [0, 1], 1), get(key, value, [2, 3])]
      assert.deepEqual(parseHistory(formatHistory(history)), history)
    }),
  )
})

test('one line holds one operation, its fields in a fixed order', () => {
  const [operation] = parseHistory(`${line}\n`)
  assert.ok(operation !== undefined)
  assert.deepEqual(operation, put('k', 7, [0.5, 1.5], 1))
  assert.equal(formatHistory([operation]), `${line}\n`)
})

test('an empty file is an empty history, further fields are ignored', () => {
  assert.deepEqual(parseHistory(''), [])
  assert.equal(parseHistory(line.replace('{', '{"node":"n1",')).length, 1)
})

const broken: readonly (readonly [what: string, from: string, to: string, reason: RegExp])[] = [
  ['what is no JSON', '"ok"', 'ok', /no JSON/],
  ['a blank line', line, '', /no JSON/],
  ['a line that is no object', line, '[1]', /a JSON object/],
  ['an operation of another kind', '"put"', '"cas"', /op: put, delete or get/],
  ['a client without number', '"client":1', '"client":"a"', /client:/],
  ['a key that is no string', '"k"', '1', /key:/],
  ['a put of nothing', '"value":7', '"value":null', /value:/],
  ['a put of a number beyond all', '"value":7', '"value":1e999', /value:/],
  ['a put of an object', '"value":7', '"value":{}', /value:/],
  ['a get with a value', '"put"', '"get"', /value: null/],
  ['a delete with a value', '"put"', '"delete"', /value: null/],
  ['a call without time', '"call":0.5,', '', /call:/],
  ['a return before its call', '1.5', '0.4', /return: not before call/],
  ['an acknowledgement without return', '1.5', 'null', /return: a number/],
  ['an unknown outcome with a return', '"ok"', '"unknown"', /return: null/],
  ['another outcome', '"ok"', '"info"', /outcome:/],
  ['a refusal with a result', '"ok"', '"not-applied"', /result: null/],
  ['a revision that is none', '"revision":1', '"revision":0', /result:/],
]

for (const [what, from, to, reason] of broken) {
  test(`refused, with its line: ${what}`, () => {
    const text = `${line}\n${line.replace(from, to)}\n${line}\n`
    assert.throws(
      () => parseHistory(text),
      (error: unknown) => {
        assert.ok(error instanceof HistoryError)
        assert.equal(error.line, 2)
        assert.match(error.message, /^line 2: /)
        assert.match(error.message, reason)
        return true
      },
    )
  })
}

test('judged is what was acknowledged, and writes that may have happened', () => {
  const lost: Operation = { ...get('k', null, [0, null]) }
  const refused: Operation = { ...put('k', 3, [0, 1]), outcome: 'not-applied' }
  const kept = [put('k', 1, [0, 1]), put('k', 2, [0, null]), del('k', null, [0, null])]
  assert.deepEqual(judgeable([lost, refused, ...kept]), kept)
})
