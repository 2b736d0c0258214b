/** Rows as curves: what grows with callers, keys, size, nodes, and how latencies are spread. */
import { renderCount } from '../../src/cli/report.ts'
import type { Axis, Curve, Drawing, Panel } from '../plot.ts'
import type { Row } from '../row.ts'
import { size } from './table.ts'

export interface Chart {
  readonly title: string
  readonly drawing: Drawing
}

interface Measure {
  readonly title: string
  readonly unit: string
  of(row: Row): number | null
}

const throughput: Measure = { title: 'throughput', unit: 'per s', of: (row) => row.opsPerSecond }
const p50: Measure = { title: 'p50', unit: 'ms', of: ({ p50Ms }) => p50Ms }
const p99: Measure = { title: 'p99', unit: 'ms', of: ({ p99Ms }) => p99Ms }
const cpu: Measure = {
  title: 'CPU',
  unit: 'µs per operation',
  of: (row) => row.cpuSecondsPerMillion,
}
const written: Measure = {
  title: 'written to the disk',
  unit: 'bytes per operation',
  of: (row) => row.writtenBytesPerOperation,
}
const syncs: Measure = { title: 'syncs', unit: 'per operation', of: (row) => row.syncsPerOperation }

/** One system at one load is one curve, by what the axis tells. */
export function chartsOf(rows: readonly Row[]): Chart[] {
  const byCallers = ['put1', 'put3', 'read1', 'read3'].flatMap((suite) => {
    const own = closedRows(rows, suite)
    return own.length === 0 ? [] : [callersChart(suite, own), percentilesChart(suite, own)]
  })
  return [...byCallers, ...mixedCharts(rows), ...openCharts(rows), ...scaleCharts(rows)]
}

/** For the README: the ceilings of puts. `null` where they were not measured. */
export function pictureOf(rows: readonly Row[]): Drawing | null {
  const suites = ['put1', 'put3']
  const all = suites.flatMap((suite) => closedRows(rows, suite))
  const panels = suites.flatMap((suite) => {
    const own = closedRows(rows, suite)
    if (own.length === 0) return []
    const title = suite === 'put1' ? 'one node, 100 B' : 'three nodes, 256 B'
    return [panelOf({ ...throughput, title: `puts, ${title}` }, own, ({ callers }) => callers, all)]
  })
  return panels.length === 0 ? null : { axis: callersAxis(all), panels, marks: [] }
}

function callersChart(suite: string, rows: readonly Row[]): Chart {
  const panels = [throughput, p50, p99, cpu].map((measure) =>
    panelOf(measure, rows, ({ callers }) => callers),
  )
  return { title: `${suite}: by callers`, drawing: { axis: callersAxis(rows), panels, marks: [] } }
}

const percentiles = [
  { label: 'p50', of: ({ p50Ms }: Row) => p50Ms },
  { label: 'p99', of: ({ p99Ms }: Row) => p99Ms },
  { label: 'p99.9', of: ({ p999Ms }: Row) => p999Ms },
]

function percentilesChart(suite: string, rows: readonly Row[]): Chart {
  const panels = distinct(rows.map(({ callers }) => callers)).map((callers): Panel => {
    const own = rows.filter((row) => row.callers === callers)
    const curves = own.map((row): Curve => {
      const points = percentiles.map(({ of }, x) => [x, of(row)] as const)
      return { name: row.system, colour: colourOf(row.system, rows), points }
    })
    const title = `latency, ${renderCount(callers)} ${callers === 1 ? 'caller' : 'callers'}`
    return { title, unit: 'ms', scale: 'logarithmic', curves }
  })
  const ticks = percentiles.map(({ label }, x) => [x, label] as const)
  const axis: Axis = { title: 'percentile', scale: 'linear', ticks }
  return { title: `${suite}: latencies`, drawing: { axis, panels, marks: [] } }
}

function mixedCharts(rows: readonly Row[]): Chart[] {
  return grouped(
    closedRows(rows, 'mixed'),
    ({ work, valueBytes }) => `${work}, ${size(valueBytes)}`,
  ).map(([load, own]) => ({ ...callersChart('mixed', own), title: `mixed: ${load}` }))
}

/** By how much was due. */
function openCharts(rows: readonly Row[]): Chart[] {
  const own = rows.filter(({ suite, open }) => suite === 'latency' && open !== null)
  return grouped(own, ({ valueBytes }) => size(valueBytes)).map(([load, these]) => {
    const panels = [p50, p99].map((measure) =>
      panelOf(measure, these, ({ open }) => open?.duePerSecond ?? 0),
    )
    const axis: Axis = { title: 'due per second', scale: 'logarithmic', ticks: null }
    return { title: `latency: open loop, ${load}`, drawing: { axis, panels, marks: [] } }
  })
}

interface Scale {
  readonly suite: string
  readonly title: string
  readonly scale: Axis['scale']
  of(row: Row): number
  label(x: number): string
}

const scales: readonly Scale[] = [
  {
    suite: 'scale-keys',
    title: 'keys',
    scale: 'logarithmic',
    of: ({ keys }) => keys,
    label: renderCount,
  },
  {
    suite: 'scale-value',
    title: 'size of a value',
    scale: 'logarithmic',
    of: ({ valueBytes }) => valueBytes,
    label: size,
  },
  {
    suite: 'scale-nodes',
    title: 'nodes',
    scale: 'linear',
    of: ({ nodes }) => nodes,
    label: String,
  },
]

function scaleCharts(rows: readonly Row[]): Chart[] {
  return scales.flatMap(({ suite, title, scale, of, label }) => {
    const own = closedRows(rows, suite)
    return grouped(own, loadOf).map(([load, these]) => {
      const measures = [throughput, p50, p99, cpu, written, syncs]
      const panels = measures
        .filter((measure) => these.some((row) => (measure.of(row) ?? 0) > 0))
        .map((measure) => panelOf(measure, these, of))
      const ticks = distinct(these.map(of)).map((x) => [x, label(x)] as const)
      const axis: Axis = { title, scale, ticks }
      return { title: `${suite}: ${load}`, drawing: { axis, panels, marks: [] } }
    })
  })
}

function loadOf({ work, callers }: Row): string {
  return `${work}, ${renderCount(callers)} ${callers === 1 ? 'caller' : 'callers'}`
}

function closedRows(rows: readonly Row[], suite: string): Row[] {
  return rows.filter((row) => row.suite === suite && row.open === null)
}

function callersAxis(rows: readonly Row[]): Axis {
  const counts = distinct(rows.filter(({ callers }) => callers > 0).map(({ callers }) => callers))
  const ticks = counts.map((callers) => [callers, renderCount(callers)] as const)
  return { title: 'callers', scale: 'logarithmic', ticks }
}

/** `all`: of which rows the curves are told apart by their colours. */
function panelOf(
  measure: Measure,
  rows: readonly Row[],
  xOf: (row: Row) => number,
  all: readonly Row[] = rows,
): Panel {
  const names = distinct(rows.map(curveName))
  const curves = names.map((name): Curve => {
    const own = rows.filter((row) => isOnCurve(row, name)).toSorted((a, b) => xOf(a) - xOf(b))
    const points = own.map((row) => [xOf(row), measure.of(row)] as const)
    return { name, colour: colourOf(name, all), points }
  })
  return { title: measure.title, unit: measure.unit, scale: 'logarithmic', curves }
}

/** The number of nodes is in the name, so that it would make curves of one point each where it is the axis. */
function curveName({ suite, system }: Row): string {
  return suite === 'scale-nodes' ? system.replace(/\d+ (node|member)s?/, 'members') : system
}

/** A single node is where all ways of having several begin. */
function isOnCurve(row: Row, name: string): boolean {
  return curveName(row) === name || (row.suite === 'scale-nodes' && row.nodes === 1)
}

function colourOf(name: string, rows: readonly Row[]): number {
  return distinct(rows.map(curveName)).indexOf(name)
}

/** In the order in which the names come first. */
function grouped(rows: readonly Row[], nameOf: (row: Row) => string): [name: string, Row[]][] {
  return distinct(rows.map(nameOf)).map((name) => [
    name,
    rows.filter((row) => nameOf(row) === name),
  ])
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
