/** One page with all plots and tables, which loads nothing. */
import { escaped, renderDrawing, renderPage } from '../plot.ts'
import { chartsOf } from './charts.ts'
import { goalColumns } from './goals.ts'
import type { BenchReport } from './report.ts'
import { factsOf } from './results.ts'
import { rowColumnsOf } from './rows.ts'
import type { Column } from './table.ts'

export function renderBenchPage(report: BenchReport): string {
  const { goals, rows, notes } = report
  const suites = [...new Set(rows.map(({ suite }) => suite))]
  return renderPage('skiff-ts: bench', [
    ...factsOf(report).map(paragraph),
    ...(goals.length === 0 ? [] : [heading('Goals'), table(goalColumns, goals)]),
    ...notes.map(paragraph),
    ...chartsOf(rows).flatMap(({ title, drawing }) => [heading(title), renderDrawing(drawing)]),
    ...suites.flatMap((suite) => {
      const own = rows.filter((row) => row.suite === suite)
      return [heading(suite), table(rowColumnsOf(own), own), ...own.flatMap(notesOf)]
    }),
  ])
}

function notesOf({ system, notes }: BenchReport['rows'][number]): string[] {
  return notes.map((note) => paragraph(`${system}: ${note}`))
}

function table<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const head = line(
    'th',
    columns.map(({ title }) => title),
  )
  const body = rows.map((row) =>
    line(
      'td',
      columns.map((column) => column.text(row)),
    ),
  )
  return `<table>\n${[head, ...body].join('\n')}\n</table>`
}

function line(tag: string, cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`
}

function heading(text: string): string {
  return `<h2>${escaped(text)}</h2>`
}

function paragraph(text: string): string {
  return `<p>${escaped(text)}</p>`
}
