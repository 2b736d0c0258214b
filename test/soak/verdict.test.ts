import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noLatencies, recordLatency } from '../../bench/latencies.ts'
import type { Phase, Sample } from './samples.ts'
import { findingsOf, isBroken, type SoakNumbers } from './verdict.ts'

const mebibyte = 2 ** 20

interface Numbers {
  readonly logMiB?: number
  readonly stateMiB?: number
  readonly snapshotsMiB?: number
  readonly rssMiB?: number
  readonly latencyMs?: number
  readonly member?: number
}

/** One second of a member whose snapshots are of 10 MiB. */
function sampleAt(second: number, numbers: Numbers = {}): Sample {
  const { logMiB = 40, stateMiB = 15, snapshotsMiB = 20, rssMiB = 200, latencyMs = 2 } = numbers
  const latencies = noLatencies()
  recordLatency(latencies, latencyMs)
  const position = { role: 'follower', term: 1, firstIndex: 1, lastIndex: 2 } as const
  return {
    atMs: second * 1_000,
    member: numbers.member ?? 0,
    life: 1,
    ms: 1_000,
    writes: 100,
    reads: 10,
    failures: 0,
    longestGapMs: 1,
    latencies,
    memory: { rssBytes: rssMiB * mebibyte, anonymousBytes: mebibyte, heapBytes: mebibyte },
    files: {
      logBytes: logMiB * mebibyte,
      stateBytes: stateMiB * mebibyte,
      generation: 0,
      snapshotsBytes: snapshotsMiB * mebibyte,
      snapshotBytes: 10 * mebibyte,
      snapshots: 2,
    },
    status: { ...position, appliedIndex: 2, commitIndex: 2, snapshotIndex: 1 },
  }
}

const phases: readonly Phase[] = [
  { name: 'before', fromMs: 0, toMs: 100_000 },
  { name: 'away', fromMs: 100_000, toMs: 200_000 },
  { name: 'returning', fromMs: 200_000, toMs: 300_000 },
  { name: 'after', fromMs: 300_000, toMs: 400_000 },
]

/** The rules that these numbers break, one second of which is different. */
function brokenBy(second: number, numbers: Numbers): string[] {
  const samples = Array.from({ length: 400 }, (_, n) =>
    sampleAt(n + 1, n + 1 === second ? numbers : {}),
  )
  return brokenIn(samples)
}

function brokenIn(samples: readonly Sample[]): string[] {
  const soak: SoakNumbers = {
    samples,
    phases,
    members: 3,
    stopped: 2,
    snapshotLogBytes: 10 * mebibyte,
  }
  return findingsOf(soak)
    .filter(isBroken)
    .map(({ rule }) => rule)
}

test('a soak whose numbers stay as they are breaks no rule', () => {
  assert.deepEqual(brokenBy(0, {}), [])
})

test('one second with too large a file is enough', () => {
  assert.deepEqual(brokenBy(150, { logMiB: 51 }), ['log file, in intervals'])
  assert.deepEqual(brokenBy(150, { stateMiB: 31 }), ['state file, in snapshots'])
  assert.deepEqual(brokenBy(350, { snapshotsMiB: 31 }), ['snapshots, in the largest'])
})

test('while a member is away or returns there may be one snapshot more', () => {
  assert.deepEqual(brokenBy(150, { snapshotsMiB: 40 }), [])
  assert.deepEqual(brokenBy(250, { snapshotsMiB: 40 }), [])
  assert.deepEqual(brokenBy(250, { snapshotsMiB: 41 }), ['the same while one is away or returns'])
})

test('p99 of those that go on is compared with before; that of the member that was stopped is not', () => {
  const slow = (member: number) =>
    Array.from({ length: 400 }, (_, n) =>
      sampleAt(n + 1, { member, latencyMs: n > 100 && n < 200 ? 7 : 2 }),
    )
  assert.deepEqual(brokenIn(slow(0)), ['p99 of the others away, to before'])
  const quick = Array.from({ length: 400 }, (_, n) => sampleAt(n + 1))
  assert.deepEqual(brokenIn([...quick, ...slow(2)]), [])
})

test('memory that grows from the middle third of a process to its last is a creep', () => {
  const creeping = Array.from({ length: 400 }, (_, n) => sampleAt(n + 1, { rssMiB: 100 + n }))
  assert.deepEqual(brokenIn(creeping), ['RSS of member 1, process 1, last to middle third'])
})
