/**
 * What an operation costs, and how that grows: of the suites `scale-…` and of callers. Between the first and the last point the
 * growth is told as a factor; by the size of the value, where cost is a sum of a part for each put and a part for its
 * bytes, both parts are.
 */
import { renderCount } from '../../src/cli/report.ts'
import type { Row } from '../row.ts'
import { type Column, figures, markdownTable, size } from './table.ts'

export interface Growth {
  readonly system: string
  /** What stays the same. */
  readonly load: string
  readonly from: string
  readonly to: string
  readonly cpu: Cost
  readonly written: Cost
  readonly syncs: Cost | null
  readonly p50: Cost
}

/** Of one operation, at the first point and at the last. */
interface Cost {
  readonly first: number
  readonly last: number
}

/** `each` and, per KiB of its value, `perKibibyte`. */
export interface Line {
  readonly each: number
  readonly perKibibyte: number
}

interface Axis {
  of(row: Row): number
  label(x: number): string
  /** What all points of one line share. */
  load(row: Row): string
}

const kibibyte = 1_024

const axes: Readonly<Record<string, Axis>> = {
  'scale-keys': { of: ({ keys }) => keys, label: (x) => `${renderCount(x)} keys`, load: loadOf },
  'scale-value': { of: ({ valueBytes }) => valueBytes, label: size, load: loadOf },
  'scale-nodes': { of: ({ nodes }) => nodes, label: (x) => `${x} nodes`, load: loadOf },
}

export function growthOf(suite: string, rows: readonly Row[]): Growth[] {
  const axis = axes[suite]
  if (axis === undefined) return []
  return [...groupsOf(rows, axis).values()].flatMap((group) => {
    const sorted = group.toSorted((a, b) => axis.of(a) - axis.of(b))
    const [first, last] = [sorted[0], sorted.at(-1)]
    if (first === undefined || last === undefined || first === last) return []
    const cost = (of: (row: Row) => number): Cost => ({ first: of(first), last: of(last) })
    const isCounted = first.syncsPerOperation !== null && last.syncsPerOperation !== null
    return [
      {
        system: nameOf(first),
        load: axis.load(first),
        from: axis.label(axis.of(first)),
        to: axis.label(axis.of(last)),
        cpu: cost((row) => row.cpuSecondsPerMillion),
        written: cost((row) => row.writtenBytesPerOperation),
        syncs: isCounted ? cost((row) => row.syncsPerOperation ?? 0) : null,
        p50: cost(({ p50Ms }) => p50Ms),
      },
    ]
  })
}

/** Least squares, each point weighed by the inverse of its size, so that small values count as much as large ones. */
export function lineThrough(points: readonly (readonly [bytes: number, cost: number])[]): Line {
  const weighed = points.map(([bytes, cost]) => ({
    x: bytes / kibibyte,
    y: cost,
    w: 1 / cost ** 2,
  }))
  const sum = (of: (point: (typeof weighed)[number]) => number) =>
    weighed.reduce((total, point) => total + of(point), 0)
  const [w, wx, wy] = [sum((p) => p.w), sum((p) => p.w * p.x), sum((p) => p.w * p.y)]
  const [wxx, wxy] = [sum((p) => p.w * p.x * p.x), sum((p) => p.w * p.x * p.y)]
  const perKibibyte = (w * wxy - wx * wy) / (w * wxx - wx * wx)
  return { each: (wy - perKibibyte * wx) / w, perKibibyte }
}

const columns: readonly Column<Growth>[] = [
  { title: 'system', text: ({ system }) => system },
  { title: 'load', text: ({ load }) => load },
  { title: 'from', text: ({ from }) => from },
  { title: 'to', text: ({ to }) => to },
  { title: 'CPU µs', text: ({ cpu }) => costText(cpu) },
  { title: 'written B', text: ({ written }) => costText(written) },
  { title: 'syncs', text: ({ syncs }) => (syncs === null ? '' : costText(syncs)) },
  { title: 'p50 ms', text: ({ p50 }) => costText(p50) },
]

/** `null` where a suite tells nothing of growth. */
export function renderGrowth(suite: string, rows: readonly Row[]): string | null {
  const growth = growthOf(suite, rows)
  if (growth.length === 0) return null
  const table = `Growth of what one operation costs:\n\n${markdownTable(columns, growth)}`
  return suite === 'scale-value' ? `${table}\n\n${renderLines(rows)}` : table
}

interface Fit {
  readonly system: string
  readonly load: string
  readonly cpu: Line
  readonly written: Line
}

const fitColumns: readonly Column<Fit>[] = [
  { title: 'system', text: ({ system }) => system },
  { title: 'load', text: ({ load }) => load },
  { title: 'CPU µs', text: ({ cpu }) => lineText(cpu) },
  { title: 'written B', text: ({ written }) => lineText(written) },
]

function renderLines(rows: readonly Row[]): string {
  const axis: Axis = { of: ({ valueBytes }) => valueBytes, label: size, load: loadOf }
  const fits = [...groupsOf(rows, axis).values()].flatMap((group): Fit[] => {
    const [first] = group
    if (first === undefined || group.length < 3) return []
    const line = (of: (row: Row) => number) =>
      lineThrough(group.filter((row) => of(row) > 0).map((row) => [row.valueBytes, of(row)]))
    return [
      {
        system: nameOf(first),
        load: loadOf(first),
        cpu: line((row) => row.cpuSecondsPerMillion),
        written: line((row) => row.writtenBytesPerOperation),
      },
    ]
  })
  return `The line through all sizes, a part for each put and a part for each KiB of its value:\n\n${markdownTable(fitColumns, fits)}`
}

function groupsOf(rows: readonly Row[], axis: Axis): ReadonlyMap<string, Row[]> {
  const groups = new Map<string, Row[]>()
  // Where nothing ended there is no cost.
  for (const row of rows.filter(({ opsPerSecond }) => opsPerSecond > 0)) {
    const id = `${nameOf(row)}, ${axis.load(row)}`
    groups.set(id, [...(groups.get(id) ?? []), row])
  }
  return groups
}

/** By nodes the number of them is what differs. */
function nameOf({ suite, system }: Row): string {
  return suite === 'scale-nodes' ? system.replace(/\d+ (nodes|members)/, '$1') : system
}

function loadOf({ work, callers }: Row): string {
  return `${work}, ${renderCount(callers)} ${callers === 1 ? 'caller' : 'callers'}`
}

function costText({ first, last }: Cost): string {
  const factor = first === 0 ? '' : ` (${figures(last / first)} ×)`
  return `${figures(first)} → ${figures(last)}${factor}`
}

function lineText({ each, perKibibyte }: Line): string {
  return `${figures(each)} + ${figures(perKibibyte)} per KiB`
}
