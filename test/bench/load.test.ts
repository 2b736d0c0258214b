import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { percentileOf } from '../../bench/latencies.ts'
import type { Client } from '../../bench/load/client.ts'
import { Generator } from '../../bench/load/generator.ts'
import { measureLoad } from '../../bench/load/measure.ts'
import type { LoadProfile, Pace } from '../../bench/load/profile.ts'
import { lmdbBest } from '../../bench/peers/lmdb.ts'
import { moduleAt } from '../../bench/systems/system.ts'

function profile(pace: Pace, putPercent: number): LoadProfile {
  return {
    pace,
    putPercent,
    keys: 100,
    distribution: 'uniform',
    valueBytes: 10,
    warmUpMs: 10,
    measureMs: 400,
    seed: 1,
    pids: [],
  }
}

class FakeClient implements Client {
  readonly puts: string[] = []
  gets = 0
  underWay = 0
  most = 0
  settled = 0

  async put(key: string, value: Buffer): Promise<void> {
    this.most = Math.max(this.most, ++this.underWay)
    assert.equal(value.length, 10)
    await turn()
    this.puts.push(key)
    this.underWay--
  }

  async get(): Promise<undefined> {
    this.gets++
  }

  async settle(): Promise<void> {
    this.settled++
  }

  notes(): string[] {
    return ['an election happened']
  }

  async close(): Promise<void> {}
}

test('in the closed loop as many puts are under way as there are callers, and all end before the result', async () => {
  const client = new FakeClient()
  const result = await measureLoad(client, profile({ type: 'closed', callers: 7 }, 100))
  assert.equal(client.most, 7)
  assert.equal(client.underWay, 0)
  assert.equal(client.settled, 1)
  assert.equal(result.operationsInAll, client.puts.length)
  assert.ok(result.operations > 0 && result.operations <= result.operationsInAll)
  assert.ok(percentileOf(result.latencies, 50) <= percentileOf(result.latencies, 99))
  assert.ok(result.generator.rssMiB > 0)
  assert.deepEqual(result.notes, ['an election happened'])
})

test('a store that answers without a turn of the event loop does not keep the measurement from its end', async () => {
  const client = new FakeClient()
  const result = await measureLoad(client, profile({ type: 'closed', callers: 3 }, 0))
  assert.ok(result.operations > 0)
  assert.equal(client.gets, result.operationsInAll)
})

test('a mixed load reads and puts', async () => {
  const client = new FakeClient()
  await measureLoad(client, profile({ type: 'closed', callers: 8 }, 50))
  assert.ok(client.puts.length > 0 && client.gets > 0)
})

test('failures are counted by their code, and the first is told', async () => {
  const client = new FakeClient()
  client.put = async () => {
    await turn()
    throw Object.assign(new Error('too much is waiting'), { code: 'SKIFF_OVERLOADED' })
  }
  const result = await measureLoad(client, profile({ type: 'closed', callers: 2 }, 100))
  assert.equal(result.operations, 0)
  assert.ok((result.failures.SKIFF_OVERLOADED ?? 0) > 0)
  assert.equal(result.firstFailure, 'too much is waiting')
})

test('in the open loop operations begin while others are unanswered, and latency counts from when they were due', async () => {
  const client = new FakeClient()
  const waiting: (() => void)[] = []
  let isAnswering = false
  // Nobody is answered until ten wait: a closed loop with fewer callers would never come that far.
  client.put = () =>
    new Promise((resolve) => {
      waiting.push(resolve)
      isAnswering ||= waiting.length === 10
      if (isAnswering) for (const answer of waiting.splice(0)) answer()
    })
  const open = { ...profile({ type: 'open', perSecond: 10_000 }, 100), measureMs: 500 }
  const result = await measureLoad(client, open)
  assert.ok(isAnswering)
  assert.equal(result.unanswered, 0)
  assert.ok(result.operations > 0 && result.operationsInAll >= 10)
  assert.ok(percentileOf(result.latencies, 50) >= percentileOf(result.callLatencies, 50) * 0.98)
})

test('the program that makes the load fills a store, loads it, and counts its own CPU', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-bench-'))
  t.after(() => rm(dir, { recursive: true }))
  const { target } = await lmdbBest.start(dir)
  const generator = Generator.start()
  t.after(() => generator.kill())
  const module = moduleAt('../../bench/peers/lmdb.js', import.meta.url)
  await generator.call('open', { module, target })
  const filled = await generator.call('fill', 100, 10, 60_000)
  assert.deepEqual(filled, { keys: 100, failure: null })
  const put = await generator.call('measure', profile({ type: 'closed', callers: 4 }, 100))
  const get = await generator.call('measure', profile({ type: 'open', perSecond: 2_000 }, 0))
  assert.ok(put.operationsInAll > 0 && get.operationsInAll > 0)
  assert.ok(put.generator.cpuSeconds >= 0 && put.others.cpuSeconds === 0)
  await generator.close()
})

test('puts that are never answered do not keep the result, which tells of them', async () => {
  const client = new FakeClient()
  client.put = () => new Promise(() => undefined)
  const result = await measureLoad(client, profile({ type: 'closed', callers: 3 }, 100), 10)
  assert.equal(result.unanswered, 3)
  assert.equal(result.operations, 0)
})
