import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDir } from '../support/cleanup.ts'
import { checkHistory } from './child.ts'
import { formatHistory, type Operation, parseHistory } from './history.ts'
import { del, get, imagine, put } from './samples.ts'

const stale = [put('k', 1, [0, 1], 1), put('k', 2, [2, 3], 2), get('k', 1, [4, 5])]

async function judged(
  t: Parameters<typeof temporaryDir>[0],
  history: readonly Operation[],
  ...options: string[]
) {
  const file = join(await temporaryDir(t), 'history.jsonl')
  await writeFile(file, formatHistory(history))
  return checkHistory(file, ...options)
}

test('exit code 0: a legal history', async (t) => {
  const sizes = { seed: 1, operations: 1_000, clients: 5, keys: 5, unknownChance: 0.02 }
  const { code, stdout, stderr } = await judged(t, imagine(sizes).history)
  assert.deepEqual([code, stdout], [0, ''])
  assert.match(stderr, /1000 operations on 5 keys: linearizable\nrevisions: in order/)
})

test('exit code 0: a legal history of a store without revisions', async (t) => {
  const { code, stderr } = await judged(t, [put('k', 1, [0, 1]), del('k', true, [2, 3])])
  assert.equal(code, 0)
  assert.match(stderr, /revisions: not judged/)
})

test('exit code 1: an illegal one, whose offence on stdout is an illegal history again', async (t) => {
  const { history } = imagine({ seed: 2, operations: 500, clients: 5, keys: 5 })
  const { code, stdout, stderr } = await judged(t, [...history, ...stale])
  assert.equal(code, 1)
  assert.match(stderr, /NOT linearizable, key "k"/)
  assert.deepEqual(parseHistory(stdout), stale)
  assert.equal((await judged(t, parseHistory(stdout))).code, 1)
})

test('exit code 1: revisions that deny real time, though each key is linearizable', async (t) => {
  const history = [put('k', 1, [0, 1], 2), put('l', 1, [2, 3], 1)]
  const { code, stdout, stderr } = await judged(t, history)
  assert.equal(code, 1)
  assert.match(stderr, /revisions: revisions follow real time/)
  assert.deepEqual(parseHistory(stdout), history)
})

test('exit code 2: a file that is no history, with the line', async (t) => {
  const dir = await temporaryDir(t)
  const file = join(dir, 'broken.jsonl')
  await writeFile(file, `${formatHistory(stale)}{"client":\n`)
  const { code, stdout, stderr } = await checkHistory(file)
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /broken\.jsonl: line 4: no JSON/)
})

test('exit code 2: no file, no such file, a directory, options nobody knows', async (t) => {
  const dir = await temporaryDir(t)
  await mkdir(join(dir, 'history'))
  for (const args of [[], [join(dir, 'none')], [join(dir, 'history')], ['x', '--fast']]) {
    const { code, stderr } = await checkHistory(...args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, /usage|ENOENT|EISDIR/)
  }
})

test('exit code 3: not decided within the time', async (t) => {
  const puts = Array.from({ length: 40 }, (_, n) => put('hard', n, [n, 1_000 + n]))
  const history = [...puts, get('hard', 100, [2_000, 2_001])]
  const { code, stdout, stderr } = await judged(t, history, '--timeout-ms', '50')
  assert.deepEqual([code, stdout], [3, ''])
  assert.match(stderr, /not decided within the time, key "hard"/)
})
