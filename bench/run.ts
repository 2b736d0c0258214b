/** Entrance of `npm run bench`: which suites, with what, and where the numbers go. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../src/cli/package-root.ts'
import { openScratch } from '../src/cli/scratch.ts'
import { type BenchArguments, benchUsage, parseBenchArguments } from './arguments.ts'
import { runFailoverSuite } from './failover.ts'
import { type LifeReport, noLife, renderLife } from './life-report.ts'
import { commitOf, describeMachine } from './machine.ts'
import { type MemoryReport, runMemorySuite } from './memory.ts'
import { runPutSuite } from './put.ts'
import {
  type BenchReport,
  type Row,
  ratiosOf,
  renderMemory,
  renderRatios,
  renderResults,
  renderRow,
  rowHeader,
} from './report.ts'
import { runRestartSuite } from './restart.ts'
import { runSnapshotSuite } from './snapshot.ts'

type Run = Extract<BenchArguments, { type: 'run' }>

const growthPuts = 1_000_000

process.exitCode = await main(parseBenchArguments(process.argv.slice(2)))

async function main(args: BenchArguments): Promise<number> {
  if (args.type === 'invalid') {
    console.error(`${args.reason}\n\n${benchUsage}`)
    return 2
  }
  if (args.type === 'help') {
    console.log(benchUsage)
    return 0
  }
  await runBench(args)
  return 0
}

async function runBench(args: Run): Promise<void> {
  const scratch = openScratch('bench')
  // The handler is gone by then, so the signal ends the process. `process.exit` would wait forever for
  // a thread that it cut off inside an LMDB transaction.
  const interrupt = (name: NodeJS.Signals) => {
    scratch.remove()
    process.kill(process.pid, name)
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, interrupt)
  try {
    const report = await runSuites(args, scratch.dir)
    await writeReport(report, args)
  } finally {
    scratch.remove()
  }
}

async function runSuites(args: Run, scratch: string): Promise<BenchReport> {
  const rows: Row[] = []
  const notes: string[] = []
  const onNote = (note: string): void => {
    notes.push(note)
    console.log(`  (${note})`)
  }
  let memory: MemoryReport | null = null
  let life = noLife
  const machine = describeMachine(scratch)
  const date = new Date().toISOString()
  for (const suite of args.suites) {
    console.log(`\n${suite}\n`)
    if (suite === 'memory') {
      memory = await runMemorySuite(scratch, growthPuts)
      console.log(renderMemory(memory))
    } else if (suite === 'put1' || suite === 'put3') {
      await runPuts(suite, args, scratch, rows, onNote)
    } else {
      const measured = await runLifeSuite(suite, args, scratch, onNote)
      console.log(renderLife({ ...noLife, ...measured }))
      life = { ...life, ...measured }
    }
  }
  const root = packageRoot(import.meta.dirname)
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ')
  const ratios = ratiosOf(rows)
  if (ratios.length > 0) console.log(`\n${renderRatios(ratios)}`)
  const run = { machine, node: process.version, commit: commitOf(root), date, command }
  return { ...run, rows, ratios, notes, memory, life }
}

async function runPuts(
  suite: 'put1' | 'put3',
  { keys, measureMs }: Run,
  scratch: string,
  rows: Row[],
  onNote: (note: string) => void,
): Promise<void> {
  console.log(rowHeader)
  await runPutSuite({
    suite,
    scratch,
    keys,
    measureMs,
    // Once per run is enough, whichever suite asks first.
    withPeers: !rows.some(({ system }) => system.startsWith('lmdb')),
    onRow: (row) => {
      rows.push(row)
      console.log(renderRow(row))
    },
    onNote,
  })
}

async function runLifeSuite(
  suite: keyof LifeReport,
  { keys, measureMs, repeats }: Run,
  scratch: string,
  onNote: (note: string) => void,
): Promise<Partial<LifeReport>> {
  switch (suite) {
    case 'snapshot':
      return { snapshot: await runSnapshotSuite({ scratch, keys, measureMs, repeats }) }
    case 'failover':
      return { failover: await runFailoverSuite({ scratch, repeats, onNote }) }
    case 'restart':
      return { restart: await runRestartSuite({ scratch, keysMax: keys, repeats }) }
  }
}

async function writeReport(report: BenchReport, { json, results }: Run): Promise<void> {
  if (json !== null) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`)
  if (!results) return
  const path = join(packageRoot(import.meta.dirname), 'bench', 'RESULTS.md')
  await writeFile(path, renderResults(report, await readFile(path, 'utf8')))
  console.log(`\nwrote ${path}`)
}
