/** Entrance of `npm start`: arguments in, exit code out. The job is in job.ts. */
import { setMaxListeners } from 'node:events'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseStartArguments, type StartArguments, startUsage } from './arguments.ts'
import { runJob } from './job.ts'
import { packageRoot } from './package-root.ts'
import { openScratch, scratchRoot } from './scratch.ts'

process.exitCode = await main(parseStartArguments(process.argv.slice(2)))

async function main(args: StartArguments): Promise<number> {
  if (args.type === 'invalid') return refuse(args.reason)
  if (args.type === 'help') {
    console.log(startUsage)
    return 0
  }
  const folder = args.folder === null ? packageRoot(import.meta.dirname) : resolve(args.folder)
  if (!(await isFolder(folder))) return refuse(`there is no folder ${folder}`)

  const interrupt = new AbortController()
  // Every put in flight listens to it: hundreds are no leak.
  setMaxListeners(0, interrupt.signal)
  // Once: whoever presses Ctrl-C again does not want to wait for a clean end.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort())
  try {
    return await runIn(args.dir, { folder, keep: args.keep, signal: interrupt.signal })
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
    console.error('\ninterrupted')
    return 130
  }
}

function refuse(reason: string): number {
  console.error(`${reason}\n\n${startUsage}`)
  return 2
}

async function runIn(
  keptDir: string | null,
  job: { folder: string; keep: boolean; signal: AbortSignal },
): Promise<number> {
  const scratch = keptDir === null ? openScratch('start') : null
  const dir = scratch?.dir ?? resolve(String(keptDir))
  try {
    return (await runJob({ ...job, dir, exclude: [scratchRoot, dir] })) ? 0 : 1
  } finally {
    scratch?.remove()
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw error
  })
  return found?.isDirectory() ?? false
}
