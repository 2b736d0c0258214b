/** What the benches print and write: rows as they come, ratios, JSON, and bench/RESULTS.md. */
import { alignCells, renderCount } from '../src/cli/report.ts'
import { hasLife, type LifeReport, renderLife } from './life-report.ts'
import type { Machine } from './machine.ts'
import type { MemoryReport } from './memory.ts'

export interface Row {
  readonly suite: string
  readonly system: string
  readonly nodes: number
  readonly callers: number
  readonly valueBytes: number
  readonly keys: number
  readonly opsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuSecondsPerMillion: number
  readonly rssMiB: number
}

export type Metric = 'opsPerSecond' | 'p50Ms' | 'p99Ms'

/** `system` divided by `against`: more is better for `opsPerSecond`, less for the latencies. */
export interface Ratio {
  readonly suite: string
  readonly system: string
  readonly callers: number
  readonly valueBytes: number
  readonly against: string
  readonly metric: Metric
  readonly ratio: number
}

export interface BenchReport {
  readonly machine: Machine
  /** Version of Node.js. */
  readonly node: string
  readonly commit: string
  /** ISO 8601. */
  readonly date: string
  /** How to run it again. */
  readonly command: string
  readonly rows: readonly Row[]
  readonly ratios: readonly Ratio[]
  /** What happened that spoils a row. */
  readonly notes: readonly string[]
  readonly memory: MemoryReport | null
  readonly life: LifeReport
}

const metrics: readonly Metric[] = ['opsPerSecond', 'p50Ms', 'p99Ms']

/** Ours against every other system, where callers, values and keys are the same. */
export function ratiosOf(rows: readonly Row[]): Ratio[] {
  const ours = rows.filter(isOurs)
  const peers = rows.filter((row) => !isOurs(row))
  return ours.flatMap((row) =>
    peers.filter((peer) => sameLoad(row, peer)).flatMap((peer) => ratiosBetween(row, peer)),
  )
}

function isOurs({ system }: Row): boolean {
  return system.startsWith('skiff')
}

function sameLoad(a: Row, b: Row): boolean {
  return a.callers === b.callers && a.valueBytes === b.valueBytes && a.keys === b.keys
}

function ratiosBetween(row: Row, peer: Row): Ratio[] {
  const { suite, system, callers, valueBytes } = row
  const load = { suite, system, callers, valueBytes, against: peer.system }
  return metrics.map((metric) => ({ ...load, metric, ratio: row[metric] / peer[metric] }))
}

// ── Tables ──────────────────────────────────────────────────────────────────────────────────────

export interface Column<T> {
  readonly title: string
  text(row: T): string
}

/** In the terminal rows come one by one, and the widths cannot be measured first. */
interface FixedColumn<T> extends Column<T> {
  readonly width: number
}

const rowColumns: readonly FixedColumn<Row>[] = [
  { title: 'system', width: 30, text: (row) => row.system },
  { title: 'value', width: 6, text: (row) => `${row.valueBytes} B` },
  { title: 'callers', width: 7, text: (row) => renderCount(row.callers) },
  { title: 'puts/s', width: 9, text: (row) => renderCount(row.opsPerSecond) },
  { title: 'p50 ms', width: 8, text: (row) => figures(row.p50Ms) },
  { title: 'p99 ms', width: 8, text: (row) => figures(row.p99Ms) },
  { title: 'CPU s/M', width: 8, text: (row) => figures(row.cpuSecondsPerMillion) },
  { title: 'RSS MiB', width: 7, text: (row) => renderCount(row.rssMiB) },
]

export const rowHeader: string = terminalLine(rowColumns.map((column) => column.title))

export function renderRow(row: Row): string {
  return terminalLine(rowColumns.map((column) => column.text(row)))
}

function terminalLine(cells: readonly string[]): string {
  const pad = (cell: string, index: number) => {
    const width = rowColumns[index]?.width ?? 0
    return index === 0 ? cell.padEnd(width) : cell.padStart(width)
  }
  return cells.map(pad).join('  ')
}

/** Three significant figures. */
export function figures(value: number): string {
  return value >= 100 ? renderCount(value) : String(Number(value.toPrecision(3)))
}

/** One line per pair and load, the metrics side by side. */
type RatioLine = Omit<Ratio, 'metric' | 'ratio'> & Readonly<Partial<Record<Metric, number>>>

const ratioColumns: readonly Column<RatioLine>[] = [
  { title: 'system', text: (line) => line.system },
  { title: 'against', text: (line) => line.against },
  { title: 'value', text: (line) => `${line.valueBytes} B` },
  { title: 'callers', text: (line) => renderCount(line.callers) },
  { title: 'puts/s', text: (line) => times(line.opsPerSecond) },
  { title: 'p50', text: (line) => times(line.p50Ms) },
  { title: 'p99', text: (line) => times(line.p99Ms) },
]

function times(ratio: number | undefined): string {
  return ratio === undefined ? '' : `${ratio.toFixed(2)} ×`
}

function ratioLines(ratios: readonly Ratio[]): RatioLine[] {
  const lines = new Map<string, RatioLine>()
  for (const { metric, ratio, ...load } of ratios) {
    const id = JSON.stringify(load)
    lines.set(id, { ...load, ...lines.get(id), [metric]: ratio })
  }
  return [...lines.values()]
}

// ── RESULTS.md ──────────────────────────────────────────────────────────────────────────────────

const suiteTitles: Readonly<Record<string, string>> = {
  put1: 'One node: durable puts',
  put3: 'Three nodes in one process: durable puts',
}

/**
 * The file is made of parts, each of the run that last measured it: what was not measured now stays as it was
 * `before`.
 */
export function renderResults(report: BenchReport, before = ''): string {
  const hasPuts = report.rows.length > 0 || report.memory !== null
  const fresh = [
    ...(hasPuts || !hasLife(report.life) ? [renderPuts(report)] : []),
    ...(hasLife(report.life) ? [renderLifePart(report)] : []),
  ]
  const titles = [putsTitle, lifeTitle]
  const parts = titles.flatMap((title) => {
    const isPart = (part: string): boolean => part.startsWith(`${title}\n`)
    return fresh.find(isPart) ?? before.split(/^(?=# )/m).find(isPart) ?? []
  })
  return `${parts.map((part) => part.trim()).join('\n\n')}\n`
}

const putsTitle = '# Results'
const lifeTitle = '# A long life'

function renderPuts(report: BenchReport): string {
  const suites = [...new Set(report.rows.map(({ suite }) => suite))]
  const sections = [
    renderIntroduction(report),
    ...suites.map((suite) => renderSuite(suite, report)),
    ...(report.memory === null ? [] : [renderMemory(report.memory)]),
    ...(report.notes.length === 0 ? [] : [`## Notes\n\n${bullets(report.notes)}`]),
  ]
  return sections.join('\n\n')
}

function renderLifePart(report: BenchReport): string {
  return `${lifeTitle}

Snapshots, failover and restart: by other runs than the above, perhaps on other machines.

${renderFacts(report)}

${renderLife(report.life)}`
}

function renderFacts({ machine, node, commit, date, command }: BenchReport): string {
  const { p50Ms, p99Ms } = machine.fdatasync
  return bullets([
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB.toFixed(1)} GiB; ${machine.system}`,
    `Data on: ${machine.filesystem}`,
    `Write of 4 KiB and fdatasync, nothing else: p50 ${figures(p50Ms)} ms, p99 ${figures(p99Ms)} ms`,
    `Node.js ${node}, ${machine.libc}`,
    `Commit ${commit}, ${date}`,
    `Command: \`${command}\``,
  ])
}

function renderIntroduction(report: BenchReport): string {
  return `${putsTitle}

Written by the bench, not by hand. Only ratios within one run on one machine mean anything.

${renderFacts(report)}

Values are \`Buffer\`s of random bytes of the size given; MessagePack adds 2 or 3 bytes. Callers form a
closed loop: each waits until its put is durable, then puts the next of the random keys. CPU seconds are
those of the whole process, per million puts; RSS is that of the whole process at the end of the row, with
the mapped files and with what earlier rows left behind. lmdb-js callers await \`put\` and then \`flushed\`.`
}

function renderSuite(suite: string, { rows, ratios }: BenchReport): string {
  const ofSuite = rows.filter((row) => row.suite === suite)
  const ofRatios = ratios.filter((ratio) => ratio.suite === suite)
  const keys = renderCount(ofSuite[0]?.keys ?? 0)
  const title = `## ${suiteTitles[suite] ?? suite} (random keys among ${keys})`
  const table = `${title}\n\n${markdownTable(rowColumns, ofSuite)}`
  return ofRatios.length === 0 ? table : `${table}\n\n${renderRatios(ofRatios)}`
}

export function renderRatios(ratios: readonly Ratio[]): string {
  const explanation =
    'Ours divided by theirs: puts/s above 1 × and latencies below 1 × are in our favour.'
  return `${explanation}\n\n${markdownTable(ratioColumns, ratioLines(ratios))}`
}

export function renderMemory({ bare, idle, growth }: MemoryReport): string {
  const columns: Column<(typeof growth)[number]>[] = [
    { title: 'puts', text: (sample) => renderCount(sample.puts) },
    { title: 'RSS MiB', text: (sample) => sample.rssMiB.toFixed(1) },
    { title: 'heap MiB', text: (sample) => sample.heapMiB.toFixed(1) },
    { title: 'external MiB', text: (sample) => sample.externalMiB.toFixed(1) },
  ]
  const above = idle.rssMiB - bare.rssMiB
  return `## Memory

One idle node with two workers takes ${above.toFixed(1)} MiB of RSS above Node.js itself
(${idle.rssMiB.toFixed(1)} against ${bare.rssMiB.toFixed(1)} MiB). Over puts of 100 B among 10,000 keys by
1,000 callers, after a garbage collection of the main thread:

${markdownTable(columns, growth)}`
}

/** Aligned, so that it can be read in a terminal too. */
export function markdownTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const titles = columns.map(({ title }) => title)
  const cells = rows.map((row) => columns.map((column) => column.text(row)))
  const [header = [], ...body] = alignCells([titles, ...cells])
  const rule = header.map((cell, n) => `${'-'.repeat(cell.length + 1)}${n === 0 ? '-' : ':'}`)
  const line = (each: readonly string[]) => `| ${each.join(' | ')} |`
  return [line(header), `|${rule.join('|')}|`, ...body.map(line)].join('\n')
}

function bullets(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n')
}
