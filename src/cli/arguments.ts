/** What the words after `npm start --` mean. */
import { parseArgs } from 'node:util'

export type StartArguments =
  | {
      readonly type: 'run'
      /** `null`: the checkout of this package. */
      readonly folder: string | null
      /** Where the data stays; `null`: in a temporary folder, removed at the end. */
      readonly dir: string | null
      readonly keep: boolean
    }
  | { readonly type: 'help' }
  | { readonly type: 'invalid'; readonly reason: string }

export const startUsage: string = `Usage: npm start [-- [FOLDER] [options]]

Stores every file of FOLDER (size, time of change, SHA-256) as a key in a cluster of three nodes, kills
the leader half-way, restarts it, and compares all three nodes with the folder read afresh.

  FOLDER       what to store; default: the checkout, with node_modules
  --keep       leave the cluster running afterwards, until Ctrl-C
  --dir DIR    keep the data in DIR; default: a temporary folder in .skiff, removed at the end
  --help       this text

Exit code: 0 all nodes hold exactly the files, 1 they do not, 2 wrong arguments.`

export function parseStartArguments(words: readonly string[]): StartArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        keep: { type: 'boolean', default: false },
        dir: { type: 'string' },
      },
    })
    if (values.help) return { type: 'help' }
    const [folder = null, ...more] = positionals
    assertArgument(more.length === 0, `expected one folder, got ${positionals.join(' ')}`)
    return { type: 'run', folder, dir: values.dir ?? null, keep: values.keep }
  } catch (error) {
    if (isArgumentError(error)) return { type: 'invalid', reason: error.message }
    throw error
  }
}

/** A fault of the person who typed, to be answered with the usage and not with a stack. */
class ArgumentError extends Error {}

export function assertArgument(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ArgumentError(message)
}

export function isArgumentError(error: unknown): error is Error {
  if (error instanceof ArgumentError) return true
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  )
}
