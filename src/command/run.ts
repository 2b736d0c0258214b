/**
 * The commands of `skiff`: arguments in, words or JSON out, and an exit code. What they do is in backup/; no
 * node is started, and nothing listens.
 */
import { readFileSync } from 'node:fs'
import { checkBackup } from '../backup/file.ts'
import { backup } from '../backup/offline.ts'
import { recover } from '../backup/recover.ts'
import { restore } from '../backup/restore.ts'
import { messageOf } from '../errors.ts'
import { type Arguments, parseArguments } from './arguments.ts'
import { helpText } from './help.ts'
import { describeBackup, describeFounded, describeRecovery } from './words.ts'

/** What a command has to say, for people and for programs. */
interface Outcome {
  readonly text: string
  readonly data: object
  readonly failed: boolean
}

type Work = Exclude<Arguments, { type: 'help' | 'version' | 'invalid' }>

/** The exit code: 0 done, 1 failed, 2 wrong arguments, 130 interrupted. */
export async function run(words: readonly string[]): Promise<number> {
  const { args, json } = parseArguments(words)
  switch (args.type) {
    case 'help':
      console.log(helpText(args.command))
      return 0
    case 'version':
      console.log(version())
      return 0
    case 'invalid':
      if (json) print({ error: { code: 'USAGE', message: args.reason } })
      else console.error(`${args.reason}\n\n${helpText(args.command)}`)
      return 2
    default:
      return runWork(args, json)
  }
}

async function runWork(args: Work, json: boolean): Promise<number> {
  const interrupt = new AbortController()
  // Once: whoever presses Ctrl-C again does not want to wait for a clean end.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort())
  const progress = new Progress()
  try {
    const { text, data, failed } = await work(args, interrupt.signal, progress)
    progress.end()
    if (json) print(data)
    else console.log(text)
    return failed ? 1 : 0
  } catch (error) {
    progress.end()
    if (interrupt.signal.aborted) return 130
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'FAILED'
    if (json) print({ error: { code, message: messageOf(error) } })
    else console.error(`${code}: ${messageOf(error)}`)
    return 1
  }
}

async function work(args: Work, signal: AbortSignal, { onProgress }: Progress): Promise<Outcome> {
  const long = { signal, onProgress }
  switch (args.type) {
    case 'backup': {
      const made = await backup(args.dir, args.file, { ...long, overwrite: args.overwrite })
      return done(describeBackup(args.file, made), { file: args.file, ...made })
    }
    case 'check': {
      const found = await checkBackup(args.file, long)
      return done(describeBackup(args.file, found), { file: args.file, ...found })
    }
    case 'restore': {
      const made = await restore(args.file, { ...long, dir: args.dir, ...bumpOf(args.bump) })
      return done(describeFounded(made), made)
    }
    case 'recover': {
      const write = args.write === null ? {} : { write: args.write }
      const found = await recover(args.dirs, { signal, ...write, ...bumpOf(args.bump) })
      return { text: describeRecovery(found), data: found, failed: found.best === null }
    }
  }
}

function done(text: string, data: object): Outcome {
  return { text, data, failed: false }
}

function bumpOf(bump: number | null): { revisionBump?: number } {
  return bump === null ? {} : { revisionBump: bump }
}

function print(data: object): void {
  console.log(JSON.stringify(data))
}

function version(): string {
  const path = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

/** One line on a terminal, over and over; anywhere else nothing. */
class Progress {
  #shown = ''

  readonly onProgress = (done: number, total: number): void => {
    if (!process.stderr.isTTY) return
    const line = `${Math.floor((done * 100) / total)} % of ${total.toLocaleString('en-US')} bytes`
    if (line === this.#shown) return
    this.#shown = line
    process.stderr.write(`\r${line}`)
  }

  end(): void {
    if (this.#shown !== '') process.stderr.write('\r\u001b[K')
  }
}
