/** What the suites with a load consist of. */
import type { SuiteName } from '../arguments.ts'
import { single, triple } from '../systems/registry.ts'
import { onTheLeader, whole } from '../systems/skiff.ts'
import { closed, type Experiment, type Load, share } from './experiment.ts'

export interface PlanOptions {
  /** Of the suites of one node. */
  readonly keys: number
  readonly full: boolean
}

const callerCounts: readonly number[] = [1, 64, 1_000]
/** Of the design's goals. */
const singleValueBytes = 100
const tripleValueBytes = 256
/** So few that the slowest of the peers can be filled. */
const tripleKeys = 10_000
const onlyPuts = 100
const onlyGets = 0
const kibibyte = 1_024

export function planOf(suite: SuiteName, { keys, full }: PlanOptions): readonly Experiment[] {
  const one = { suite, systems: single, keys, valueBytes: singleValueBytes }
  const three = { suite, systems: triple, keys: tripleKeys, valueBytes: tripleValueBytes }
  switch (suite) {
    case 'put1':
      return [{ ...one, loads: callerCounts.map((callers) => closed(callers, onlyPuts)) }]
    case 'put3':
      return [{ ...three, loads: callerCounts.map((callers) => closed(callers, onlyPuts)) }]
    case 'read1':
      return [{ ...one, loads: callerCounts.map((callers) => closed(callers, onlyGets)) }]
    case 'read3':
      return [{ ...three, loads: callerCounts.map((callers) => closed(callers, onlyGets)) }]
    case 'mixed':
      return [one, three].map((experiment) => ({ ...experiment, loads: mixedLoads }))
    case 'scale-keys':
      return keyScale(full).map((count) => ({ ...one, keys: count, loads: keyLoads }))
    case 'scale-value':
      return valueSizes.flatMap((valueBytes) => valueScale(suite, valueBytes))
    case 'scale-nodes':
      return nodeScale(suite)
    case 'latency':
      return [one, three].map((experiment) => ({ ...experiment, loads: latencyLoads }))
    case 'overload':
      return [one, three].map(({ systems, ...rest }) => ({
        ...rest,
        systems: systems.filter(({ name }) => name.startsWith('skiff,')),
        loads: overloadLoads,
      }))
    case 'workers':
      return workerScale(suite)
    default:
      return []
  }
}

// ── Loads ───────────────────────────────────────────────────────────────────────────────────────

const mixedLoads: readonly Load[] = [5, 50].flatMap((putPercent) =>
  [64, 1_000].map((callers) => ({
    ...closed(callers, putPercent),
    distribution: 'zipfian' as const,
  })),
)

/** After the ceiling, of which the others are parts. */
const latencyLoads: readonly Load[] = [
  closed(1_000, onlyPuts),
  ...[0.25, 0.5, 0.75].map((part) => share(part, onlyPuts)),
]

const overloadTimes = 10
const overloadLoads: readonly Load[] = [closed(1_000, onlyPuts), share(overloadTimes, onlyPuts)]

const keyLoads: readonly Load[] = [
  counted(closed(1, onlyPuts)),
  counted(closed(64, onlyPuts)),
  counted(closed(1_000, onlyPuts)),
  closed(64, onlyGets),
]

function counted(load: Load): Load {
  return { ...load, countSyncs: true }
}

// ── Scales ──────────────────────────────────────────────────────────────────────────────────────

function keyScale(full: boolean): number[] {
  return [10_000, 100_000, 1_000_000, ...(full ? [10_000_000] : [])]
}

const valueSizes: readonly number[] = [
  16,
  100,
  256,
  kibibyte,
  4 * kibibyte,
  16 * kibibyte,
  64 * kibibyte,
  256 * kibibyte,
  kibibyte ** 2 - 16,
]
/** Of all values under way, and of all that are there. */
const underWayBytesMax = 16 * kibibyte ** 2
const presentBytesMax = 128 * kibibyte ** 2

function valueScale(suite: SuiteName, valueBytes: number): Experiment[] {
  const keys = Math.min(10_000, Math.floor(presentBytesMax / valueBytes))
  const most = Math.max(1, Math.floor(underWayBytesMax / valueBytes))
  const callers = [...new Set([1, 64, 1_000].map((count) => Math.min(count, most)))]
  const loads = callers.map((count) => counted(closed(count, onlyPuts)))
  const [ours, ...others] = single
  const systems = [ours, onTheLeader(), ...others].filter((system) => system !== undefined)
  return [{ suite, systems, keys, valueBytes, loads }]
}

function nodeScale(suite: SuiteName): Experiment[] {
  const systems = [whole(1), whole(3), onTheLeader(3), whole(5), onTheLeader(5)]
  const loads = callerCounts.map((callers) => counted(closed(callers, onlyPuts)))
  return [{ suite, systems, keys: tripleKeys, valueBytes: tripleValueBytes, loads }]
}

function workerScale(suite: SuiteName): Experiment[] {
  const counts = [1, 2, 3]
  const systems = [
    ...counts.map((workers) => whole(1, workers)),
    ...counts.map((workers) => onTheLeader(3, workers)),
  ]
  const loads = callerCounts.map((callers) => closed(callers, onlyPuts))
  const large = [closed(1, onlyPuts), closed(64, onlyPuts)]
  return [
    { suite, systems, keys: tripleKeys, valueBytes: singleValueBytes, loads },
    { suite, systems, keys: 1_000, valueBytes: 16 * kibibyte, loads: large },
  ]
}
