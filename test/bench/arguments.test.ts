import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBenchArguments } from '../../bench/arguments.ts'

test('without words every suite runs for five seconds a row among a million keys', () => {
  assert.deepEqual(parseBenchArguments([]), {
    type: 'run',
    suites: ['put1', 'put3', 'memory', 'snapshot', 'failover', 'restart'],
    measureMs: 5_000,
    keys: 1_000_000,
    repeats: 10,
    json: null,
    results: false,
  })
})

test('suites and options are understood', () => {
  const words = ['put3', '--seconds', '0.5', '--keys', '10', '--json', 'out.json', '--results']
  assert.deepEqual(parseBenchArguments(words), {
    type: 'run',
    suites: ['put3'],
    measureMs: 500,
    keys: 10,
    repeats: 10,
    json: 'out.json',
    results: true,
  })
})

test('an unknown suite, an unknown flag and a number that is none are refused by name', () => {
  const reason = (...words: string[]) => {
    const args = parseBenchArguments(words)
    return args.type === 'invalid' ? args.reason : ''
  }
  assert.match(reason('put2'), /no suite is called 'put2'/)
  assert.match(reason('--fast'), /--fast/)
  assert.match(reason('--seconds', 'long'), /--seconds: expected a number above 0, got 'long'/)
  assert.match(reason('--keys', '0'), /--keys/)
})
