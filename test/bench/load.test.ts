import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { open } from 'lmdb'
import { measure, randomIntegers } from '../../bench/load.ts'
import { openLmdbBest, openLmdbDefault } from '../../bench/peers/lmdb.ts'

test('as many operations are under way as there are callers, and all end before the measurement does', async () => {
  let underWay = 0
  let most = 0
  const operation = async () => {
    most = Math.max(most, ++underWay)
    await turn()
    underWay--
  }
  const result = await measure(operation, { callers: 7, warmUpMs: 10, measureMs: 30 })
  assert.equal(most, 7)
  assert.equal(underWay, 0)
  assert.ok(result.opsPerSecond > 0 && result.p50Ms > 0 && result.p99Ms >= result.p50Ms)
  assert.ok(result.rssMiB > 0 && result.cpuSecondsPerMillion > 0)
})

test('a failing operation ends the measurement with its error', async () => {
  const operation = async () => {
    await turn()
    throw new Error('broken')
  }
  await assert.rejects(measure(operation, { callers: 3, warmUpMs: 1, measureMs: 5 }), /broken/)
})

test('the same seed gives the same integers, all below the bound and spread over it', () => {
  const draw = () => {
    const random = randomIntegers(64)
    return Array.from({ length: 10_000 }, () => random(1_000))
  }
  assert.deepEqual(draw(), draw())
  assert.ok(draw().every((integer) => integer >= 0 && integer < 1_000))
  assert.ok(new Set(draw()).size > 990)
})

test('both settings of lmdb-js keep what was put', async (context) => {
  for (const openPeer of [openLmdbBest, openLmdbDefault]) {
    const dir = await mkdtemp(join(tmpdir(), 'skiff-bench-'))
    context.after(() => rm(dir, { recursive: true }))
    const peer = openPeer(dir)
    const keys = Array.from({ length: 100 }, (_, index) => `key/${index}`)
    await Promise.all(keys.map((key) => peer.put(key, Buffer.from(key))))
    await peer.close()
    const reopened = open(dir, { readOnly: true })
    assert.deepEqual([...reopened.getKeys()].sort(), keys.sort())
    await reopened.close()
  }
})
