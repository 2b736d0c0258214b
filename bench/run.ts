/** Entrance of `npm run bench`: which suites, with what, and where the numbers go. */
import { openScratch } from '../src/cli/scratch.ts'
import { type BenchArguments, benchUsage, parseBenchArguments } from './arguments.ts'
import { Bench } from './bench.ts'
import { writeReport } from './report/files.ts'
import { resumeAll } from './suites/pause.ts'

type Run = Extract<BenchArguments, { type: 'run' }>

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
  if (args.etcd !== null) process.env.SKIFF_BENCH_ETCD = args.etcd
  await runBench(args)
  return 0
}

async function runBench(args: Run): Promise<void> {
  const scratch = openScratch('bench')
  // The handler is gone by then, so the signal ends the process. `process.exit` would wait forever for
  // a thread that it cut off inside an LMDB transaction.
  const interrupt = (name: NodeJS.Signals) => {
    resumeAll()
    scratch.remove()
    process.kill(process.pid, name)
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, interrupt)
  try {
    const report = await new Bench(args, scratch.dir).run()
    await writeReport(report, args)
  } finally {
    resumeAll()
    scratch.remove()
  }
}
