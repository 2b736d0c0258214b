/** Tables of Markdown, which can be read in a terminal too. */
import { renderCount } from '../../src/cli/report.ts'

export interface Column<T> {
  readonly title: string
  text(row: T): string
}

/** Aligned: first column to the left, the others to the right. */
export function markdownTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map(cellsOf)]
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)))
  const rule = widths.map((width, index) => `${'-'.repeat(width + 1)}${index === 0 ? '-' : ':'}`)
  const [header = '', ...body] = cells.map((row) => `| ${row.map(pad).join(' | ')} |`)
  return [header, `|${rule.join('|')}|`, ...body].join('\n')

  function cellsOf(row: T): string[] {
    return columns.map((column) => column.text(row))
  }

  function pad(cell: string, index: number): string {
    const width = widths[index] ?? 0
    return index === 0 ? cell.padEnd(width) : cell.padStart(width)
  }
}

export function bullets(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n')
}

/** Three significant figures. */
export function figures(value: number): string {
  return value >= 100 ? renderCount(value) : String(Number(value.toPrecision(3)))
}

export function times(ratio: number): string {
  return `${figures(ratio)} ×`
}

const kibibyte = 1_024

/** Exact where it is a whole number of a larger unit. */
export function size(bytes: number): string {
  if (bytes >= kibibyte ** 2 && bytes % kibibyte ** 2 === 0) return `${bytes / kibibyte ** 2} MiB`
  return bytes >= kibibyte && bytes % kibibyte === 0 ? `${bytes / kibibyte} KiB` : `${bytes} B`
}
