/** Where a report goes: JSON, the page with the plots, RESULTS.md and its picture. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../src/cli/package-root.ts'
import type { BenchOptions } from '../bench.ts'
import { renderSvg } from '../plot.ts'
import { pictureOf } from './charts.ts'
import { renderBenchPage } from './page.ts'
import type { BenchReport } from './report.ts'
import { renderResults } from './results.ts'

export async function writeReport(
  report: BenchReport,
  { json, html, results }: BenchOptions,
): Promise<void> {
  const bench = join(packageRoot(import.meta.dirname), 'bench')
  if (json !== null) await write(json, `${JSON.stringify(report, null, 2)}\n`)
  await write(html ?? join(bench, 'results.html'), renderBenchPage(report))
  if (!results) return
  const picture = pictureOf(report.rows)
  if (picture !== null) await write(join(bench, 'results.svg'), renderSvg(picture))
  const path = join(bench, 'RESULTS.md')
  await write(path, renderResults(report, await readFile(path, 'utf8')))
}

async function write(path: string, text: string): Promise<void> {
  await writeFile(path, text)
  console.log(`wrote ${path}`)
}
