import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Row } from '../../bench/row.ts'
import {
  closed,
  type ExperimentOptions,
  runExperiment,
  share,
} from '../../bench/suites/experiment.ts'
import { Session } from '../../bench/suites/session.ts'
import { onTheLeader, overTheNetwork, whole } from '../../bench/systems/skiff.ts'
import type { System } from '../../bench/systems/system.ts'

interface Told {
  readonly rows: Row[]
  readonly notes: string[]
  runs: number
}

async function told(t: TestContext): Promise<{ told: Told; options: ExperimentOptions }> {
  const scratch = await mkdtemp(join(tmpdir(), 'skiff-bench-'))
  t.after(() => rm(scratch, { recursive: true, force: true }))
  const told: Told = { rows: [], notes: [], runs: 0 }
  const options: ExperimentOptions = {
    scratch,
    rounds: 2,
    warmUpMs: 10,
    measureMs: 120,
    onRow: (row) => told.rows.push(row),
    onRun: () => told.runs++,
    onNote: (note) => told.notes.push(note),
  }
  return { told, options }
}

test('ours is put and read in each of its ways, under each load, some rounds', async (t) => {
  const { told: found, options } = await told(t)
  const systems = [whole(1), whole(3), onTheLeader(), overTheNetwork()]
  const loads = [closed('put3', 4, 100), share('latency', 0.1, 100), closed('read3', 4, 0)]
  await runExperiment({ systems, keys: 20, valueBytes: 10, loads }, options)
  assert.deepEqual(
    found.rows.map(({ suite, system }) => [suite, system]),
    loads.flatMap(({ suite }) => systems.map(({ name }) => [suite, name])),
  )
  assert.equal(found.runs, systems.length * loads.length * options.rounds)
  assert.ok(found.rows.every(({ runs }) => runs.length === options.rounds))
  const isBeside = (row: Row) => row.generatorCpuSecondsPerMillion !== null
  assert.deepEqual(
    [...new Set(found.rows.filter(isBeside).map(({ system }) => system))],
    ['skiff, 3 members, over the network'],
  )
  assert.deepEqual(found.notes, [])
})

test('a system that is not here, or fails, is told of, and the others are measured', async (t) => {
  const { told: found, options } = await told(t)
  const absent: System = { ...whole(1), name: 'absent', unavailable: () => 'there is none' }
  const failing: System = {
    ...whole(1),
    name: 'failing',
    start: async () => {
      throw new Error('no port')
    },
  }
  const loads = [closed('put1', 1, 100)]
  const systems = [absent, failing, whole(1)]
  await runExperiment({ systems, keys: 1, valueBytes: 10, loads }, options)
  assert.deepEqual(found.notes, [
    'put1: absent is not measured: there is none',
    'put1: failing is not measured: no port',
  ])
  assert.deepEqual(
    found.rows.map(({ system }) => system),
    ['skiff, 1 node'],
  )
  assert.equal(found.runs, systems.length * options.rounds)
})

test('every watcher takes every put, and latency counts from the call of the put', async (t) => {
  const { options } = await told(t)
  const session = await Session.open(whole(1), join(options.scratch, 'watched'))
  t.after(() => session.destroy())
  const result = await session.watch(3, {
    pace: { type: 'closed', callers: 2 },
    putPercent: 100,
    keys: 10,
    valueBytes: 16,
    distribution: 'uniform',
    warmUpMs: 0,
    measureMs: 500,
    seed: 1,
  })
  assert.ok(result.puts > 0 && result.events > 0)
  assert.deepEqual(result.failures, [])
})
