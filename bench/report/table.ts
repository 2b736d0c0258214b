/** Tables of Markdown, which can be read in a terminal too. */
import { alignCells, renderCount } from '../../src/cli/report.ts'

export interface Column<T> {
  readonly title: string
  text(row: T): string
}

/** Aligned: first column to the left, the others to the right. */
export function markdownTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const titles = columns.map(({ title }) => title)
  const cells = rows.map((row) => columns.map((column) => column.text(row)))
  const [header = [], ...body] = alignCells([titles, ...cells])
  const rule = header.map((cell, n) => `${'-'.repeat(cell.length + 1)}${n === 0 ? '-' : ':'}`)
  const line = (each: readonly string[]) => `| ${each.join(' | ')} |`
  return [line(header), `|${rule.join('|')}|`, ...body.map(line)].join('\n')
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
