/**
 * What kind of day the cluster has, drawn per seed. Each fault is often left out altogether: runs with all
 * faults at once hide bugs that need one fault and peace otherwise (swarm testing).
 */
import type { RaftLimits } from '../../src/raft/types.ts'
import { healedUnitsMax, type NetworkSwarm } from './network.ts'
import type { Random } from './random.ts'

/** Units of simulated time between two ticks. */
export const tickUnits: number = 10

export interface Swarm extends NetworkSwarm {
  /** Founding members. */
  readonly nodes: number
  readonly lanes: number
  readonly limits: RaftLimits
  /** Units of time between two calls, on average, and what share of them is what. */
  readonly thinkUnits: number
  readonly reads: number
  readonly watches: number
  readonly cancels: number
  /** Batches that a node may have unanswered. */
  readonly window: number
  /** Commands in a batch, keys they are about, and weight of a value in bytes, at most. */
  readonly commandsMax: number
  readonly keys: number
  readonly paddingMax: number
  readonly watcherBytesMax: number
  /** When a snapshot is due, and how much of it a message carries. */
  readonly snapshotLogBytes: number
  readonly snapshotChunkBytes: number
  /** Share of losses of power that damage the newest of two snapshots. */
  readonly rot: number
  /** Messages go through the codec, and what is moved is detached, as between threads. */
  readonly exact: boolean
  /** Units of time of a durable write: usually, and when the disk is slow. */
  readonly diskMax: number
  readonly diskSlow: number
  readonly diskSlowMax: number
  /** Per turn: the node dies in the middle of it. Per write: the disk refuses. */
  readonly crashInTurn: number
  readonly diskFailure: number
  /** Units of time a node is down, at most. */
  readonly downMax: number
  /** Share of cuts during which the clock of a leader stands still, so that it does not step down. */
  readonly stoppedClocks: number
  /** Share of deaths that are a loss of power. */
  readonly powerLoss: number
  /** Units of time between two faults of each kind, on average; 0: never. */
  readonly crashEvery: number
  readonly stopEvery: number
  readonly pauseEvery: number
  readonly cutEvery: number
  readonly fullDiskEvery: number
  readonly membershipEvery: number
  readonly damageEvery: number
  readonly moveEvery: number
  readonly transferEvery: number
  /** A directory is wiped now and then; only what the cluster survives is asked of it meanwhile. */
  readonly wipes: boolean
  /** Units of simulated time before everything heals. */
  readonly faultyUnits: number
}

export function drawSwarm(random: Random): Swarm {
  const sometimes = (share: number, draw: () => number) => (random.chance(share) ? draw() : 0)
  // Unsafe changes of the membership show in even clusters whose leaders are cut off again and again.
  const churn = random.chance(0.1)
  const limits = drawLimits(random)
  return {
    nodes: churn ? 4 : random.pick([1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7]),
    lanes: random.pick([1, 1, 2]),
    limits,
    thinkUnits: random.pick([4, 12, 40]),
    reads: random.pick([0.1, 0.3, 0.6]),
    watches: random.pick([0, 0.02, 0.1]),
    cancels: random.pick([0, 0.05, 0.2]),
    window: random.between(1, 12),
    commandsMax: random.pick([1, 3, 8]),
    keys: random.pick([3, 12, 60]),
    paddingMax: random.pick([0, 20, 400]),
    watcherBytesMax: random.pick([300, 4_000, 2 ** 20]),
    snapshotLogBytes: random.pick([200, 2_000, 10_000, 2 ** 30]),
    snapshotChunkBytes: random.pick([100, 300, 2_000, 2 ** 20]),
    rot: random.pick([0, 0.3]),
    exact: random.chance(0.15),
    loss: sometimes(0.5, () => random.next() * 0.3),
    duplication: sometimes(0.5, () => random.next() * 0.3),
    delayMax: random.pick([1, 5, 10, 30, 100]),
    delaySlow: sometimes(0.4, () => random.next() * 0.1),
    ordered: random.chance(0.4),
    // Longer, and whoever has started would campaign before it could hear anybody.
    linkUnitsMax: random.pick([0, (limits.electionTicksMin * tickUnits) / 2]),
    diskMax: random.pick([0, 2, 10, 30]),
    diskSlow: sometimes(0.4, () => random.next() * 0.1),
    diskSlowMax: random.pick([50, 200, 600]),
    crashInTurn: sometimes(0.6, () => random.next() * random.pick([0.002, 0.02, 0.05])),
    diskFailure: sometimes(0.2, () => random.next() * 0.005),
    downMax: random.pick([20, 200, 1_500]),
    stoppedClocks: sometimes(0.5, () => 0.7),
    powerLoss: random.pick([0, 0.5, 1]),
    crashEvery: sometimes(0.5, () => random.between(150, 1_500)),
    stopEvery: sometimes(0.3, () => random.between(300, 1_500)),
    pauseEvery: sometimes(0.4, () => random.between(150, 1_500)),
    cutEvery: churn ? 200 : sometimes(0.6, () => random.between(100, 1_500)),
    fullDiskEvery: sometimes(0.1, () => random.between(300, 1_500)),
    membershipEvery: churn ? 100 : sometimes(0.6, () => random.between(50, 600)),
    transferEvery: sometimes(0.4, () => random.between(50, 600)),
    wipes: random.chance(0.3),
    faultyUnits: random.between(1_500, 4_500),
    damageEvery: sometimes(0.3, () => random.between(200, 1_500)),
    moveEvery: sometimes(0.2, () => random.between(150, 1_500)),
  }
}

/** Units of time that a durable write takes. */
export function drawDiskTime(world: { random: Random; swarm: Swarm; faulty: boolean }): number {
  const { random, swarm, faulty } = world
  if (!faulty) return random.between(0, Math.min(swarm.diskMax, healedUnitsMax))
  return random.between(0, random.chance(swarm.diskSlow) ? swarm.diskSlowMax : swarm.diskMax)
}

function drawLimits(random: Random): RaftLimits {
  const heartbeatTicks = random.between(1, 3)
  const electionTicksMin = heartbeatTicks * random.between(3, 6)
  return {
    heartbeatTicks,
    electionTicksMin,
    // A narrow range makes servers campaign in step, so that votes are split and contested.
    electionTicksMax: electionTicksMin + random.pick([2, electionTicksMin]),
    appendEntriesMax: random.pick([1, 3, 128]),
    appendBytesMax: random.pick([50, 1_000, 2 ** 20]),
    appendsInFlightMax: random.between(1, 4),
    uncommittedBytesMax: random.pick([300, 2 ** 20, 2 ** 20]),
  }
}
