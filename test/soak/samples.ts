/** What a soak measures, once a second, and which of it belongs to which phase. */
import { type LatencyCounts, percentileOf, sumOf } from '../../bench/latencies.ts'
import type { Memory } from '../../bench/member.ts'
import type { NodeStatus } from '../../src/store.ts'
import type { FileSizes } from './files.ts'

/** One member over about a second. */
export interface Sample {
  /** Since the soak began, at the end of the second. */
  readonly atMs: number
  readonly member: number
  /** Counts the processes of this member. */
  readonly life: number
  readonly ms: number
  readonly writes: number
  readonly reads: number
  readonly failures: number
  readonly longestGapMs: number
  readonly latencies: LatencyCounts
  readonly memory: Memory
  readonly files: FileSizes
  readonly status: Pick<
    NodeStatus,
    'role' | 'term' | 'firstIndex' | 'lastIndex' | 'appliedIndex' | 'commitIndex' | 'snapshotIndex'
  >
}

/** `away`: one member is stopped, or, where it is the only one, begins anew. */
export const phaseNames = ['before', 'away', 'returning', 'after'] as const
export type PhaseName = (typeof phaseNames)[number]

export interface Phase {
  readonly name: PhaseName
  readonly fromMs: number
  readonly toMs: number
}

export interface PhaseFigures {
  readonly phase: PhaseName
  readonly seconds: number
  readonly writesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** The worst second's. */
  readonly p99MsMax: number
  readonly longestGapMs: number
}

/** Of these members together. */
export function figuresOf(
  phase: Phase,
  samples: readonly Sample[],
  members: readonly number[],
): PhaseFigures {
  const during = samplesOf(phase, samples).filter(({ member }) => members.includes(member))
  const latencies = sumOf(during.map((sample) => sample.latencies))
  const seconds = (phase.toMs - phase.fromMs) / 1_000
  return {
    phase: phase.name,
    seconds,
    writesPerSecond: during.reduce((sum, { writes }) => sum + writes, 0) / Math.max(1, seconds),
    p50Ms: percentileOf(latencies, 50),
    p99Ms: percentileOf(latencies, 99),
    p99MsMax: largest(during.map((sample) => percentileOf(sample.latencies, 99))),
    longestGapMs: largest(during.map((sample) => sample.longestGapMs)),
  }
}

/** Those of seconds that lie in it entirely. */
export function samplesOf({ fromMs, toMs }: Phase, samples: readonly Sample[]): readonly Sample[] {
  return samples.filter(({ atMs, ms }) => atMs - ms >= fromMs && atMs <= toMs)
}

export function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
