import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runLimitSuite } from '../../bench/limits/suites.ts'
import { timeFor } from '../../bench/limits/timing.ts'
import type { Row } from '../../bench/row.ts'

test('what is done over and over is timed, the first times not counted', () => {
  let times = 0
  const { perSecond, p50Ms, p99Ms } = timeFor(10, () => {
    times++
  })
  assert.ok(times > 1)
  assert.ok(perSecond > 0 && p50Ms > 0 && p99Ms >= p50Ms)
})

for (const suite of ['codec', 'hop', 'socket', 'fsync'] as const)
  test(`the suite ${suite} measures each of its things`, async (t) => {
    const scratch = await mkdtemp(join(tmpdir(), 'skiff-bench-'))
    t.after(() => rm(scratch, { recursive: true }))
    const rows: Row[] = []
    await runLimitSuite(suite, { scratch, measureMs: 5, onRow: (row) => rows.push(row) })
    assert.ok(rows.length >= 3)
    const ids = rows.map(({ system, valueBytes }) => `${system} ${valueBytes}`)
    assert.equal(new Set(ids).size, rows.length)
    for (const row of rows) {
      assert.equal(row.suite, suite)
      assert.ok(row.opsPerSecond > 0 && row.p99Ms >= row.p50Ms, row.system)
    }
  })
