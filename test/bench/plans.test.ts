import assert from 'node:assert/strict'
import { test } from 'node:test'
import { suiteNames, suitesByDefault } from '../../bench/arguments.ts'
import { goals } from '../../bench/goals.ts'
import { joined, runsOf } from '../../bench/suites/experiment.ts'
import { planOf } from '../../bench/suites/plans.ts'

const options = { keys: 1_000_000, full: false }

test('every load of a plan is in the table of its own suite, and a plan compares systems of different names', () => {
  for (const suite of suiteNames) {
    for (const { loads, systems } of planOf(suite, options)) {
      assert.ok(loads.length > 0 && loads.every((load) => load.suite === suite), suite)
      assert.equal(new Set(systems.map(({ name }) => name)).size, systems.length, suite)
    }
  }
})

test('the goals are measured by default, and what has the same contents in one go', () => {
  const plans = suitesByDefault.flatMap((suite) => planOf(suite, options))
  const together = joined(plans)
  assert.equal(together.length, 2)
  assert.equal(
    together.reduce((sum, experiment) => sum + runsOf(experiment, 3), 0),
    plans.reduce((sum, experiment) => sum + runsOf(experiment, 3), 0),
  )
  for (const { suite, callers, against } of goals) {
    const [experiment] = planOf(
      suite === 'put1' || suite === 'read1' || suite === 'put3' || suite === 'read3'
        ? suite
        : 'put1',
      options,
    )
    assert.ok(
      experiment?.systems.some(({ name }) => name.startsWith(against)),
      `${suite} ${against}`,
    )
    assert.ok(
      experiment?.loads.some(({ pace }) => pace.type === 'closed' && pace.callers === callers),
      `${suite} ${callers}`,
    )
  }
})

test('only the full run has ten million keys', () => {
  const most = (full: boolean) =>
    Math.max(...planOf('scale-keys', { keys: 1, full }).map(({ keys }) => keys))
  assert.equal(most(false), 1_000_000)
  assert.equal(most(true), 10_000_000)
})

test('what is shared of a ceiling comes after the ceiling', () => {
  for (const suite of ['latency', 'overload'] as const)
    for (const { loads } of planOf(suite, options))
      assert.ok(loads.every(({ pace }, n) => (n === 0) === (pace.type === 'closed')))
})
