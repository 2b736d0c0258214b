/** What the suites with a load consist of. */
import type { SuiteName } from '../arguments.ts'
import { single, triple } from '../systems/registry.ts'
import { onTheLeader, whole } from '../systems/skiff.ts'
import type { System } from '../systems/system.ts'
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
  const one = { systems: single, keys, valueBytes: singleValueBytes }
  const three = { systems: triple, keys: tripleKeys, valueBytes: tripleValueBytes }
  switch (suite) {
    case 'put1':
      return [{ ...one, loads: byCallers(suite, onlyPuts) }]
    case 'put3':
      return [{ ...three, loads: byCallers(suite, onlyPuts) }]
    case 'read1':
      return [{ ...one, loads: byCallers(suite, onlyGets) }]
    case 'read3':
      return [{ ...three, loads: byCallers(suite, onlyGets) }]
    case 'mixed':
      return [one, three].map((experiment) => ({ ...experiment, loads: mixedLoads }))
    case 'scale-keys':
      return keyScale(full).map((count) => ({ ...one, keys: count, loads: keyLoads }))
    case 'scale-value':
      return valueSizes.flatMap(valueScale)
    case 'scale-nodes':
      return [nodeScale]
    case 'latency':
      return [one, three].map((experiment) => ({ ...experiment, loads: latencyLoads }))
    case 'overload':
      return [one, three].map(({ systems, ...rest }) => ({
        ...rest,
        systems: systems.filter(isOurs),
        loads: overloadLoads,
      }))
    case 'workers':
      return workerScale
    default:
      return []
  }
}

function isOurs({ name }: System): boolean {
  return name.startsWith('skiff,')
}

// ── Loads ───────────────────────────────────────────────────────────────────────────────────────

function byCallers(suite: SuiteName, putPercent: number): Load[] {
  return callerCounts.map((callers) => closed(suite, callers, putPercent))
}

const mixedLoads: readonly Load[] = [5, 50].flatMap((putPercent) =>
  [64, 1_000].map((callers) => ({
    ...closed('mixed', callers, putPercent),
    distribution: 'zipfian' as const,
  })),
)

/** After the ceiling, of which the others are parts. */
const latencyLoads: readonly Load[] = [
  closed('latency', 1_000, onlyPuts),
  ...[0.25, 0.5, 0.75].map((part) => share('latency', part, onlyPuts)),
]

const overloadTimes = 10
/** Queues take their time to fill. */
const overloadLength = 5
const overloadLoads: readonly Load[] = [
  closed('overload', 1_000, onlyPuts),
  { ...share('overload', overloadTimes, onlyPuts), length: overloadLength },
]

const keyLoads: readonly Load[] = [
  ...byCallers('scale-keys', onlyPuts).map(counted),
  closed('scale-keys', 64, onlyGets),
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
  // A packed value may have 1 MiB.
  1_023 * kibibyte,
]
/** Of all values under way, and of all that are there. */
const underWayBytesMax = 16 * kibibyte ** 2
const presentBytesMax = 128 * kibibyte ** 2

function valueScale(valueBytes: number): Experiment {
  const keys = Math.min(tripleKeys, Math.floor(presentBytesMax / valueBytes))
  const most = Math.max(1, Math.floor(underWayBytesMax / valueBytes))
  const callers = [...new Set(callerCounts.map((count) => Math.min(count, most)))]
  const loads = callers.map((count) => counted(closed('scale-value', count, onlyPuts)))
  return { systems: [...single, onTheLeader()], keys, valueBytes, loads }
}

const nodeScale: Experiment = {
  systems: [whole(1), whole(3), onTheLeader(3), whole(5), onTheLeader(5)],
  keys: tripleKeys,
  valueBytes: tripleValueBytes,
  loads: byCallers('scale-nodes', onlyPuts).map(counted),
}

const workerSystems: readonly System[] = [
  ...[1, 2, 3].map((workers) => whole(1, workers)),
  ...[1, 2, 3].map((workers) => onTheLeader(3, workers)),
]

const workerScale: readonly Experiment[] = [
  {
    systems: workerSystems,
    keys: tripleKeys,
    valueBytes: singleValueBytes,
    loads: byCallers('workers', onlyPuts),
  },
  {
    systems: workerSystems,
    keys: 1_000,
    valueBytes: 16 * kibibyte,
    loads: [1, 64].map((callers) => closed('workers', callers, onlyPuts)),
  },
]
