/** What a soak shows: a line now and then, tables at the end, and curves. */
import { percentileOf, sumOf } from '../../bench/latencies.ts'
import type { Curve, Panel, Plot } from '../../bench/plot.ts'
import { renderBytes, renderCount, renderTable } from '../../src/cli/report.ts'
import type { SoakReport } from './campaign.ts'
import type { FileSizes } from './files.ts'
import { largest, type PhaseFigures, type Sample } from './samples.ts'
import { type Finding, isBroken } from './verdict.ts'

const mebibyte = 2 ** 20

export function progressOf(samples: readonly Sample[]): string {
  const perSecond = samples.reduce((sum, { writes, ms }) => sum + (writes * 1_000) / ms, 0)
  const p99Ms = percentileOf(sumOf(samples.map(({ latencies }) => latencies)), 99)
  const members = samples.map(({ member, files, status, memory }) => {
    const sizes = [files.logBytes, files.stateBytes, files.snapshotsBytes, memory.rssBytes]
    return `${member + 1}${status.role === 'leader' ? '*' : ''} ${sizes.map(wholeMebibytes).join('/')}`
  })
  const at = Math.round((samples[0]?.atMs ?? 0) / 1_000)
  return `${at} s: ${renderCount(perSecond)} writes/s, p99 ${p99Ms.toFixed(1)} ms; log/state/snapshots/RSS MiB: ${members.join(', ')}`
}

export function renderPhases(figures: readonly PhaseFigures[]): string {
  const header = ['phase', 's', 'writes/s', 'p50 ms', 'p99 ms', 'worst second', 'longest gap ms']
  const rows = figures.map((one) => [
    one.phase,
    one.seconds.toFixed(0),
    renderCount(one.writesPerSecond),
    one.p50Ms.toFixed(2),
    one.p99Ms.toFixed(2),
    one.p99MsMax.toFixed(1),
    one.longestGapMs.toFixed(0),
  ])
  return renderTable(header, rows)
}

export function renderSizes({ samples, occupancies, contents }: SoakReport): string {
  const header = [
    'member',
    'log',
    'state',
    'snapshots',
    'largest',
    'taken',
    'RSS',
    'log full',
    'state full',
  ]
  const rows = membersOf(samples).map((member) => {
    const own = samples.filter((sample) => sample.member === member)
    const most = (bytesOf: (sample: Sample) => number): string =>
      renderBytes(largest(own.map(bytesOf)))
    const { log, state } = occupancies[member] ?? { log: null, state: null }
    const full = (one: typeof log): string =>
      one === null ? '' : percent(one.liveBytes / one.bytes)
    return [
      `${member + 1}`,
      most(({ files }) => files.logBytes),
      most(({ files }) => files.stateBytes),
      most(({ files }) => files.snapshotsBytes),
      most(({ files }) => files.snapshotBytes),
      `${snapshotsTaken(own)}`,
      most(({ memory }) => memory.rssBytes),
      full(log),
      full(state),
    ]
  })
  const held =
    contents === null
      ? ''
      : `\n${renderCount(contents.entries)} entries of ${renderBytes(contents.bytes)}`
  return `most of each, and what of the files is in use at the end:\n${renderTable(header, rows)}${held}`
}

export function renderFindings(findings: readonly Finding[]): string {
  const rows = findings.map((finding) => [
    finding.rule,
    `${finding.found.toFixed(2)} ${finding.unit}`,
    `${finding.most} ${finding.unit}`,
    isBroken(finding) ? 'TOO MUCH' : 'ok',
  ])
  return renderTable(['rule', 'found', 'at most', ''], rows)
}

export function plotOf(title: string, facts: readonly string[], report: SoakReport): Plot {
  const { samples, marks } = report
  const size = (name: string, bytesOf: (files: FileSizes) => number): Panel =>
    panelOf(name, 'MiB', samples, ({ files }) => bytesOf(files) / mebibyte)
  return {
    title,
    facts,
    axis: { title: 'seconds since the load began', scale: 'linear', ticks: null },
    marks,
    panels: [
      panelOf('Writes', 'per second', samples, ({ writes, ms }) => (writes * 1_000) / ms),
      latencyPanel('p50 of writes', samples, 50),
      latencyPanel('p99 of writes', samples, 99),
      size('Log file', ({ logBytes }) => logBytes),
      size('State file', ({ stateBytes }) => stateBytes),
      size('Snapshots', ({ snapshotsBytes }) => snapshotsBytes),
      panelOf('RSS', 'MiB', samples, ({ memory }) => memory.rssBytes / mebibyte),
      panelOf(
        'RSS that is not mapped',
        'MiB',
        samples,
        ({ memory }) => memory.anonymousBytes / mebibyte,
      ),
      panelOf('JavaScript heap', 'MiB', samples, ({ memory }) => memory.heapBytes / mebibyte),
      panelOf(
        'Entries in the log',
        'entries',
        samples,
        ({ status }) => status.lastIndex - status.firstIndex + 1,
      ),
    ],
  }
}

/** What is kept as JSON: all but the single latencies. */
export function numbersOf({ samples, ...report }: SoakReport): object {
  const { contents } = report
  const brief = contents === null ? null : { ...contents, found: null }
  const rows = samples.map(({ latencies, ...sample }) => ({
    ...sample,
    p50Ms: percentileOf(latencies, 50),
    p99Ms: percentileOf(latencies, 99),
  }))
  return { ...report, contents: brief, samples: rows }
}

function latencyPanel(title: string, samples: readonly Sample[], percent: number): Panel {
  const numberOf = ({ latencies }: Sample): number => percentileOf(latencies, percent)
  return { ...panelOf(title, 'ms', samples, numberOf), scale: 'logarithmic' }
}

function panelOf(
  title: string,
  unit: string,
  samples: readonly Sample[],
  numberOf: (sample: Sample) => number,
): Panel {
  const curves = membersOf(samples).map((member) => curveOf(member, samples, numberOf))
  return { title, unit, scale: 'linear', curves }
}

/** Interrupted between one process and the next. */
function curveOf(
  member: number,
  samples: readonly Sample[],
  numberOf: (sample: Sample) => number,
): Curve {
  const own = samples.filter((sample) => sample.member === member)
  const points = own.flatMap((sample, n) => {
    const x = sample.atMs / 1_000
    const isFirst = n > 0 && own[n - 1]?.life !== sample.life
    const point = [x, numberOf(sample)] as const
    return isFirst ? [[x, null] as const, point] : [point]
  })
  return { name: `member ${member + 1}`, colour: member, points }
}

/** Also those that came from the leader. */
function snapshotsTaken(own: readonly Sample[]): number {
  return own.filter(
    ({ status }, n) => n > 0 && status.snapshotIndex > (own[n - 1]?.status.snapshotIndex ?? 0),
  ).length
}

function membersOf(samples: readonly Sample[]): number[] {
  return [...new Set(samples.map(({ member }) => member))].toSorted((a, b) => a - b)
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function wholeMebibytes(bytes: number): string {
  return `${Math.round(bytes / mebibyte)}`
}
