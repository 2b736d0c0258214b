/**
 * What a terminal shows: aligned tables, latency percentiles, and the tree of the largest namespaces.
 * Text in, text out; used by the job of `npm start` and by the benches.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Latencies in microseconds, to three figures, up to a minute. */
export function openHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })
}

export function recordMs(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1_000)))
}

export function percentileMs(histogram: RecordableHistogram, percent: number): number {
  return histogram.count === 0 ? 0 : histogram.percentile(percent) / 1_000
}

export function renderTable(header: readonly string[], rows: readonly string[][]): string {
  const lines = alignCells([header, ...rows])
  return lines.map((cells) => cells.join('  ').trimEnd()).join('\n')
}

/** Cells as wide as their column. The first column to the left, the others, being numbers, to the right. */
export function alignCells(lines: readonly (readonly string[])[]): string[][] {
  const widthOf = (column: number) => Math.max(...lines.map((line) => line[column]?.length ?? 0))
  const widths = lines[0]?.map((_, column) => widthOf(column)) ?? []
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return lines.map((line) => line.map(pad))
}

/** A name per line, and what there is to say about it. */
export function renderFacts(facts: readonly (readonly [name: string, text: string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  return facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n')
}

export function renderCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function renderBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const scaled = bytes / 2 ** (10 * step)
  return `${step === 0 ? scaled : scaled.toFixed(1)} ${units[step] ?? 'B'}`
}

// ── Namespaces ──────────────────────────────────────────────────────────────────────────────────

/** A namespace with all keys below it, at any depth. */
export interface Namespace {
  readonly name: string
  readonly keys: number
  readonly children: readonly Namespace[]
}

export interface TreeLimits {
  /** Levels below the root. */
  readonly depthMax: number
  /** Namespaces shown of one level; the rest becomes one line. */
  readonly childrenMax: number
}

const treeLimits: TreeLimits = { depthMax: 3, childrenMax: 5 }
const treeBarWidth = 20

/** The namespace of a key: everything up to its last `/`. */
export function namespaceOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1)
}

/** Counts upwards: what is in `a/b/` is in `a/` too. */
export function namespaceTree(keys: Iterable<string>): Namespace {
  const root = new Branch('')
  for (const key of keys) root.add(key)
  return root.toNamespace()
}

class Branch {
  readonly #name: string
  readonly #children = new Map<string, Branch>()
  #keys = 0

  constructor(name: string) {
    this.#name = name
  }

  add(key: string): void {
    let branch: Branch = this
    branch.#keys++
    for (let from = 0, to = key.indexOf('/'); to >= 0; from = to + 1, to = key.indexOf('/', from)) {
      branch = branch.#child(key.slice(from, to + 1))
      branch.#keys++
    }
  }

  toNamespace(): Namespace {
    const children = [...this.#children.values()].map((child) => child.toNamespace())
    children.sort((a, b) => b.keys - a.keys || (a.name < b.name ? -1 : 1))
    return { name: this.#name, keys: this.#keys, children }
  }

  #child(name: string): Branch {
    const known = this.#children.get(name)
    if (known !== undefined) return known
    const made = new Branch(name)
    this.#children.set(name, made)
    return made
  }
}

/** Largest first, with counts and bars; the bars are shares of the whole tree. */
export function renderTree(root: Namespace, limits: TreeLimits = treeLimits): string {
  const rows = [...treeRows(root, '', limits)]
  const nameWidth = Math.max(0, ...rows.map((row) => row.name.length))
  const countWidth = renderCount(root.keys).length
  return rows
    .map(({ name, keys }) => {
      const bar = '█'.repeat(Math.ceil((keys / root.keys) * treeBarWidth))
      return `${name.padEnd(nameWidth)}  ${renderCount(keys).padStart(countWidth)}  ${bar}`
    })
    .join('\n')
}

interface TreeRow {
  readonly name: string
  readonly keys: number
}

function* treeRows(parent: Namespace, indent: string, limits: TreeLimits): Generator<TreeRow> {
  if (limits.depthMax === 0) return
  const shown = parent.children.slice(0, limits.childrenMax)
  const hidden = parent.children.slice(limits.childrenMax)
  for (const child of shown) {
    const last = child === shown.at(-1) && hidden.length === 0
    yield { name: `${indent}${last ? '└─ ' : '├─ '}${child.name}`, keys: child.keys }
    const deeper = { ...limits, depthMax: limits.depthMax - 1 }
    yield* treeRows(child, `${indent}${last ? '   ' : '│  '}`, deeper)
  }
  if (hidden.length === 0) return
  const keys = hidden.reduce((sum, { keys }) => sum + keys, 0)
  yield { name: `${indent}└─ … ${renderCount(hidden.length)} more`, keys }
}
