/** Rows and ratios as tables, in the terminal line by line as they come, and in RESULTS.md. */
import { renderCount } from '../../src/cli/report.ts'
import type { Metric, Ratio, Row } from '../row.ts'
import { bullets, type Column, figures, markdownTable, size, times } from './table.ts'

/** In the terminal rows come one by one, and the widths cannot be measured first. */
interface FixedColumn extends Column<Row> {
  readonly width: number
}

const fixedColumns: readonly FixedColumn[] = [
  { title: 'system', width: 42, text: ({ system }) => system },
  { title: 'value', width: 7, text: ({ valueBytes }) => size(valueBytes) },
  { title: 'work', width: 8, text: ({ work }) => work },
  { title: 'callers', width: 9, text: callersOf },
  { title: 'ops/s', width: 9, text: ({ opsPerSecond }) => renderCount(opsPerSecond) },
  { title: 'p50 ms', width: 7, text: ({ p50Ms }) => figures(p50Ms) },
  { title: 'p99 ms', width: 7, text: ({ p99Ms }) => figures(p99Ms) },
  { title: 'CPU s/M', width: 7, text: (row) => figures(row.cpuSecondsPerMillion) },
  { title: 'RSS MiB', width: 7, text: ({ rssMiB }) => renderCount(rssMiB) },
]

export const rowHeader: string = terminalLine(fixedColumns.map((column) => column.title))

export function renderRow(row: Row): string {
  const notes = row.notes.map((note) => `\n    ${note}`)
  return terminalLine(fixedColumns.map((column) => column.text(row))) + notes.join('')
}

function terminalLine(cells: readonly string[]): string {
  const pad = (cell: string, index: number) => {
    const width = fixedColumns[index]?.width ?? 0
    return index === 0 ? cell.padEnd(width) : cell.padStart(width)
  }
  return cells.map(pad).join('  ')
}

function callersOf({ callers, open }: Row): string {
  return open === null ? renderCount(callers) : `${renderCount(open.duePerSecond)}/s`
}

interface OptionalColumn extends Column<Row> {
  /** Left out where no row has any of it. */
  isTold(row: Row): boolean
}

const always = (): boolean => true

/** Of RESULTS.md. */
const columns: readonly OptionalColumn[] = [
  { title: 'system', isTold: always, text: ({ system }) => system },
  { title: 'value', isTold: always, text: ({ valueBytes }) => size(valueBytes) },
  { title: 'keys', isTold: always, text: ({ keys }) => renderCount(keys) },
  { title: 'work', isTold: always, text: ({ work }) => work },
  { title: 'callers', isTold: always, text: callersOf },
  { title: 'ops/s', isTold: always, text: ({ opsPerSecond }) => renderCount(opsPerSecond) },
  { title: 'least–most', isTold: hasRuns, text: ({ spread }) => range(spread.opsPerSecond) },
  { title: 'p50 ms', isTold: always, text: ({ p50Ms }) => figures(p50Ms) },
  { title: 'p99 ms', isTold: always, text: ({ p99Ms }) => figures(p99Ms) },
  { title: 'p99.9 ms', isTold: always, text: ({ p999Ms }) => figures(p999Ms) },
  { title: 'CPU s/M', isTold: always, text: (row) => figures(row.cpuSecondsPerMillion) },
  {
    title: 'main + busiest other',
    isTold: (row) => row.mainCpuSecondsPerMillion !== null,
    text: ({ mainCpuSecondsPerMillion: main, busiestOtherCpuSecondsPerMillion: other }) =>
      main === null || other === null ? '' : `${figures(main)} + ${figures(other)}`,
  },
  {
    title: 'callers’ CPU',
    isTold: (row) => row.generatorCpuSecondsPerMillion !== null,
    text: (row) => orNothing(row.generatorCpuSecondsPerMillion),
  },
  {
    title: 'written B/op',
    isTold: (row) => row.work !== 'get' && row.writtenBytesPerOperation > 0,
    text: (row) => renderCount(row.writtenBytesPerOperation),
  },
  {
    title: 'syncs/op',
    isTold: (row) => row.syncsPerOperation !== null,
    text: (row) => orNothing(row.syncsPerOperation),
  },
  {
    title: 'refused/s',
    isTold: ({ open }) => (open?.refusedPerSecond ?? 0) > 0,
    text: ({ open }) => (open === null ? '' : renderCount(open.refusedPerSecond)),
  },
  {
    title: 'from the call: p50, p99 ms',
    isTold: ({ open }) => open !== null,
    text: ({ open }) =>
      open === null ? '' : `${figures(open.callP50Ms)}, ${figures(open.callP99Ms)}`,
  },
  {
    title: 'longest GC, loop late ms',
    isTold: ({ open, threads }) => open !== null && threads !== null,
    text: ({ open, threads }) =>
      open === null || threads === null
        ? ''
        : `${figures(threads.longestCollectionMs)}, ${figures(threads.longestDelayMs)}`,
  },
  {
    title: 'RSS MiB',
    isTold: ({ rssMiB }) => rssMiB > 0,
    text: ({ rssMiB }) => renderCount(rssMiB),
  },
  { title: 'of the limit', isTold: ({ limit }) => limit !== null, text: renderLimit },
]

export function rowColumnsOf(rows: readonly Row[]): readonly Column<Row>[] {
  return columns.filter((column) => rows.some((row) => column.isTold(row)))
}

export function renderRows(rows: readonly Row[]): string {
  const table = markdownTable(rowColumnsOf(rows), rows)
  const notes = [...new Set(rows.flatMap(notesOf))]
  return notes.length === 0 ? table : `${table}\n\n${bullets(notes)}`
}

function hasRuns({ runs }: Row): boolean {
  return runs.length > 1
}

function renderLimit({ limit }: Row): string {
  return limit === null ? '' : `${Math.round(limit.percent)} % (${limit.name})`
}

function range([least, most]: readonly [number, number]): string {
  return `${renderCount(least)}–${renderCount(most)}`
}

function orNothing(value: number | null): string {
  return value === null ? '' : figures(value)
}

function notesOf(row: Row): string[] {
  return row.notes.map((note) => `${row.system}, ${row.work}, ${callersOf(row)} callers: ${note}`)
}

// ── Ratios ──────────────────────────────────────────────────────────────────────────────────────

/** One line per pair and load, the metrics side by side. */
type RatioLine = Pick<Ratio, 'system' | 'against' | 'callers' | 'valueBytes' | 'work'> &
  Readonly<Partial<Record<Metric, Ratio>>>

const ratioColumns: readonly Column<RatioLine>[] = [
  { title: 'system', text: ({ system }) => system },
  { title: 'against', text: ({ against }) => against },
  { title: 'value', text: ({ valueBytes }) => size(valueBytes) },
  { title: 'work', text: ({ work }) => work },
  { title: 'callers', text: ({ callers }) => renderCount(callers) },
  { title: 'ops/s', text: ({ opsPerSecond }) => timesOf(opsPerSecond) },
  { title: 'p50', text: ({ p50Ms }) => timesOf(p50Ms) },
  { title: 'p99', text: ({ p99Ms }) => timesOf(p99Ms) },
]

export function renderRatios(ratios: readonly Ratio[]): string {
  const explanation =
    'Ours divided by theirs, the median of pairs of runs that followed each other (least–most): ops/s above 1 × and latencies below 1 × are in our favour.'
  return `${explanation}\n\n${markdownTable(ratioColumns, linesOf(ratios))}`
}

function timesOf(ratio: Ratio | undefined): string {
  if (ratio === undefined) return ''
  const { least, most } = ratio
  const between = least === most ? '' : ` (${figures(least)}–${figures(most)})`
  return `${times(ratio.ratio)}${between}`
}

function linesOf(ratios: readonly Ratio[]): RatioLine[] {
  const lines = new Map<string, RatioLine>()
  for (const ratio of ratios) {
    const { system, against, callers, valueBytes, work, metric } = ratio
    const load = { system, against, callers, valueBytes, work }
    const id = JSON.stringify({ ...load, suite: ratio.suite })
    lines.set(id, { ...load, ...lines.get(id), [metric]: ratio })
  }
  return [...lines.values()]
}
