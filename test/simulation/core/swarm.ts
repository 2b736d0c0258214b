/**
 * What kind of day the cluster has, drawn per seed. Each fault is often left out altogether: runs with all
 * faults at once hide bugs that need one fault and peace otherwise (swarm testing).
 */
import type { RaftLimits } from '../../../src/raft/types.ts'
import type { NetworkSwarm } from '../network.ts'
import type { Random } from '../random.ts'

/** Units of simulated time between two ticks. */
export const tickUnits: number = 10
export interface Swarm extends NetworkSwarm {
  /** Founding members. */
  readonly nodes: number
  readonly limits: RaftLimits
  readonly clients: number
  /** Writes a client keeps on their way. */
  readonly clientWindow: number
  /** Weight of a command in bytes, at most. */
  readonly paddingMax: number
  /** Share of client calls that read. */
  readonly reads: number
  /** Units of time of a durable write: usually, and when the disk is slow. */
  readonly diskMax: number
  readonly diskSlow: number
  readonly diskSlowMax: number
  /** Per turn: the node dies in the middle of it; ten times likelier where it stores its term and vote. */
  readonly crashInTurn: number
  /** Units of time a node is down, at most. */
  readonly downMax: number
  /** Share of cuts during which the clock of a leader stands still, so that it does not step down. */
  readonly stoppedClocks: number
  /** A crash loses what the state machine had not synced: it replays the log. */
  readonly powerLoss: number
  /** Units of time between two faults of each kind, on average; 0: never. */
  readonly crashEvery: number
  readonly pauseEvery: number
  readonly cutEvery: number
  readonly membershipEvery: number
  /** Units of simulated time before everything heals. */
  readonly faultyUnits: number
}

export function drawSwarm(random: Random): Swarm {
  const sometimes = (share: number, draw: () => number) => (random.chance(share) ? draw() : 0)
  // Unsafe changes of the membership show in even clusters whose leaders are cut off again and again.
  const churn = random.chance(0.1)
  return {
    nodes: churn ? 4 : random.pick([1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7]),
    limits: drawLimits(random),
    clients: random.between(1, 4),
    clientWindow: random.between(1, 8),
    paddingMax: random.pick([0, 20, 400]),
    reads: random.pick([0.1, 0.3, 0.6]),
    loss: sometimes(0.5, () => random.next() * 0.3),
    duplication: sometimes(0.5, () => random.next() * 0.3),
    delayMax: random.pick([1, 5, 10, 30, 100]),
    delaySlow: sometimes(0.4, () => random.next() * 0.1),
    ordered: random.chance(0.4),
    diskMax: random.pick([0, 2, 10, 30]),
    diskSlow: sometimes(0.4, () => random.next() * 0.1),
    diskSlowMax: random.pick([50, 200, 600]),
    crashInTurn: sometimes(0.6, () => random.next() * random.pick([0.002, 0.02, 0.05])),
    downMax: random.pick([20, 200, 1_500]),
    stoppedClocks: sometimes(0.5, () => 0.7),
    powerLoss: random.pick([0, 0.5, 1]),
    crashEvery: sometimes(0.5, () => random.between(150, 1_500)),
    pauseEvery: sometimes(0.4, () => random.between(150, 1_500)),
    cutEvery: churn ? 200 : sometimes(0.6, () => random.between(100, 1_500)),
    membershipEvery: churn ? 100 : sometimes(0.6, () => random.between(50, 600)),
    faultyUnits: random.between(2_000, 6_000),
  }
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
