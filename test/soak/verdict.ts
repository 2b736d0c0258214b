/**
 * What must hold of the numbers of a soak. Sizes are measured in intervals: what is written to the log between
 * two snapshots, which is `snapshotLogBytes` or the size of a snapshot, if that is more.
 */
import {
  figuresOf,
  largest,
  meanOf,
  type Phase,
  type PhaseFigures,
  type Sample,
  samplesOf,
} from './samples.ts'

export interface Finding {
  readonly rule: string
  readonly found: number
  readonly most: number
  readonly unit: string
  /** Depends on the machine and what else it does. */
  readonly isTime: boolean
}

export interface SoakNumbers {
  readonly samples: readonly Sample[]
  readonly phases: readonly Phase[]
  readonly members: number
  /** The member that is stopped meanwhile. */
  readonly stopped: number
  readonly snapshotLogBytes: number
}

/**
 * The log reaches back to the older of two snapshots: two intervals. While a third is being taken it grows on, and
 * what was cut for the last is swept out little by little: two more. The fifth is for pages that are half empty.
 */
const logIntervalsMax = 5
/**
 * A tree that is written to at random is two thirds full; pages that are freed while a copy is being made
 * cannot be used again until it is done.
 */
const statePerSnapshotMax = 3
/** Two are kept, and one is being taken. */
const snapshotsMax = 3
/** While a member is away or comes back, the leader keeps the one that it sends to it. */
const snapshotsSentMax = 4
const p99TimesMax = 3
/** Of the last third of the life of a process to its middle third. */
const memoryTimesMax = 1.25
/** In less time a heap has not found its size. */
const lifeMsMin = 300_000

export function findingsOf(numbers: SoakNumbers): Finding[] {
  return [...fileFindings(numbers), ...latencyFindings(numbers), ...memoryFindings(numbers)]
}

export function isBroken({ found, most }: Finding): boolean {
  return found > most
}

/** Of the members that go on. */
export function figuresOfAll({ samples, phases, members, stopped }: SoakNumbers): PhaseFigures[] {
  const all = Array.from({ length: members }, (_, n) => n)
  const others = members === 1 ? all : all.filter((n) => n !== stopped)
  return phases.map((phase) => figuresOf(phase, samples, others))
}

function fileFindings(numbers: SoakNumbers): Finding[] {
  const { samples, phases } = numbers
  const snapshot = largest(samples.map(({ files }) => files.snapshotBytes))
  const interval = Math.max(numbers.snapshotLogBytes, snapshot)
  const sent = new Set(
    phases.flatMap((phase) =>
      phase.name === 'away' || phase.name === 'returning' ? samplesOf(phase, samples) : [],
    ),
  )
  const others = samples.filter((sample) => !sent.has(sample))
  const file = (
    rule: string,
    bytes: readonly number[],
    unitBytes: number,
    most: number,
  ): Finding => ({
    rule,
    found: largest(bytes) / unitBytes,
    most,
    unit: '×',
    isTime: false,
  })
  const taken = Math.max(1, snapshot)
  const folder = (part: readonly Sample[]): number[] =>
    part.map(({ files }) => files.snapshotsBytes)
  return [
    file(
      'log file, in intervals',
      samples.map(({ files }) => files.logBytes),
      interval,
      logIntervalsMax,
    ),
    file(
      'state file, in snapshots',
      samples.map(({ files }) => files.stateBytes),
      taken,
      statePerSnapshotMax,
    ),
    file('snapshots, in the largest', folder(others), taken, snapshotsMax),
    file('the same while one is away or returns', folder([...sent]), taken, snapshotsSentMax),
  ]
}

function latencyFindings(numbers: SoakNumbers): Finding[] {
  if (numbers.members === 1) return []
  const figures = figuresOfAll(numbers)
  const before = figures.find(({ phase }) => phase === 'before')?.p99Ms ?? 0
  return figures
    .filter(({ phase, p99Ms }) => phase !== 'before' && p99Ms > 0)
    .map(({ phase, p99Ms }) => ({
      rule: `p99 of the others ${phase}, to before`,
      found: p99Ms / before,
      most: p99TimesMax,
      unit: '×',
      isTime: true,
    }))
}

function memoryFindings({ samples }: SoakNumbers): Finding[] {
  const nameOf = ({ member, life }: Sample): string => `${member + 1}, process ${life}`
  return [...new Set(samples.map(nameOf))].flatMap((name) => {
    const life = samples.filter((sample) => nameOf(sample) === name)
    const from = life[0]?.atMs ?? 0
    const to = life.at(-1)?.atMs ?? 0
    if (to - from < lifeMsMin) return []
    const third = (to - from) / 3
    const middle = life.filter(({ atMs }) => atMs > from + third && atMs <= to - third)
    const last = life.filter(({ atMs }) => atMs > to - third)
    const times = (bytesOf: (sample: Sample) => number): number =>
      meanOf(last.map(bytesOf)) / Math.max(1, meanOf(middle.map(bytesOf)))
    const memory = { most: memoryTimesMax, unit: '×', isTime: false }
    return [
      {
        rule: `RSS of member ${name}, last to middle third`,
        found: times((s) => s.memory.rssBytes),
        ...memory,
      },
      {
        rule: 'of it, what is not mapped',
        found: times((s) => s.memory.anonymousBytes),
        ...memory,
      },
    ]
  })
}
