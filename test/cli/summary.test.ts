import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openHistogram, recordMs } from '../../src/cli/report.ts'
import { renderDifferences, renderSummary, type Summary } from '../../src/cli/summary.ts'

function summaryOf(parts: Partial<Summary>): Summary {
  const latencies = openHistogram()
  for (let put = 0; put < 2_000; put++) recordMs(latencies, 2)
  const keys = ['files/a/1', 'files/a/2', 'files/b']
  return {
    folder: '/home/me/docs',
    cluster: '3 nodes',
    walk: {
      files: new Map(keys.map((key) => [key, { bytes: 1_024, modified: '', sha256: '' }])),
      unreadable: [{ path: 'locked', reason: 'EACCES' }],
    },
    load: { startedAtMs: 1_000, endedAtMs: 3_000, latencies, retries: new Map() },
    drill: {
      killedId: 'one',
      leaderId: 'two',
      killedAtMs: 1_500,
      electedAtMs: 3_100,
      restartMs: 7,
    },
    keys,
    namespaces: ['files/', 'files/a/'],
    ...parts,
  }
}

test('the summary gives files, throughput, latencies, outage, retries and the tree', () => {
  const { load } = summaryOf({})
  const retries = new Map([
    ['SKIFF_CLOSED', 500],
    ['SKIFF_TIMEOUT', 1_000],
  ])
  assert.equal(
    renderSummary(summaryOf({ load: { ...load, retries } })),
    `folder      /home/me/docs
files       3, 3.0 KiB; 1 unreadable
cluster     3 nodes
throughput  1,000 puts/s; 4,000 puts/s without the time without a leader
latency     p50 2 ms, p99 2 ms, with the retries
no leader   1,600 ms: one killed, two elected; restart in 7 ms
retries     1,500 (SKIFF_CLOSED 500, SKIFF_TIMEOUT 1,000)
namespaces  2, the largest:

└─ files/  3  ████████████████████
   └─ a/   2  ██████████████`,
  )
})

test('an outage after the last put takes nothing off the time of the load', () => {
  const drill = { killedId: '', leaderId: '', killedAtMs: 3_000, electedAtMs: 4_000, restartMs: 0 }
  assert.match(renderSummary(summaryOf({ drill })), /^throughput {2}1,000 puts\/s$/m)
})

test('without a file there was nothing to kill for', () => {
  assert.match(renderSummary(summaryOf({ drill: null })), /^no leader {3}never/m)
})

test('differences are listed below the node, with the number of those not shown', () => {
  const differences = [{ key: 'files/a', problem: 'missing in the store' }]
  assert.equal(
    renderDifferences('one', { identical: 5, differenceCount: 3, differences }),
    'node one: 3 keys differ, 5 are identical\n  files/a: missing in the store\n  … and 2 more',
  )
})
