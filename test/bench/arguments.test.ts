import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBenchArguments, suiteNames } from '../../bench/arguments.ts'

test('without words the suites of the goals run, three rounds of two seconds a row, among a million keys', () => {
  assert.deepEqual(parseBenchArguments([]), {
    type: 'run',
    suites: ['put1', 'put3', 'read1', 'read3'],
    measureMs: 2_000,
    rounds: 3,
    keys: 1_000_000,
    full: false,
    repeats: 10,
    only: '',
    etcd: null,
    json: null,
    html: null,
    results: false,
  })
})

test('suites and options are understood', () => {
  const words =
    'put3 --seconds 0.5 --rounds 5 --keys 10 --full --only skiff --etcd /opt/etcd --json out.json --html out.html --results'
  assert.deepEqual(parseBenchArguments(words.split(' ')), {
    type: 'run',
    suites: ['put3'],
    measureMs: 500,
    rounds: 5,
    keys: 10,
    full: true,
    repeats: 10,
    only: 'skiff',
    etcd: '/opt/etcd',
    json: 'out.json',
    html: 'out.html',
    results: true,
  })
})

test('all are all', () => {
  const args = parseBenchArguments(['all'])
  assert.ok(args.type === 'run')
  assert.deepEqual(args.suites, suiteNames)
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
