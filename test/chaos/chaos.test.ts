/** A cut of `npm run chaos`: one of each of a few kinds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCampaign } from './campaign.ts'
import type { FaultKind } from './faults.ts'

const kinds: readonly FaultKind[] = ['kill', 'pause', 'one-way cut', 'thread death', 'sync error']
/** May be impossible (strace), or fail to come about (a thread that hangs); then it is said to be skipped. */
const optional: ReadonlySet<FaultKind> = new Set(['sync error', 'thread death'])

test('three members as processes keep every promise while they are killed, paused, cut off and fail', async (t) => {
  const lines: string[] = []
  const say = (line: string): number => lines.push(line)
  const report = await runCampaign({ seed: 20, nodes: 3, ms: 0, kinds, say })
  const told = `${lines.join('\n')}\n${JSON.stringify(report.broken, null, 2)}\n${report.kept}`
  assert.deepEqual(report.broken, [], told)
  for (const [kind, { installed, skipped }] of report.faults) {
    assert.equal(installed + skipped, 1, told)
    if (skipped > 0) t.diagnostic(`${kind} was skipped`)
    assert.ok(installed === 1 || optional.has(kind), told)
  }
  assert.ok(report.counts.ok > 100, told)
  assert.ok(report.terms > 0, told)
  assert.ok(report.watchesResumed > 0, told)
})
